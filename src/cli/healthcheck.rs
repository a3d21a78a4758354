//! `greenroom healthcheck`: asks a running server for its health, for containers that have no curl.
//!
//! Plain blocking sockets with a deadline; nothing of the server is started.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use super::CommandError;

const DEADLINE: Duration = Duration::from_secs(2);
/// A status line is longer than this in no server.
const LONGEST_STATUS: u64 = 512;

/// Which server to ask.
#[derive(Debug, clap::Args)]
pub struct HealthcheckArgs {
    /// The probe.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4500/healthz")]
    url: String,
}

/// Succeeds when the probe answers 200.
pub fn run(args: &HealthcheckArgs) -> Result<ExitCode, CommandError> {
    let status = probe(&args.url).map_err(|error| format!("{}: {error}", args.url))?;
    if status != 200 {
        return Err(format!("{}: the server answers {status}", args.url).into());
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a server at this address says that it is healthy.
pub(super) fn healthy(address: SocketAddr) -> bool {
    probe(&format!("http://{address}/healthz")).is_ok_and(|status| status == 200)
}

fn probe(url: &str) -> Result<u16, CommandError> {
    let rest = url.strip_prefix("http://").ok_or("expected http://HOST:PORT/PATH")?;
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/healthz"),
    };
    let address = authority.to_socket_addrs()?.next().ok_or("no such host")?;
    let mut stream = TcpStream::connect_timeout(&address, DEADLINE)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.take(LONGEST_STATUS).read_to_string(&mut answer)?;
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    Ok(status.ok_or("not an HTTP answer")?.parse()?)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn answer_once(text: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            // All of the request: what is left unread when the connection closes takes the answer with it.
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a request");
                request.extend(byte);
            }
            let _ = stream.write_all(text.as_bytes());
        });
        format!("http://{address}/healthz")
    }

    #[test]
    fn only_200_is_healthy() {
        let ask = |url: String| run(&HealthcheckArgs { url });
        assert!(ask(answer_once("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")).is_ok());
        assert!(ask(answer_once("HTTP/1.1 503 Service Unavailable\r\n\r\n")).is_err());
        assert!(ask(answer_once("hello")).is_err());
        assert!(ask("http://127.0.0.1:1/healthz".into()).is_err());
        assert!(ask("https://127.0.0.1/".into()).is_err());
    }
}
