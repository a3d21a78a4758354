//! The proxy as HTTP: whole requests to hosts without a seal, and `CONNECT` for everything else.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION};
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode, Uri};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::admission::{Closed, connect};
use super::host::Host;
use super::keeper::{Keeper, Request};
use super::tunnel::tunnel;
use super::upstream::Route;
use crate::protocol::NetworkApprovalProtocol;

/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(30);
/// The longest head.
const LONGEST_HEAD: usize = 64 * 1024;
/// Tells programs why the proxy answers in a host's place.
const WHY: HeaderName = HeaderName::from_static("x-proxy-error");
/// Headers that are for the next one on the way only.
const FOR_THE_NEXT: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "upgrade",
];

type Asked = hyper::Request<Incoming>;
type Body = UnsyncBoxBody<Bytes, hyper::Error>;
/// The tunnel that a connection becomes, once its answer is out.
type Tunnel = Arc<Mutex<Option<BoxFuture<'static, ()>>>>;

/// Serves a connection to its end.
pub(super) async fn serve(stream: TcpStream, keeper: Arc<dyn Keeper>) {
    let next = Tunnel::default();
    let service = service_fn(|asked: Asked| {
        let (keeper, next) = (Arc::clone(&keeper), Arc::clone(&next));
        async move { Ok::<_, std::convert::Infallible>(answer(asked, &*keeper, &next).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(LONGEST_HEAD)
        .preserve_header_case(true)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::trace!(%error, "a connection to the proxy ended early");
    }
    let tunnel = next.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(tunnel) = tunnel {
        tunnel.await;
    }
}

async fn answer(asked: Asked, keeper: &dyn Keeper, next: &Tunnel) -> Response<Body> {
    let Some(request) = understood(&asked) else {
        return text(
            StatusCode::BAD_REQUEST,
            "This is a proxy: name a host by an absolute http:// address, or use CONNECT.",
        );
    };
    let sealed = request.protocol == NetworkApprovalProtocol::Https;
    let route = match connect(keeper, &request).await {
        Ok(route) => route,
        Err(Closed::Unreachable(error)) => {
            return text(
                StatusCode::BAD_GATEWAY,
                format!("{} cannot be reached: {error}.", request.host),
            );
        }
        Err(Closed::Refused(refusal)) => {
            let (kind, said) = match sealed {
                true => ("text/plain", refusal.reason.line().to_owned()),
                false => ("application/json", refusal.to_json(&request)),
            };
            let mut response = text(StatusCode::FORBIDDEN, said);
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            headers.insert(WHY, HeaderValue::from_static(refusal.reason.header()));
            return response;
        }
    };
    if sealed {
        let outside = route.stream;
        let becomes = async move {
            match hyper::upgrade::on(asked).await {
                Ok(inside) => tunnel(TokioIo::new(inside), outside).await,
                Err(error) => tracing::trace!(%error, "a tunnel was not opened"),
            }
        };
        *next.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::pin(becomes));
        return Response::new(said(Bytes::new()));
    }
    match forward(asked, route, &request).await {
        Ok(response) => response,
        Err(error) => {
            tracing::trace!(%error, "a request was not answered");
            text(StatusCode::BAD_GATEWAY, format!("{} did not answer.", request.host))
        }
    }
}

/// What a request wants; none when it is not one for a proxy.
fn understood<B>(asked: &hyper::Request<B>) -> Option<Request> {
    let uri = asked.uri();
    let host = Host::parse(uri.host()?)?;
    // The port, if there is something where it belongs: an empty one is none.
    let named = uri
        .authority()?
        .as_str()
        .rsplit(']')
        .next()?
        .rsplit_once(':')
        .map(|(_, port)| port);
    let port = match named {
        None | Some("") => None,
        Some(_) => Some(uri.port_u16()?),
    };
    let (protocol, port) = match *asked.method() {
        Method::CONNECT => (NetworkApprovalProtocol::Https, port.unwrap_or(443)),
        _ if uri.scheme_str() == Some("http") => (NetworkApprovalProtocol::Http, port.unwrap_or(80)),
        _ => return None,
    };
    (port != 0).then(|| Request {
        protocol,
        host,
        port,
        method: Some(asked.method().as_str().to_owned()),
    })
}

/// Sends a request on and gives the answer.
async fn forward(mut asked: Asked, route: Route, request: &Request) -> hyper::Result<Response<Body>> {
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .preserve_header_case(true)
        .max_buf_size(LONGEST_HEAD)
        .handshake(TokioIo::new(route.stream))
        .await?;
    // Ends with the answer's last piece, or when nobody wants it any more.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::trace!(%error, "a host's connection ended early");
        }
    });
    strip(asked.headers_mut());
    // The host that was looked at, whatever the header said.
    let authority = match request.port {
        80 => request.bracketed(),
        _ => request.authority(),
    };
    if let Ok(host) = HeaderValue::from_str(&authority) {
        asked.headers_mut().insert(HOST, host);
    }
    let path = asked
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str())
        .to_owned();
    let uri = match &route.proxy {
        None => path,
        Some(_) => format!("http://{authority}{path}"),
    };
    if let Ok(uri) = uri.parse::<Uri>() {
        *asked.uri_mut() = uri;
    }
    if let Some(shown) = route.proxy.and_then(|proxy| proxy.authorization)
        && let Ok(shown) = HeaderValue::from_str(&shown)
    {
        asked.headers_mut().insert(PROXY_AUTHORIZATION, shown);
    }
    let mut response = sender.send_request(asked).await?;
    strip(response.headers_mut());
    Ok(response.map(BodyExt::boxed_unsync))
}

