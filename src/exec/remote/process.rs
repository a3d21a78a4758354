//! A process on an executor, as it is watched from here.
//!
//! What is told of it carries numbers without gaps. A gap, a watcher that lagged behind, or a connection that was lost
//! meanwhile: then what is missing is read, from the number that was seen last.

use std::collections::VecDeque;
use std::sync::Arc;

use super::feed::{FeedEvent, Told, Watched};
use super::link::{Call, Command, Resend};
use super::{Remote, RemoteError};
use crate::protocol::exec_server::*;

/// What happens to a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::exec) enum ProcessEvent {
    /// It printed this.
    Output(Vec<u8>),
    /// It ended with this code; output may still come.
    Exited(i32),
    /// Its output ended.
    Closed,
    /// The executor is gone, and with it the process.
    Lost(String),
}

/// A process on an executor. Dropping it ends it.
#[derive(Debug)]
pub(in crate::exec) struct RemoteProcess {
    remote: Arc<Remote>,
    id: String,
    watched: Watched,
    /// The number that was seen last.
    last: u64,
    /// Something was missed.
    behind: bool,
    exited: bool,
    closed: bool,
    ready: VecDeque<ProcessEvent>,
}

/// What can be done to a process while another watches it.
#[derive(Debug, Clone)]
pub(in crate::exec) struct RemoteInput {
    remote: Arc<Remote>,
    id: String,
}

impl RemoteProcess {
    pub(super) fn new(remote: Arc<Remote>, id: String, watched: Watched) -> Self {
        RemoteProcess {
            remote,
            id,
            watched,
            last: 0,
            behind: false,
            exited: false,
            closed: false,
            ready: VecDeque::new(),
        }
    }

    /// A handle to type with.
    pub(in crate::exec) fn input(&self) -> RemoteInput {
        RemoteInput {
            remote: Arc::clone(&self.remote),
            id: self.id.clone(),
        }
    }

    /// Asks the executor to end it.
    pub(in crate::exec) fn end(&self) {
        let params = TerminateParams {
            process_id: self.id.clone(),
        };
        if let Ok(params) = serde_json::to_value(params) {
            self.remote.mention(Command::Call(Call {
                method: PROCESS_TERMINATE,
                params,
                resend: Resend::Yes,
                reply: None,
                feed: None,
            }));
        }
    }

    /// What happens next. Can be given up and asked again: nothing is missed.
    pub(in crate::exec) async fn next(&mut self) -> ProcessEvent {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return event;
            }
            self.behind |= self.watched.lagged();
            if self.behind {
                if let Err(error) = self.catch_up().await {
                    return ProcessEvent::Lost(error.to_string());
                }
                self.behind = false;
                continue;
            }
            match self.watched.next().await {
                None => return ProcessEvent::Lost("the connection ended".to_owned()),
                Some(FeedEvent::Lost(why)) => {
                    return ProcessEvent::Lost(RemoteError::Disconnected(why).to_string());
                }
                Some(FeedEvent::Resumed) => self.behind = true,
                Some(FeedEvent::Told(seq, _)) if seq <= self.last => {}
                Some(FeedEvent::Told(seq, _)) if seq > self.last + 1 => self.behind = true,
                Some(FeedEvent::Told(seq, told)) => {
                    self.last = seq;
                    self.happened(told);
                }
            }
        }
    }

    /// Reads what was missed.
    async fn catch_up(&mut self) -> Result<(), RemoteError> {
        let params = ReadParams {
            process_id: self.id.clone(),
            after_seq: Some(self.last),
            max_bytes: None,
            wait_ms: None,
        };
        let read: ReadResponse = self.remote.call(PROCESS_READ, &params, Resend::Yes).await?;
        for chunk in read.chunks {
            if chunk.seq <= self.last {
                continue;
            }
            if chunk.seq > self.last + 1 {
                let gap = "\n…output was lost: the executor keeps the latest MiB…\n";
                self.ready.push_back(ProcessEvent::Output(gap.as_bytes().to_vec()));
            }
            self.last = chunk.seq;
            self.happened(Told::Output(chunk.chunk.0));
        }
        self.last = self.last.max(read.next_seq.saturating_sub(1));
        if let Some(failure) = read.failure {
            return Err(RemoteError::Protocol(failure));
        }
        if read.exited {
            self.happened(Told::Exited(read.exit_code.unwrap_or(-1)));
        }
        if read.closed {
            self.happened(Told::Closed);
        }
        Ok(())
    }

    fn happened(&mut self, told: Told) {
        self.ready.extend(match told {
            Told::Output(bytes) => Some(ProcessEvent::Output(bytes)),
            Told::Exited(code) => (!std::mem::replace(&mut self.exited, true)).then_some(ProcessEvent::Exited(code)),
            Told::Closed => (!std::mem::replace(&mut self.closed, true)).then_some(ProcessEvent::Closed),
        });
    }
}

impl Drop for RemoteProcess {
    fn drop(&mut self) {
        if !self.closed {
            self.end();
        }
        self.remote.mention(Command::Forget(self.id.clone()));
    }
}

impl RemoteInput {
    /// Types. Whether the process takes input.
    pub(in crate::exec) async fn write(&self, text: &str) -> Result<bool, RemoteError> {
        let params = WriteParams {
            process_id: self.id.clone(),
            chunk: Base64Bytes(text.as_bytes().to_vec()),
        };
        let written: WriteResponse = self.remote.call(PROCESS_WRITE, &params, Resend::No).await?;
        match written.status {
            WriteStatus::Accepted => Ok(true),
            WriteStatus::StdinClosed => Ok(false),
            WriteStatus::UnknownProcess => Err(RemoteError::Protocol("the process is not there any more".to_owned())),
            WriteStatus::Starting => Err(RemoteError::Protocol("the process is still being started".to_owned())),
        }
    }
}
