//! Sessions: who owns which processes, and for how long after a connection was lost.
//!
//! A session is attached to one connection at a time. Without one it waits a few seconds for its client to come back;
//! then its processes are killed and it is forgotten. What its processes do meanwhile is kept and can be read later.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Executor;
use super::environment::child_environment;
use super::outbox::Outbox;
use super::process::Process;
use super::refusal::Refusal;
use crate::exec::pty::PtySize;
use crate::exec::sandbox::policy::Place;
use crate::exec::sandbox::{Confinement, Launch};
use crate::exec::spawn::SpawnRequest;
use crate::exec::streams::{self, StreamWishes};
use crate::protocol::AbsolutePathBuf;
use crate::protocol::exec_server::{
    Confine, ReadParams, StartParams, StartResponse, TerminateResponse, WriteParams, WriteResponse, WriteStatus,
};

/// How long a session waits for its client.
const RESUMABLE: Duration = Duration::from_secs(10);
/// How long an ended process can be read.
const READABLE: Duration = Duration::from_secs(30);
/// The most sessions at a time.
const MAX_SESSIONS: usize = 256;
/// The most processes of a session, ended ones that can still be read included.
const MAX_PROCESSES: usize = 1024;

/// The open sessions.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Arc<Session>>>);

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    id: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Where its client is reached; none when it is away.
    outbox: Option<Outbox>,
    /// Counts connections, so that an old wait for the client does not end a session that was taken up again.
    attachments: u64,
    /// None while a process is being started.
    processes: HashMap<String, Option<Arc<Process>>>,
}

impl Sessions {
    /// Opens a session for a connection.
    pub(super) fn open(&self, outbox: &Outbox) -> Result<Arc<Session>, Refusal> {
        let mut sessions = self.lock();
        if sessions.len() >= MAX_SESSIONS {
            return Err(Refusal::invalid_request("too many sessions are open; try again later"));
        }
        let session = Arc::new(Session {
            id: uuid::Uuid::new_v4().to_string(),
            state: Mutex::default(),
        });
        session.lock().outbox = Some(outbox.clone());
        sessions.insert(session.id.clone(), Arc::clone(&session));
        Ok(session)
    }

    /// Takes up a session whose connection was lost.
    pub(super) fn resume(&self, id: &str, outbox: &Outbox) -> Result<Arc<Session>, Refusal> {
        let session = self.lock().get(id).cloned();
        let session = session.ok_or_else(|| Refusal::invalid_request(format!("unknown session id {id}")))?;
        let mut state = session.lock();
        if state.outbox.is_some() {
            return Err(Refusal::invalid_request(format!(
                "session {id} is already attached to another connection"
            )));
        }
        state.outbox = Some(outbox.clone());
        state.attachments += 1;
        drop(state);
        Ok(session)
    }

    /// A session's connection is gone; it waits for another one.
    pub(super) fn detach(executor: &Arc<Executor>, session: Arc<Session>) {
        let attachments = {
            let mut state = session.lock();
            state.outbox = None;
            state.attachments
        };
        let executor = Arc::clone(executor);
        tokio::spawn(async move {
            tokio::time::sleep(RESUMABLE).await;
            // Nobody can take it up between the check and its end.
            let mut sessions = executor.sessions.lock();
            let state = session.lock();
            if state.outbox.is_none() && state.attachments == attachments {
                sessions.remove(&session.id);
                state.end_processes();
            }
        });
    }

