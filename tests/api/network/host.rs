//! A host to be reached, and how commands try to.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Where the proxy is, from inside.
pub const PROXY: &str = "/dev/tcp/127.0.0.1/3128";

/// A host on this machine that answers every request with `hello`.
pub struct Host {
    pub port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Host {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let hears = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let hears = Arc::clone(&hears);
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        match stream.read_u8().await {
                            Ok(byte) => head.push(byte),
                            Err(_) => break,
                        }
                    }
                    hears.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
                    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Host { port, heard }
    }

    /// The heads of the requests so far.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// A script that asks the proxy for something at a host by plain HTTP.
    pub fn get(&self, host: &str) -> String {
        self.ask("GET", host)
    }

    /// The same by another method.
    pub fn ask(&self, method: &str, host: &str) -> String {
        let port = self.port;
        script(&format!(
            "{method} http://{host}:{port}/path HTTP/1.1\\r\\nHost: elsewhere\\r\\nProxy-Authorization: x\\r\\nConnection: close\\r\\n\\r\\n"
        ))
    }

    /// A script that has the proxy open a tunnel, and asks through it.
    pub fn tunnel(&self, host: &str) -> String {
        let port = self.port;
        script(&format!(
            "CONNECT {host}:{port} HTTP/1.1\\r\\nHost: {host}:{port}\\r\\n\\r\\n\" >&3; read -r head <&3; echo \"$head\"; \
             printf \"GET /sealed HTTP/1.1\\r\\nConnection: close\\r\\n\\r\\n"
        ))
    }

    /// A script that does the same by SOCKS5, with the name of a host.
    pub fn socks(&self, host: &str) -> String {
        let [high, low] = self.port.to_be_bytes();
        script(&format!(
            "\\x05\\x01\\x00\" >&3; head -c 2 <&3 | od -An -tx1; printf \"\\x05\\x01\\x00\\x03\\x{:02x}{host}\\x{high:02x}\\x{low:02x}\" >&3; \
             head -c 10 <&3 | od -An -tx1; printf \"GET /socks HTTP/1.1\\r\\n\\r\\n",
            host.len()
        ))
    }
}

fn script(said: &str) -> String {
    format!("exec 3<>{PROXY} && printf \"{said}\" >&3; cat <&3")
}
