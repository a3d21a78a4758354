//! A command as it is started when it is to be confined: another command line, and the order that goes with it.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use super::policy::Confinement;
use super::way::{Sandbox, Way};
use crate::network::{self, Keeper};

/// A confined command, ready to be started.
#[derive(Debug)]
pub struct Launch {
    /// The program that goes first.
    pub program: OsString,
    /// Its arguments, the command among them.
    pub arguments: Vec<OsString>,
    /// A descriptor that it inherits, by its number here.
    pub order: OwnedFd,
    /// The line of a command that is to reach the network through the proxy.
    line: Option<Line>,
    /// Whether the process that is started stays and looks after the command: it ends it and tidies up when it is asked
    /// to end, and must not be killed for that.
    pub supervised: bool,
}

/// The line by which a command's way to the proxy is handed over.
#[derive(Debug)]
pub struct Line {
    /// Who listens here. Closed when nothing of the command is left.
    ours: UnixStream,
    /// What the command's side inherits, by its number here.
    theirs: OwnedFd,
    /// Who decides about hosts; without one nothing is served.
    keeper: Option<Arc<dyn Keeper>>,
}

impl Launch {
    /// The descriptors that it inherits.
    pub fn inherited(&self) -> [Option<RawFd>; 2] {
        let line = self.line.as_ref().map(|line| line.theirs.as_raw_fd());
        [Some(self.order.as_raw_fd()), line]
    }

    /// Whether the command reaches the network through the proxy.
    pub fn is_proxied(&self) -> bool {
        self.line.is_some()
    }

    /// Names who decides which hosts the command reaches through the proxy.
    #[must_use]
    pub fn kept_by(mut self, keeper: &Arc<dyn Keeper>) -> Self {
        if let Some(line) = &mut self.line {
            line.keeper = Some(Arc::clone(keeper));
        }
        self
    }

    /// Serves the command's way to the network, if it has one, until nothing of the command is left. To be called when the
    /// command was started, inside a runtime that lives as long as the server.
    pub fn serve(self) {
        let Some(Line { ours, theirs, keeper }) = self.line else {
            return;
        };
        drop(theirs);
        if let Some(keeper) = keeper {
            tokio::spawn(network::keep(ours, keeper));
        }
    }
}

/// Why a command cannot be confined.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// There is no sandbox.
    #[error("no sandbox is available on this machine")]
    Unavailable,
    /// What holds for the command cannot be enforced here. It is not run with less.
    #[error("the confinement is {0}, which the sandbox of this machine cannot enforce, so the command was not run")]
    Unenforceable(&'static str),
    /// There is no such program.
    #[error("{0}")]
    Program(#[source] io::Error),
    /// The system refused something.
    #[error("the sandbox cannot be prepared: {0}")]
    System(#[source] io::Error),
}

impl Sandbox {
    /// What of a confinement this sandbox cannot enforce; commands are not run under one that it cannot.
    pub fn refuses(&self, confinement: &Confinement) -> Option<&'static str> {
        match self.way()?.protects_paths() {
            true => confinement.beyond_mounts(),
            false => confinement.beyond_rules(),
        }
    }

    /// Prepares a command to be started confined. Touches the disk.
    pub fn launch(&self, argv: &[String], confinement: Confinement) -> Result<Launch, LaunchError> {
        let way = self.way().ok_or(LaunchError::Unavailable)?;
        if let Some(what) = self.refuses(&confinement) {
            return Err(LaunchError::Unenforceable(what));
        }
        // Told as without a sandbox, where the start itself would fail.
        if let Some(program) = argv.first().filter(|program| program.contains('/')) {
            Path::new(program).metadata().map_err(LaunchError::Program)?;
        }
        build(way, argv, confinement)
    }
}

#[cfg(target_os = "linux")]
fn build(way: &Way, argv: &[String], mut confinement: Confinement) -> Result<Launch, LaunchError> {
    use super::order::{Files, Order};
    use super::stage::WORD;

    let files = match way {
        Way::Mounts { user_namespace } => Files::Mounts {
            user_namespace: *user_namespace,
        },
        Way::Bubblewrap { program } => Files::Bubblewrap {
            program: program.clone(),
        },
        Way::Landlock { .. } => Files::Landlock,
    };
    let supervised = files != Files::Landlock;
    // Without a network of its own a command could go past the proxy.
    confinement.proxied &= supervised;
    let line = match confinement.proxied {
        true => {
            let (ours, theirs) = UnixStream::pair().map_err(LaunchError::System)?;
            let theirs = theirs.into();
            let keeper = None;
            Some(Line { ours, theirs, keeper })
        }
        false => None,
    };
    let order = Order {
        parent: Some(nix::unistd::getpid().as_raw()),
        line: line.as_ref().map(|line| line.theirs.as_raw_fd()),
        ..Order::new(confinement, files)
    };
    let order = order.sealed().map_err(LaunchError::System)?;
    let first = [WORD.into(), order.as_raw_fd().to_string().into()];
    Ok(Launch {
        // Not by its path: that may lead to another program by now.
        program: "/proc/self/exe".into(),
        arguments: first.into_iter().chain(argv.iter().map(OsString::from)).collect(),
        order,
        line,
        supervised,
    })
}

#[cfg(not(target_os = "linux"))]
fn build(_way: &Way, _argv: &[String], _confinement: Confinement) -> Result<Launch, LaunchError> {
    Err(LaunchError::Unavailable)
}