    /// Ends all sessions.
    pub(super) fn end_all(&self) {
        for (_, session) in self.lock().drain() {
            session.lock().end_processes();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn end_processes(&self) {
        self.processes.values().flatten().for_each(|process| {
            process.end();
        });
    }
}

impl Session {
    /// The id by which a client takes it up again.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Where its client is reached.
    pub(super) fn outbox(&self) -> Option<Outbox> {
        self.lock().outbox.clone()
    }

    /// Starts a process.
    pub(super) async fn start(
        self: &Arc<Self>,
        executor: &Executor,
        params: StartParams,
    ) -> Result<StartResponse, Refusal> {
        let Some(program) = params.argv.first() else {
            return Err(Refusal::invalid_params("argv must not be empty"));
        };
        let id = params.process_id.clone();
        let reserved = self.reserve(&id)?;
        check_program(program, &params)?;
        let launch = match &params.confine {
            None => None,
            Some(confine) => self.confined(executor, &params, confine).await?,
        };
        let network_off = launch.as_ref().is_some_and(|(_, network)| !network);
        let mut environment = child_environment(params.env_policy, params.env);
        if network_off {
            environment.insert("CODEX_SANDBOX_NETWORK_DISABLED".into(), "1".into());
        }
        let request = SpawnRequest {
            argv: &params.argv,
            cwd: &params.cwd,
            environment: &environment,
            terminal: params.tty.then(PtySize::default),
            confined: launch.as_ref().map(|(launch, _)| launch),
        };
        let wishes = StreamWishes {
            input: params.pipe_stdin,
            ..StreamWishes::default()
        };
        let streams = streams::spawn_as(&request, wishes, params.arg0.as_deref())
            .map_err(|error| Refusal::internal(error.to_string()))?;
        reserved.fill(Process::watch(id.clone(), streams, params.pipe_stdin, self));
        Ok(StartResponse { process_id: id })
    }

    /// The way to a confined process, and whether it may use the network; none when its policy confines nothing.
    async fn confined(
        &self,
        executor: &Executor,
        params: &StartParams,
        confine: &Confine,
    ) -> Result<Option<(Launch, bool)>, Refusal> {
        if params.arg0.is_some() {
            return Err(Refusal::invalid_params("arg0 cannot be combined with confine"));
        }
        let (policy, home) = (confine.policy.clone(), executor.home.clone());
        let roots: Vec<AbsolutePathBuf> = confine
            .workspace_roots
            .iter()
            .map(|root| AbsolutePathBuf::rooted(&root.0))
            .collect();
        let resolve = move || {
            let place = Place {
                workspace_roots: &roots,
                home: &home,
            };
            Confinement::resolve(&policy, &place)
        };
        let confinement = tokio::task::spawn_blocking(resolve)
            .await
            .map_err(|_| Refusal::internal("the sandbox policy could not be resolved"))?;
        let Some(confinement) = confinement else {
            return Ok(None);
        };
        let network = confinement.network;
        let launch = Arc::clone(&executor.sandbox)
            .launch_elsewhere(params.argv.clone(), confinement)
            .await
            .map_err(|error| Refusal::internal(error.to_string()))?;
        Ok(Some((launch, network)))
    }

    /// A process that can be read, written to or ended.
    pub(super) fn process(&self, id: &str) -> Option<Arc<Process>> {
        self.lock().processes.get(id).cloned().flatten()
    }

    /// The process of a read.
    pub(super) fn readable(&self, params: &ReadParams) -> Result<Arc<Process>, Refusal> {
        let id = &params.process_id;
        self.process(id)
            .ok_or_else(|| Refusal::invalid_request(format!("unknown process id {id}")))
    }

    /// Hands input to a process.
    pub(super) fn write(&self, params: WriteParams) -> Result<WriteResponse, Refusal> {
        let status = match self.lock().processes.get(&params.process_id).cloned() {
            None => WriteStatus::UnknownProcess,
            Some(None) => WriteStatus::Starting,
            Some(Some(process)) => process.write(params.chunk.0)?,
        };
        Ok(WriteResponse { status })
    }

    /// Ends a process.
    pub(super) fn terminate(&self, id: &str) -> TerminateResponse {
        TerminateResponse {
            running: self.process(id).is_some_and(|process| process.end()),
        }
    }

    /// Forgets an ended process once it was there long enough to be read.
    pub(super) fn forget_later(self: &Arc<Self>, id: &str) {
        let (session, id) = (Arc::downgrade(self), id.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(READABLE).await;
            if let Some(session) = session.upgrade() {
                session.lock().processes.remove(&id);
            }
        });
    }

    /// Takes an id for a process that is about to start.
    fn reserve<'a>(&'a self, id: &'a str) -> Result<Reserved<'a>, Refusal> {
        let mut state = self.lock();
        if state.processes.contains_key(id) {
            return Err(Refusal::invalid_request(format!("process {id} already exists")));
        }
        if state.processes.len() >= MAX_PROCESSES {
            let oldest_ended = state.processes.iter().find_map(|(id, process)| {
                let closed = process.as_ref().is_some_and(|process| process.is_closed());
                closed.then(|| id.clone())
            });
            let Some(ended) = oldest_ended else {
                return Err(Refusal::invalid_request(format!(
                    "a session may have at most {MAX_PROCESSES} processes; end some"
                )));
            };
            state.processes.remove(&ended);
        }
        state.processes.insert(id.to_owned(), None);
        Ok(Reserved {
            session: self,
            id: Some(id),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An id that is given back unless a process takes it.
struct Reserved<'a> {
    session: &'a Session,
    id: Option<&'a str>,
}

impl Reserved<'_> {
    fn fill(mut self, process: Arc<Process>) {
        if let Some(id) = self.id.take() {
            self.session.lock().processes.insert(id.to_owned(), Some(process));
        }
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.session.lock().processes.remove(id);
        }
    }
}

/// Refuses programs that cannot be started, in the words that clients of the field know.
fn check_program(program: &str, params: &StartParams) -> Result<(), Refusal> {
    let refused = |why: String| Err(Refusal::internal(why));
    if program.is_empty() {
        let streams = if params.tty { "PTY" } else { "pipe" };
        return refused(format!("missing program for {streams} spawn"));
    }
    if !params.tty || params.confine.is_some() {
        return Ok(());
    }
    if !program.contains('/') {
        let Some(path) = params.env.get("PATH").filter(|_| params.env_policy.is_none()) else {
            let unknown = params.env_policy.is_none();
            return match unknown {
                true => refused(format!(
                    "Unable to spawn {program} because:\nUnable to resolve the PATH"
                )),
                false => Ok(()),
            };
        };
        let found = std::env::split_paths(path).any(|folder| is_executable(&folder.join(program)));
        return match found {
            true => Ok(()),
            false => refused(format!(
                "Unable to spawn {program} because:\nNo viable candidates found in PATH {path:?}"
            )),
        };
    }
    let path = params.cwd.join(program);
    let shown = path.display();
    match path.metadata() {
        Err(_) => refused(format!(
            "Unable to spawn {shown} because it doesn't exist on the filesystem (ENOENT: No such file or directory)"
        )),
        Ok(found) if found.is_dir() => refused(format!("Unable to spawn {shown} because it is a directory")),
        Ok(_) if !is_executable(&path) => refused(format!(
            "Unable to spawn {shown} because it is not executable (EACCES: Permission denied)"
        )),
        Ok(_) => Ok(()),
    }
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok()
}
