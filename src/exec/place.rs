//! The seam between a turn and the machine that it works on: running commands and reaching files there.
//!
//! Implemented for this machine ([`LocalPlace`]) and for executors behind a connection (`exec/remote`). A turn names
//! its places by environments (`exec/environments`).

use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::config::ShellEnvironmentPolicy;
use crate::exec::decision::SandboxAvailability;
use crate::exec::environment::{behind_proxy, child_environment};
use crate::exec::files::{Files, LocalFiles};
use crate::exec::pty::PtySize;
use crate::exec::sandbox::{Confinement, Launch};
use crate::exec::spawn::SpawnRequest;
use crate::exec::{Sandbox, Session, Sessions, SpawnError};
use crate::network::Keeper;
use crate::protocol::{AbsolutePathBuf, SandboxPolicy, ThreadId};

/// What a command, or an operation on files, is held to on another machine, which finds out there what that comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds {
    /// The sandbox policy.
    pub policy: SandboxPolicy,
    /// The roots of the workspace.
    pub workspace_roots: Vec<AbsolutePathBuf>,
}

impl Bounds {
    /// Whether it confines anything here.
    pub fn restrict(&self) -> bool {
        matches!(
            self.policy,
            SandboxPolicy::ReadOnly { .. } | SandboxPolicy::WorkspaceWrite { .. }
        )
    }

    /// Takes the network away from commands.
    pub fn close_network(&mut self) {
        if let SandboxPolicy::ReadOnly { network_access } | SandboxPolicy::WorkspaceWrite { network_access, .. } =
            &mut self.policy
        {
            *network_access = false;
        }
    }

    /// Whether it leaves commands the network.
    pub fn network(&self) -> bool {
        match self.policy {
            SandboxPolicy::ReadOnly { network_access } | SandboxPolicy::WorkspaceWrite { network_access, .. } => {
                network_access
            }
            SandboxPolicy::DangerFullAccess | SandboxPolicy::ExternalSandbox { .. } => true,
        }
    }
}

/// What a command is held to.
#[derive(Debug, Clone, PartialEq)]
pub enum Hold {
    /// What it comes to on this machine.
    Here(Confinement),
    /// What another machine is to make of it.
    There(Bounds),
}

/// A command to run.
#[derive(Debug, Clone, Copy)]
pub struct PlacedCommand<'a> {
    /// Program and arguments.
    pub argv: &'a [String],
    /// The working folder, there.
    pub cwd: &'a Path,
    /// Which variables of the place reach it.
    pub environment: &'a ShellEnvironmentPolicy,
    /// The thread that it belongs to.
    pub thread: ThreadId,
    /// The size of its terminal; none means pipes and no input.
    pub terminal: Option<PtySize>,
    /// What it is held to; none lets it do everything.
    pub hold: Option<&'a Hold>,
    /// Who decides which hosts it reaches, where it reaches them through the proxy alone.
    pub keeper: Option<&'a Arc<dyn Keeper>>,
}

/// Where commands run and files are.
pub trait Place: Send + Sync + std::fmt::Debug {
    /// Whether it is another machine, or could be.
    fn is_remote(&self) -> bool;

    /// Whether commands can be confined there.
    fn availability(&self) -> BoxFuture<'_, Result<SandboxAvailability, SpawnError>>;

    /// Starts a command as one of a thread's sessions. Must run on a thread that lives as long as the server.
    fn start<'a>(
        &'a self,
        sessions: &'a Sessions,
        item_id: Arc<str>,
        command: PlacedCommand<'a>,
    ) -> BoxFuture<'a, Result<Arc<Session>, SpawnError>>;

    /// The files there. What is written through them keeps to `bounds`, as far as that is not looked at before.
    fn files(self: Arc<Self>, bounds: Option<Bounds>) -> Arc<dyn Files>;
}

/// This machine.
#[derive(Debug, Default)]
pub struct LocalPlace {
    sandbox: Arc<Sandbox>,
}

impl LocalPlace {
    /// This machine with a sandbox.
    pub fn new(sandbox: Arc<Sandbox>) -> Self {
        LocalPlace { sandbox }
    }
}

impl Place for LocalPlace {
    fn is_remote(&self) -> bool {
        false
    }

    fn availability(&self) -> BoxFuture<'_, Result<SandboxAvailability, SpawnError>> {
        Box::pin(std::future::ready(Ok(self.sandbox.availability())))
    }

    fn start<'a>(
        &'a self,
        sessions: &'a Sessions,
        item_id: Arc<str>,
        command: PlacedCommand<'a>,
    ) -> BoxFuture<'a, Result<Arc<Session>, SpawnError>> {
        Box::pin(async move {
            let confinement = match command.hold {
                None => None,
                Some(Hold::Here(confinement)) => Some(confinement.clone()),
                Some(Hold::There(_)) => return Err(foreign()),
            };
            let launch = match confinement.clone() {
                None => None,
                Some(confinement) => {
                    let sandbox = Arc::clone(&self.sandbox);
                    Some(sandbox.launch_elsewhere(command.argv.to_vec(), confinement).await?)
                }
            };
            let proxied = launch.as_ref().is_some_and(Launch::is_proxied);
            let network_off = confinement.is_some_and(|confinement| !confinement.network) && !proxied;
            let mut environment = child_environment(command.environment, command.thread, network_off);
            let launch = match (launch, command.keeper) {
                (Some(launch), Some(keeper)) if proxied => {
                    environment.extend(behind_proxy(&keeper.policy()));
                    Some(launch.kept_by(keeper))
                }
                (launch, _) => launch,
            };
            let request = SpawnRequest {
                argv: command.argv,
                cwd: command.cwd,
                environment: &environment,
                terminal: command.terminal,
                confined: launch.as_ref(),
            };
            let session = sessions.start(item_id, &request)?;
            if let Some(launch) = launch {
                launch.serve();
            }
            Ok(session)
        })
    }

    fn files(self: Arc<Self>, _bounds: Option<Bounds>) -> Arc<dyn Files> {
        // Who writes here looks at every path before.
        Arc::new(LocalFiles)
    }
}

/// A command that is held to something of another place does not run with less.
pub(super) fn foreign() -> SpawnError {
    SpawnError::from(std::io::Error::other("the command is held to what another machine has"))
}
