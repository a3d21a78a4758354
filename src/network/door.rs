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
        let place = tokio::select! {
            closed = closed(&line) => return closed,
            place = Arc::clone(&room).acquire_owned() => place.map_err(io::Error::other)?,
        };
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

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::os::unix::net::UnixStream as Line;

    use nix::sys::socket::{ControlMessage, sendmsg};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::network::{Fixed, NetworkPolicy};

    /// A door that is kept, its address, and the line that keeps it open.
    fn kept() -> (Line, std::net::SocketAddr, tokio::task::JoinHandle<()>) {
        let (ours, theirs) = Line::pair().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap();
        let sent = [port.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&sent)];
        sendmsg::<()>(
            theirs.as_raw_fd(),
            &[IoSlice::new(b"p")],
            &rights,
            MsgFlags::empty(),
            None,
        )
        .unwrap();
        let address = port.local_addr().unwrap();
        let keeper = Arc::new(Fixed(Arc::new(NetworkPolicy::closed())));
        (theirs, address, tokio::spawn(keep(ours, keeper)))
    }

    async fn answer(mut stream: TcpStream) -> String {
        let asked = b"GET http://a.example/ HTTP/1.1\r\nConnection: close\r\n\r\n";
        stream.write_all(asked).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        said
    }

    #[tokio::test]
    async fn all_connections_end_with_the_line() {
        let (line, address, keeping) = kept();
        assert!(
            answer(TcpStream::connect(address).await.unwrap())
                .await
                .starts_with("HTTP/1.1 403")
        );
        let mut silent = TcpStream::connect(address).await.unwrap();
        silent.write_all(b"GET ").await.unwrap();
        drop(line);
        keeping.await.unwrap();
        assert!(!matches!(silent.read(&mut [0; 16]).await, Ok(1..)));
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn more_connections_than_there_is_room_for_wait() {
        let (line, address, keeping) = kept();
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET ").await.unwrap();
            silent.push(stream);
        }
        let late = tokio::spawn(answer(TcpStream::connect(address).await.unwrap()));
        // One goes, one comes.
        silent.pop();
        assert!(late.await.unwrap().starts_with("HTTP/1.1 403"));
        // A full room does not keep the door open.
        let mut last = TcpStream::connect(address).await.unwrap();
        last.write_all(b"GET ").await.unwrap();
        drop(line);
        keeping.await.unwrap();
    }
}