/// Takes out what is for the next one on the way only.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<String> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_owned())
        .collect();
    for name in named.iter().map(String::as_str).chain(FOR_THE_NEXT) {
        headers.remove(name);
    }
}

fn text(status: StatusCode, what: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(said(what.into()));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

fn said(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wanted(method: &str, uri: &str) -> Option<(String, u16, bool)> {
        let asked = hyper::Request::builder().method(method).uri(uri).body(()).ok()?;
        let request = understood(&asked)?;
        let sealed = request.protocol == NetworkApprovalProtocol::Https;
        Some((request.host.to_string(), request.port, sealed))
    }

    #[test]
    fn requests_say_whom_they_want_to_reach() {
        let told = |host: &str, port, sealed| Some((host.to_owned(), port, sealed));
        for (method, uri, expected) in [
            ("GET", "http://A.Example./x?y", told("a.example", 80, false)),
            ("GET", "http://a.example:/", told("a.example", 80, false)),
            (
                "POST",
                "http://user:pass@a.example:8080/",
                told("a.example", 8080, false),
            ),
            ("GET", "http://[::FFFF:127.0.0.1]/", told("127.0.0.1", 80, false)),
            ("CONNECT", "a.example:8443", told("a.example", 8443, true)),
            ("CONNECT", "[2001:db8::1]:443", told("2001:db8::1", 443, true)),
            ("GET", "/path", None),
            ("GET", "https://a.example/", None),
            ("GET", "ftp://a.example/", None),
            ("GET", "http://a.example:99999/", None),
            ("GET", "http://a.example:0/", None),
            ("GET", "http://a_b.example/", told("a_b.example", 80, false)),
            ("GET", "http://a..example/", None),
        ] {
            assert_eq!(wanted(method, uri), expected, "{method} {uri}");
        }
    }

    #[test]
    fn what_is_for_the_next_one_only_is_not_passed_on() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Mine"),
            ("x-mine", "1"),
            ("proxy-authorization", "secret"),
            ("upgrade", "websocket"),
            ("accept", "*/*"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        strip(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["accept"]);
    }

    proptest! {
        #[test]
        fn no_address_is_too_odd(method in "(GET|CONNECT)", uri in "\\PC{0,40}") {
            if let Some((host, port, _)) = wanted(&method, &uri) {
                prop_assert!(Host::parse(&host).is_some() && port != 0);
            }
        }
    }
}
