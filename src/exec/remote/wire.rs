//! The bytes between here and an executor: whole messages over a WebSocket, or lines to and from a program.

use std::process::Stdio;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::codec::{FramedRead, LinesCodec};

use super::{RemoteError, RemoteSpec, Route};
use crate::config::ShellEnvironmentPolicy;
use crate::exec::environment::filtered;
use crate::exec::spawn::prepare_child;
use crate::files;

/// The longest message that is taken: a file of 256 MiB in base64, and some more.
const MAX_MESSAGE: usize = 384 << 20;
/// How long a message may take to be written out.
const WRITE: Duration = Duration::from_secs(60);

/// An open connection.
pub(super) enum Wire {
    Socket {
        socket: Box<WebSocketStream<MaybeTlsStream<TcpStream>>>,
        url: String,
    },
    Program {
        /// Killed when it is dropped.
        _child: Box<Child>,
        input: ChildStdin,
        output: Box<FramedRead<ChildStdout, LinesCodec>>,
    },
}

impl Wire {
    /// Reaches an executor.
    pub(super) async fn open(spec: &RemoteSpec) -> Result<Self, RemoteError> {
        match &spec.route {
            Route::Url { url, token_file } => {
                let failed = |why: String| {
                    RemoteError::Unreachable(format!("failed to connect to exec-server websocket `{url}`: {why}"))
                };
                if !url.starts_with("ws://") && !url.starts_with("wss://") {
                    return Err(failed("URL error: URL scheme not supported".to_owned()));
                }
                let mut request = url
                    .as_str()
                    .into_client_request()
                    .map_err(|error| failed(error.to_string()))?;
                if let Some(file) = token_file {
                    let file = file.clone();
                    let token = tokio::task::spawn_blocking(move || files::read_text(&file))
                        .await
                        .map_err(|error| failed(error.to_string()))?
                        .map_err(|error| failed(format!("its token cannot be read: {error}")))?;
                    let mut value = HeaderValue::try_from(format!("Bearer {}", token.trim()))
                        .map_err(|_| failed("its token is no header value".to_owned()))?;
                    value.set_sensitive(true);
                    request.headers_mut().insert(header::AUTHORIZATION, value);
                }
                // Whoever comes first installs it; that it is there already is no failure.
                let _ = rustls::crypto::ring::default_provider().install_default();
                let limits = WebSocketConfig::default()
                    .max_message_size(Some(MAX_MESSAGE))
                    .max_frame_size(Some(MAX_MESSAGE));
                let connect = tokio_tungstenite::connect_async_with_config(request, Some(limits), true);
                match timeout(spec.connect_timeout, connect).await {
                    Ok(Ok((socket, _))) => Ok(Wire::Socket {
                        socket: Box::new(socket),
                        url: url.clone(),
                    }),
                    Ok(Err(error)) => Err(failed(error.to_string())),
                    Err(_) => {
                        let seconds = spec.connect_timeout.as_secs_f64();
                        Err(failed(format!("nothing answered within {seconds} seconds")))
                    }
                }
            }
            Route::Program {
                program,
                args,
                env,
                cwd,
            } => start(program, args, env, cwd.as_deref()).map_err(|error| {
                RemoteError::Unreachable(format!("failed to start exec-server program `{program}`: {error}"))
            }),
        }
    }

    /// Whether a session can be taken up again over another connection.
    pub(super) fn resumable(&self) -> bool {
        matches!(self, Wire::Socket { .. })
    }

    /// Sends a message.
    pub(super) async fn send(&mut self, text: String) -> Result<(), String> {
        match self {
            Wire::Socket { socket, url } => {
                let url = url.as_str();
                match timeout(WRITE, socket.send(Message::text(text))).await {
                    Ok(sent) => sent.map_err(|error| lost("write", url, &error)),
                    Err(_) => Err(format!("exec-server websocket {url} does not read")),
                }
            }
            Wire::Program { input, .. } => {
                let line = text + "\n";
                let write = async {
                    input.write_all(line.as_bytes()).await?;
                    input.flush().await
                };
                match timeout(WRITE, write).await {
                    Ok(sent) => sent.map_err(|error| format!("failed to write to the exec-server program: {error}")),
                    Err(_) => Err("the exec-server program does not read".to_owned()),
                }
            }
        }
    }

    /// Asks whether the other side is there.
    pub(super) async fn ping(&mut self) -> Result<(), String> {
        match self {
            Wire::Socket { socket, url } => {
                let url = url.as_str();
                match timeout(WRITE, socket.send(Message::Ping(Default::default()))).await {
                    Ok(sent) => sent.map_err(|error| lost("write", url, &error)),
                    Err(_) => Err(format!("exec-server websocket {url} does not read")),
                }
            }
            // The end of a program is seen at its pipe.
            Wire::Program { .. } => Ok(()),
        }
    }

    /// The next message; none is a sign of life without one.
    pub(super) async fn receive(&mut self) -> Result<Option<String>, String> {
        match self {
            Wire::Socket { socket, url } => match socket.next().await {
                Some(Ok(Message::Text(text))) => Ok(Some(text.as_str().to_owned())),
                Some(Ok(Message::Binary(bytes))) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
                Some(Ok(Message::Close(_))) | None => Err(format!("exec-server websocket {url} was closed")),
                Some(Err(error)) => Err(lost("read", url, &error)),
            },
            Wire::Program { output, .. } => match output.next().await {
                Some(Ok(line)) => Ok(Some(line)),
                Some(Err(error)) => Err(format!("failed to read from the exec-server program: {error}")),
                None => Err("the exec-server program ended".to_owned()),
            },
        }
    }
}

fn lost(doing: &str, url: &str, error: &Error) -> String {
    format!("failed to {doing} websocket JSON-RPC message from exec-server websocket {url}: {error}")
}

/// Starts a program that speaks the protocol. It sees no variables that look like secrets, nor the server's own.
#[allow(clippy::disallowed_methods, reason = "this room starts processes")]
fn start(
    program: &str,
    args: &[String],
    env: &std::collections::BTreeMap<String, String>,
    cwd: Option<&std::path::Path>,
) -> std::io::Result<Wire> {
    let scrubbed = ShellEnvironmentPolicy {
        ignore_default_excludes: false,
        ..ShellEnvironmentPolicy::default()
    };
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .envs(filtered(std::env::vars_os(), &scrubbed))
        .envs(env)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    if let Some(cwd) = cwd {
        command.current_dir(cwd);
    }
    prepare_child(&mut command, false, [None; 2]);
    let mut child = command.spawn()?;
    match (child.stdin.take(), child.stdout.take()) {
        (Some(input), Some(output)) => Ok(Wire::Program {
            _child: Box::new(child),
            input,
            output: Box::new(FramedRead::new(output, LinesCodec::new_with_max_length(MAX_MESSAGE))),
        }),
        _ => Err(std::io::Error::other("it has no pipes")),
    }
}
