//! A WebSocket to a provider, over the same clients, credentials and proxies as its requests.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use reqwest::{StatusCode, Upgraded, Url};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::Endpoint;
use super::client::{self, Purpose};
use super::sse::MAX_EVENT;
use crate::model::error::ModelError;

/// An open WebSocket.
pub(in crate::model) type Socket = WebSocketStream<Upgraded>;

/// What came of asking for one.
pub(in crate::model) enum Upgrade {
    /// It is open; these are the headers of the answer.
    Open(Box<Socket>, HeaderMap),
    /// The provider wants requests instead.
    Refused,
    /// There are no WebSockets at this address: what it answered.
    Denied(ModelError),
}

const KEY: HeaderName = HeaderName::from_static("sec-websocket-key");
const ACCEPTED: HeaderName = HeaderName::from_static("sec-websocket-accept");
const VERSION: HeaderName = HeaderName::from_static("sec-websocket-version");

impl Endpoint {
    /// Opens a WebSocket at the endpoint, within `limit`.
    ///
    /// # Errors
    /// As for a request; nothing is tried again but a token that can be renewed.
    pub(in crate::model) async fn upgrade(&self, headers: HeaderMap, limit: Duration) -> Result<Upgrade, ModelError> {
        let opened = tokio::time::timeout(limit, self.ask_for_upgrade(headers)).await;
        opened.unwrap_or_else(|_| Err(ModelError::disconnected("timeout while opening the WebSocket")))
    }

    async fn ask_for_upgrade(&self, mut headers: HeaderMap) -> Result<Upgrade, ModelError> {
        let client = client::client(&self.url, Purpose::Sockets).await?;
        let key = generate_key();
        headers.remove(ACCEPT);
        headers.remove(CONTENT_TYPE);
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(VERSION, HeaderValue::from_static("13"));
        headers.insert(KEY, HeaderValue::from_str(&key).map_err(broken)?);
        let mut renewed = false;
        loop {
            if let Some(token) = self.auth.header(renewed).await? {
                headers.insert(AUTHORIZATION, token);
            }
            let asked = client.get(self.url.clone()).headers(headers.clone()).send().await;
            let response = asked.map_err(|error| ModelError::disconnected(error.to_string()))?;
            match response.status() {
                StatusCode::SWITCHING_PROTOCOLS => {
                    let accepted = response.headers().get(ACCEPTED).map(HeaderValue::as_bytes);
                    if accepted != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
                        return Err(broken("it does not answer the key"));
                    }
                    let told = response.headers().clone();
                    let stream = response.upgrade().await.map_err(broken)?;
                    let limits = WebSocketConfig::default()
                        .max_message_size(Some(MAX_EVENT))
                        .max_frame_size(Some(MAX_EVENT));
                    let socket = WebSocketStream::from_raw_socket(stream, Role::Client, Some(limits)).await;
                    return Ok(Upgrade::Open(Box::new(socket), told));
                }
                StatusCode::UPGRADE_REQUIRED => return Ok(Upgrade::Refused),
                StatusCode::UNAUTHORIZED if self.auth.renewable() && !renewed => renewed = true,
                // An ordinary answer to an ordinary request: it knows no WebSockets.
                status if status.is_success() => return Ok(Upgrade::Refused),
                StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                    return Ok(Upgrade::Denied(self.refusal_at(&socket_url(&self.url), response).await));
                }
                _ => return Err(self.refusal_at(&socket_url(&self.url), response).await),
            }
        }
    }
}

/// The address as people write those of WebSockets.
fn socket_url(url: &Url) -> String {
    match url.as_str().strip_prefix("http") {
        Some(rest) => format!("ws{rest}"),
        None => url.to_string(),
    }
}

fn broken(why: impl std::fmt::Display) -> ModelError {
    ModelError::disconnected(format!("the provider's WebSocket cannot be opened: {why}"))
}
