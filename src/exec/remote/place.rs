//! An executor as a place where a turn's commands run.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::feed::Feed;
use super::files::RemoteFiles;
use super::link::{Call, Command, Resend};
use super::process::RemoteProcess;
use super::{Remote, RemoteError, RemoteSpec, ended, understood};
use crate::config::{InheritEnvironment, ShellEnvironmentPolicy};
use crate::exec::decision::SandboxAvailability;
use crate::exec::environment::additions;
use crate::exec::files::Files;
use crate::exec::place::{Bounds, Hold, Place, PlacedCommand, foreign};
use crate::exec::{Session, Sessions, SpawnError};
use crate::protocol::exec_server::*;

/// An executor.
#[derive(Debug)]
pub struct RemotePlace(Arc<Remote>);

impl RemotePlace {
    /// An executor, which is not reached out to yet.
    pub fn new(spec: RemoteSpec) -> Self {
        RemotePlace(Remote::new(spec))
    }
}

impl Place for RemotePlace {
    fn is_remote(&self) -> bool {
        true
    }

    fn availability(&self) -> BoxFuture<'_, Result<SandboxAvailability, SpawnError>> {
        Box::pin(async move {
            let capabilities = self.0.capabilities().await.map_err(spawn_error)?;
            Ok(match capabilities.confine {
                true => SandboxAvailability::Available,
                false => SandboxAvailability::UnavailableThere,
            })
        })
    }

    fn start<'a>(
        &'a self,
        sessions: &'a Sessions,
        item_id: Arc<str>,
        command: PlacedCommand<'a>,
    ) -> BoxFuture<'a, Result<Arc<Session>, SpawnError>> {
        Box::pin(async move {
            let bounds = match command.hold {
                None => None,
                Some(Hold::There(bounds)) => Some(bounds),
                Some(Hold::Here(_)) => return Err(foreign()),
            };
            if bounds.is_some() && !self.0.capabilities().await.map_err(spawn_error)?.confine {
                // It would ignore the bounds without a word.
                let why = "this executor has no sandbox of its own, so a restricted command is not run on it";
                return Err(SpawnError::from(std::io::Error::other(why)));
            }
            let remote = Arc::clone(&self.0);
            let start = move |number: u32| start(remote, number, &command, bounds);
            sessions.start_there(item_id, command.terminal.is_some(), start).await
        })
    }

    fn files(self: Arc<Self>, bounds: Option<Bounds>) -> Arc<dyn Files> {
        Arc::new(RemoteFiles::new(Arc::clone(&self.0), bounds))
    }
}

/// Starts a process that is known here by `number`. If the future is dropped, a process that starts all the same is
/// ended again.
fn start(
    remote: Arc<Remote>,
    number: u32,
    command: &PlacedCommand<'_>,
    bounds: Option<&Bounds>,
) -> BoxFuture<'static, Result<RemoteProcess, SpawnError>> {
    let network_off = bounds.is_some_and(|bounds| bounds.restrict() && !bounds.network());
    let id = remote.process_id(number);
    let params = StartParams {
        process_id: id.clone(),
        argv: command.argv.to_vec(),
        cwd: command.cwd.to_owned(),
        env_policy: Some(policy(command.environment)),
        env: additions(command.thread, network_off),
        tty: command.terminal.is_some(),
        pipe_stdin: false,
        arg0: None,
        confine: bounds.map(|bounds| Confine {
            policy: bounds.policy.clone(),
            workspace_roots: bounds
                .workspace_roots
                .iter()
                .map(|root| ExecutorPath(root.as_path().to_owned()))
                .collect(),
        }),
    };
    let (handed_over, process) = oneshot::channel();
    Box::pin(async move {
        tokio::spawn(async move {
            let _ = handed_over.send(started(remote, id, params).await);
        });
        process.await.map_err(|_| spawn_error(ended()))?.map_err(spawn_error)
    })
}

async fn started(remote: Arc<Remote>, id: String, params: StartParams) -> Result<RemoteProcess, RemoteError> {
    let params = serde_json::to_value(params).map_err(|error| RemoteError::Protocol(error.to_string()))?;
    let (feed, watched) = Feed::new();
    let (reply, answer) = oneshot::channel();
    let call = Call {
        method: PROCESS_START,
        params,
        resend: Resend::Start,
        reply: Some(reply),
        // Watched from before it starts: what is told of it may come before the answer.
        feed: Some((id.clone(), feed)),
    };
    remote.tell(Command::Call(call)).await?;
    match answer
        .await
        .map_err(|_| ended())
        .flatten()
        .and_then(|answer| understood(Ok(answer)))
    {
        Ok(StartResponse { .. }) => Ok(RemoteProcess::new(remote, id, watched)),
        Err(error) => {
            remote.mention(Command::Forget(id));
            Err(error)
        }
    }
}

fn policy(policy: &ShellEnvironmentPolicy) -> EnvPolicy {
    EnvPolicy {
        inherit: match policy.inherit {
            InheritEnvironment::All => Inherit::All,
            InheritEnvironment::Core => Inherit::Core,
            InheritEnvironment::None => Inherit::None,
        },
        ignore_default_excludes: policy.ignore_default_excludes,
        exclude: policy.exclude.clone(),
        set: BTreeMap::clone(&policy.set),
        include_only: policy.include_only.clone(),
    }
}

fn spawn_error(error: RemoteError) -> SpawnError {
    SpawnError::from(std::io::Error::other(error))
}
