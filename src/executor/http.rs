//! `http/request`: a request that is made from here, for a client that cannot reach what is near this machine.
//!
//! The answer carries the whole body, or the body follows it in pieces. A client that reads slowly slows the body down.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Response, Url};

use super::outbox::Outbox;
use super::refusal::Refusal;
use crate::protocol::RequestId;
use crate::protocol::exec_server::{
    Base64Bytes, HTTP_BODY_DELTA, HttpBodyDelta, HttpHeader, HttpRequestParams, HttpResponse,
};

/// The longest body that is answered in one piece.
const MAX_BODY: usize = 64 << 20;
/// The longest piece of a body that is streamed.
const MAX_DELTA: usize = 64 << 10;
/// How long it may take to reach a server.
const CONNECT: Duration = Duration::from_secs(30);

static CLIENT: tokio::sync::OnceCell<Client> = tokio::sync::OnceCell::const_new();

/// A request that is sound.
pub(super) struct Relay {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
    timeout: Option<Duration>,
    request_id: String,
    /// Holds the client's name of a body that is streamed.
    stream: Option<Streaming>,
}

impl Relay {
    /// Checks a request, and takes its name if its body is to be streamed.
    pub(super) fn prepare(params: HttpRequestParams, names: Arc<Mutex<HashSet<String>>>) -> Result<Self, Refusal> {
        let wrong = |what: &str, why: &dyn std::fmt::Display| {
            Refusal::invalid_params(format!("http/request {what} is invalid: {why}"))
        };
        let method = Method::from_bytes(params.method.as_bytes()).map_err(|error| wrong("method", &error))?;
        let url = Url::parse(&params.url).map_err(|error| wrong("url", &error))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refusal::invalid_params(format!(
                "http/request only supports http and https URLs, got {}",
                url.scheme()
            )));
        }
        let mut headers = HeaderMap::new();
        for HttpHeader { name, value } in params.headers {
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|error| wrong("header name", &error))?;
            let value = HeaderValue::from_str(&value).map_err(|error| {
                Refusal::invalid_params(format!("http/request header value is invalid for {name}: {error}"))
            })?;
            headers.append(key, value);
        }
        let stream = match params.stream_response {
            true => Some(Streaming::begin(names, &params.request_id)?),
            false => None,
        };
        Ok(Relay {
            method,
            url,
            headers,
            body: params.body_base64.map(|body| body.0),
            timeout: params.timeout_ms.map(Duration::from_millis),
            request_id: params.request_id,
            stream,
        })
    }

    /// Makes the request, answers, and streams the body if that is wanted.
    pub(super) async fn run(mut self, id: RequestId, outbox: Outbox) {
        let stream = self.stream.take();
        let name = std::mem::take(&mut self.request_id);
        let response = match self.send().await {
            Ok(response) => response,
            Err(refusal) => return outbox.answer::<()>(&id, Err(refusal)).await,
        };
        let head = HttpResponse {
            status: response.status().as_u16(),
            headers: response
                .headers()
                .iter()
                .map(|(name, value)| HttpHeader {
                    name: name.as_str().to_owned(),
                    value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
                })
                .collect(),
            body_base64: Base64Bytes::default(),
        };
        if stream.is_some() {
            outbox.answer(&id, Ok(head)).await;
            return pass_on(response, name, &outbox).await;
        }
        let answer = whole(response).await.map(|body| HttpResponse {
            body_base64: Base64Bytes(body),
            ..head
        });
        outbox.answer(&id, answer).await;
    }

    async fn send(self) -> Result<Response, Refusal> {
        let client = client().await?;
        let mut request = client.request(self.method, self.url).headers(self.headers);
        if let Some(body) = self.body {
            request = request.body(body);
        }
        if let Some(timeout) = self.timeout {
            request = request.timeout(timeout);
        }
        request.send().await.map_err(failed)
    }
}

fn failed(error: impl std::fmt::Display) -> Refusal {
    Refusal::internal(format!("http/request failed: {error}"))
}

async fn client() -> Result<&'static Client, Refusal> {
    CLIENT
        .get_or_try_init(|| async {
            // Roots are read from the disk.
            let build = || {
                // Whoever comes first installs it; that it is there already is no failure.
                let _ = rustls::crypto::ring::default_provider().install_default();
                Client::builder().connect_timeout(CONNECT).build()
            };
            tokio::task::spawn_blocking(build)
                .await
                .map_err(failed)?
                .map_err(failed)
        })
        .await
}

async fn whole(mut response: Response) -> Result<Vec<u8>, Refusal> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        if body.len() + piece.len() > MAX_BODY {
            return Err(failed(format!("the body is longer than {MAX_BODY} bytes; stream it")));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// Sends the body in pieces, then its end.
async fn pass_on(mut response: Response, request_id: String, outbox: &Outbox) {
    let mut delta = HttpBodyDelta {
        request_id,
        seq: 0,
        delta_base64: Base64Bytes::default(),
        done: false,
        error: None,
    };
    loop {
        match response.chunk().await {
            Ok(Some(piece)) => {
                for part in piece.chunks(MAX_DELTA) {
                    delta.seq += 1;
                    delta.delta_base64 = Base64Bytes(part.to_vec());
                    outbox.notify(HTTP_BODY_DELTA, &delta).await;
                }
                continue;
            }
            Ok(None) => {}
            Err(error) => delta.error = Some(error.to_string()),
        }
        delta.seq += 1;
        delta.delta_base64 = Base64Bytes::default();
        delta.done = true;
        return outbox.notify(HTTP_BODY_DELTA, &delta).await;
    }
}

/// The name of a body that is being streamed, taken until it is over.
struct Streaming {
    names: Arc<Mutex<HashSet<String>>>,
    name: String,
}

impl Streaming {
    fn begin(names: Arc<Mutex<HashSet<String>>>, name: &str) -> Result<Self, Refusal> {
        if !lock(&names).insert(name.to_owned()) {
            return Err(Refusal::invalid_params(format!(
                "http/request streamResponse requestId `{name}` is already active"
            )));
        }
        Ok(Streaming {
            names,
            name: name.to_owned(),
        })
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        lock(&self.names).remove(&self.name);
    }
}

fn lock(names: &Mutex<HashSet<String>>) -> MutexGuard<'_, HashSet<String>> {
    names.lock().unwrap_or_else(PoisonError::into_inner)
}
