//! The HTTP clients of the process, made when first needed.
//!
//! A provider on this machine is reached by a client of the calling thread: its connections live on the same event
//! loop as the turn that reads them, so that a delta costs no hop between threads; it knows no proxies and loads no
//! root certificates. Everything else shares one client, whose root certificates (some milliseconds and a megabyte)
//! are loaded off the event loop.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, Url};

use crate::model::error::ModelError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Longer than the pauses within a turn, shorter than most servers' patience.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);

/// What a client is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Requests with answers.
    Requests,
    /// Connections that become WebSockets, which only the first HTTP can.
    Sockets,
}

thread_local! {
    static LOCAL: [OnceCell<Client>; 2] = const { [OnceCell::new(), OnceCell::new()] };
}

static SHARED: [tokio::sync::OnceCell<Client>; 2] =
    [tokio::sync::OnceCell::const_new(), tokio::sync::OnceCell::const_new()];

/// The client to reach `url` with.
pub(super) async fn client(url: &Url, purpose: Purpose) -> Result<Client, ModelError> {
    if is_local(url) {
        return LOCAL.with(|local| match local[purpose as usize].get() {
            Some(client) => Ok(client.clone()),
            None => {
                let client = build(base(purpose).no_proxy().tls_certs_only([]))?;
                Ok(local[purpose as usize].get_or_init(|| client).clone())
            }
        });
    }
    let shared = SHARED[purpose as usize].get_or_try_init(|| async move {
        let built = tokio::task::spawn_blocking(move || build(base(purpose))).await;
        built.map_err(|error| ModelError::Provider(format!("cannot prepare the HTTP client: {error}")))?
    });
    shared.await.cloned()
}

fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    url.scheme() == "http" && (host == "localhost" || address.is_some_and(|address| address.is_loopback()))
}

fn base(purpose: Purpose) -> ClientBuilder {
    let builder = Client::builder()
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_CONNECTION);
    match purpose {
        Purpose::Requests => builder,
        Purpose::Sockets => builder.http1_only(),
    }
}

fn build(builder: ClientBuilder) -> Result<Client, ModelError> {
    // Whoever comes first installs it; that it is there already is no failure.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let built = builder.build();
    built.map_err(|error| ModelError::Provider(format!("cannot prepare the HTTP client: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_to_this_machine_is_local() {
        for (url, local) in [
            ("http://127.0.0.1:1/v1", true),
            ("http://[::1]:1/v1", true),
            ("http://localhost/v1", true),
            ("https://localhost/v1", false),
            ("http://10.0.0.1/v1", false),
            ("http://localhost.example/v1", false),
        ] {
            assert_eq!(is_local(&Url::parse(url).unwrap()), local, "{url}");
        }
    }

    #[tokio::test]
    async fn a_local_client_is_cheap_to_make() {
        let url = Url::parse("http://127.0.0.1:1/").unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let started = std::time::Instant::now();
        client(&url, Purpose::Requests).await.unwrap();
        let took = started.elapsed();
        assert!(took < Duration::from_millis(100), "{took:?}");
    }
}
