//! What is answered where. TCP: health probes, metrics, admin, and WebSockets on every other path. Unix: WebSockets only.
//!
//! The order of checks is fixed: framing, Origin, route, upgrade headers, authentication. A browser's page is stopped by
//! its Origin before it learns anything, and probes need no token.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use actix_web::http::{Method, StatusCode, Version, header};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::actors::Kernel;
use crate::http::auth::AuthPolicy;
use crate::http::peer::Peer;
use crate::http::{admin, metrics, ws};

/// What every worker of the HTTP server shares.
pub struct HttpState {
    /// Opens connections.
    pub kernel: Kernel,
    /// Who may upgrade on TCP.
    pub auth: AuthPolicy,
    /// When serving began.
    pub started: Instant,
}

/// Adds the routes to an app.
pub fn configure(state: Arc<HttpState>) -> impl Fn(&mut web::ServiceConfig) + Clone {
    let state = web::Data::from(state);
    move |config| {
        config.app_data(state.clone()).default_service(web::to(answer));
    }
}

async fn answer(request: HttpRequest, payload: web::Payload, state: web::Data<HttpState>) -> HttpResponse {
    if contradictory_framing(&request) {
        return HttpResponse::BadRequest().force_close().finish();
    }
    let peer = Peer::of(&request);
    if peer.is_unix() {
        return on_unix(&request, payload, &state, &peer);
    }
    if !origin_allowed(&request, &state.kernel.services().settings.allowed_origins) {
        return HttpResponse::Forbidden().finish();
    }
    match request.path() {
        "/readyz" | "/healthz" => probe(&request),
        "/metrics" => metrics::answer(&request, &state),
        path if path.starts_with("/admin/api/v1/") => admin::answer(&request, &state),
        _ => match upgrade_refusal(&request) {
            Some((status, text)) => plain(status, text),
            None => match state.auth.check(authorization(&request), unix_now()) {
                Err(refusal) => plain(StatusCode::UNAUTHORIZED, &refusal.to_string()),
                Ok(()) => open(&request, payload, &state, &peer),
            },
        },
    }
}

/// The control socket speaks WebSocket and nothing else; whoever does not is hung up on.
fn on_unix(request: &HttpRequest, payload: web::Payload, state: &HttpState, peer: &Peer) -> HttpResponse {
    match upgrade_refusal(request) {
        None => open(request, payload, state, peer),
        Some((status, text)) => {
            if let Some(socket) = peer.socket() {
                socket.cut();
            }
            plain(status, text)
        }
    }
}

fn open(request: &HttpRequest, payload: web::Payload, state: &HttpState, peer: &Peer) -> HttpResponse {
    ws::open(request, payload, &state.kernel, peer).unwrap_or_else(|error| error.error_response())
}

fn probe(request: &HttpRequest) -> HttpResponse {
    match *request.method() {
        Method::GET | Method::HEAD => HttpResponse::Ok().finish(),
        _ => method_not_allowed(),
    }
}

/// 405 for what can only be read.
pub fn method_not_allowed() -> HttpResponse {
    HttpResponse::MethodNotAllowed()
        .insert_header((header::ALLOW, "GET,HEAD"))
        .finish()
}

/// A text answer.
pub fn plain(status: StatusCode, text: &str) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("text/plain; charset=utf-8")
        .body(text.to_string())
}

/// The value of the `Authorization` header.
pub fn authorization(request: &HttpRequest) -> Option<&[u8]> {
    request
        .headers()
        .get(header::AUTHORIZATION)
        .map(|value| value.as_bytes())
}

/// The time for checks of tokens.
pub fn unix_now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

/// Both a length and chunks: two readers would disagree about where the request ends.
fn contradictory_framing(request: &HttpRequest) -> bool {
    let headers = request.headers();
    headers.contains_key(header::CONTENT_LENGTH) && headers.contains_key(header::TRANSFER_ENCODING)
}

fn origin_allowed(request: &HttpRequest, allowed: &[String]) -> bool {
    request.headers().get_all(header::ORIGIN).all(|origin| {
        allowed
            .iter()
            .any(|one| one == "*" || one.as_bytes() == origin.as_bytes())
    })
}

/// Why a request is no WebSocket upgrade.
fn upgrade_refusal(request: &HttpRequest) -> Option<(StatusCode, &'static str)> {
    let text = |name: header::HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    if request.method() != Method::GET {
        return Some((StatusCode::METHOD_NOT_ALLOWED, "Request method must be `GET`"));
    }
    if request.version() < Version::HTTP_11 {
        return Some((StatusCode::UPGRADE_REQUIRED, "WebSocket needs HTTP/1.1"));
    }
    let connection = text(header::CONNECTION).unwrap_or_default().to_ascii_lowercase();
    let refusal = if !connection.contains("upgrade") {
        "Connection header did not include 'upgrade'"
    } else if !text(header::UPGRADE).is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket")) {
        "`Upgrade` header did not include 'websocket'"
    } else if !request.headers().contains_key(header::SEC_WEBSOCKET_KEY) {
        "`Sec-WebSocket-Key` header missing"
    } else if text(header::SEC_WEBSOCKET_VERSION) != Some("13") {
        "`Sec-WebSocket-Version` header did not include '13'"
    } else {
        return None;
    };
    Some((StatusCode::BAD_REQUEST, refusal))
}
