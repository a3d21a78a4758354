//! The open port of one command's network, from outside.
//!
//! Whoever puts the command into a network of its own opens the port there and hands it over here; the line by which that
//! happens stays open for as long as anything of the command runs. When it closes, all connections end.

use std::io::{self, IoSliceMut};
use std::net::TcpListener;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::keeper::Keeper;
use super::{http, socks};

/// The port, in each command's own network.
pub const PORT: u16 = 3128;
/// The most connections of one command at a time; more wait.
const CONNECTIONS: usize = 128;
/// How long a connection may say nothing before its first word.
const FIRST_WORD: Duration = Duration::from_secs(60);
/// How long accepting is left alone when the system has no room.
const BREATH: Duration = Duration::from_millis(100);

/// Keeps the door that is handed over by `line` until the line closes.
pub async fn keep(line: std::os::unix::net::UnixStream, keeper: Arc<dyn Keeper>) {
    if let Err(error) = serve(line, keeper).await {
        tracing::debug!(%error, "a command's way to the proxy failed");
    }
}

async fn serve(line: std::os::unix::net::UnixStream, keeper: Arc<dyn Keeper>) -> io::Result<()> {
    line.set_nonblocking(true)?;
    let line = UnixStream::from_std(line)?;
    let Some(port) = handed_over(&line).await? else {
        // The command was not started.
        return Ok(());
    };
    port.set_nonblocking(true)?;
    let port = tokio::net::TcpListener::from_std(port)?;
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let place = Arc::clone(&room).acquire_owned().await.map_err(io::Error::other)?;
        let stream = tokio::select! {
            closed = closed(&line) => return closed,
            Some(_) = connections.join_next() => continue,
            accepted = port.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::debug!(%error, "a command's connection was not accepted");
                    tokio::time::sleep(BREATH).await;
                    continue;
                }
            },
        };
        let keeper = Arc::clone(&keeper);
        connections.spawn(async move {
            greet(stream, keeper).await;
            drop(place);
        });
    }
}

/// Finds out which language a connection speaks, and serves it.
async fn greet(stream: TcpStream, keeper: Arc<dyn Keeper>) {
    let mut first = [0];
    match timeout(FIRST_WORD, stream.peek(&mut first)).await {
        Ok(Ok(1)) if first == [socks::VERSION] => socks::serve(stream, keeper).await,
        Ok(Ok(1)) => http::serve(stream, keeper).await,
        _ => {}
    }
}

/// Waits until the line has closed.
async fn closed(line: &UnixStream) -> io::Result<()> {
    let mut nothing = [0];
    loop {
        line.readable().await?;
        match line.try_read(&mut nothing) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// The port that is handed over by a line; none if the line closes before.
async fn handed_over(line: &UnixStream) -> io::Result<Option<TcpListener>> {
    line.async_io(Interest::READABLE, || receive(line)).await
}

#[allow(unsafe_code, reason = "a descriptor that was sent has no safe form")]
fn receive(line: &UnixStream) -> io::Result<Option<TcpListener>> {
    let mut byte = [0];
    let mut room = nix::cmsg_space!([i32; 1]);
    let mut pieces = [IoSliceMut::new(&mut byte)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(line.as_raw_fd(), &mut pieces, Some(&mut room), flags)?;
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(sent) = part
            && let Some(descriptor) = sent.first()
        {
            // SAFETY: the kernel has just made it for us, and there is room for this one only.
            let port = unsafe { OwnedFd::from_raw_fd(*descriptor) };
            return Ok(Some(TcpListener::from(port)));
        }
    }
    Ok(None)
}
