//! `/admin/api/v1`: what runs here, for operators. Read-only.
//!
//! With an admin token, the token opens it from anywhere; without one, only peers on the loopback device get in, and
//! only under a loopback name, so that a page in a browser cannot reach it through a name of its own. Nothing secret is
//! ever in an answer: no tokens, no prompts, no file contents.

mod views;

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse};
use utoipa::OpenApi;

use crate::http::app::{HttpState, authorization, method_not_allowed, plain};
use crate::http::auth::{bearer_token, same_secret};

/// The description of these endpoints.
#[derive(OpenApi)]
#[openapi(
    info(title = "Greenroom admin", description = "What runs in this server. Read-only."),
    paths(views::status, views::connections, views::threads)
)]
struct AdminApi;

/// Answers a request below `/admin/api/v1/`.
pub fn answer(request: &HttpRequest, state: &HttpState) -> HttpResponse {
    if let Some(refusal) = refusal(request, state) {
        return refusal;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return method_not_allowed();
    }
    match request.path().trim_start_matches("/admin/api/v1/") {
        "status" => HttpResponse::Ok().json(views::status(state)),
        "connections" => HttpResponse::Ok().json(views::connections(state)),
        "threads" => HttpResponse::Ok().json(views::threads(state)),
        "openapi.json" => HttpResponse::Ok().json(AdminApi::openapi()),
        _ => plain(
            StatusCode::NOT_FOUND,
            "no such endpoint; see /admin/api/v1/openapi.json",
        ),
    }
}

fn refusal(request: &HttpRequest, state: &HttpState) -> Option<HttpResponse> {
    if state.kernel.services().settings.admin_token.is_some() {
        if has_token(request, state) {
            return None;
        }
        let mut answer = plain(StatusCode::UNAUTHORIZED, "the admin token is needed");
        let scheme = header::HeaderValue::from_static("Bearer");
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        return Some(answer);
    }
    if is_loopback(request) && loopback_name(request) {
        return None;
    }
    let text = "set admin_token to reach this from elsewhere than the loopback device";
    Some(plain(StatusCode::FORBIDDEN, text))
}

/// Whether the request carries the admin token.
pub fn has_token(request: &HttpRequest, state: &HttpState) -> bool {
    let Some(expected) = &state.kernel.services().settings.admin_token else {
        return false;
    };
    bearer_token(authorization(request)).is_ok_and(|token| same_secret(token, expected.expose()))
}

/// Whether the peer is on this machine.
pub fn is_loopback(request: &HttpRequest) -> bool {
    request
        .peer_addr()
        .is_some_and(|peer| peer.ip().to_canonical().is_loopback())
}

fn loopback_name(request: &HttpRequest) -> bool {
    let Some(host) = request.headers().get(header::HOST) else {
        return true;
    };
    let Ok(host) = host.to_str() else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
