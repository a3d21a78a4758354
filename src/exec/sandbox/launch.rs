//! A command as it is started when it is to be confined: another command line, and the order that goes with it.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::patterns::ScanError;
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
    /// What must not be read is not known.
    #[error("{0}, so the command was not run")]
    Patterns(#[from] ScanError),
    /// There is no such program.
    #[error("{0}")]
    Program(#[source] io::Error),
    /// There is, but it may not be read.
    #[error(
        "{} may not be read under this confinement, so it cannot be run; a permission profile lets shells and their \
         libraries be read by `\":minimal\" = \"read\"`",
        .0.display()
    )]
    Closed(PathBuf),
    /// The system refused something.
    #[error("the sandbox cannot be prepared: {0}")]
    System(#[source] io::Error),
}

impl Sandbox {
    /// What of a confinement this sandbox cannot enforce; commands are not run under one that it cannot.
    pub fn refuses(&self, confinement: &Confinement) -> Option<&'static str> {
        match self.way()? {
            Way::Mounts { .. } => None,
            // Its first program inside of the mounts is ours.
            Way::Bubblewrap { .. } => own_libraries()
                .iter()
                .any(|library| confinement.hides(library, library))
                .then_some("one that keeps the libraries of the server's own program from being read"),
            Way::Landlock { .. } => confinement.beyond_rules(),
        }
    }

    /// The same as [`Sandbox::launch`], where nothing waits for the disk.
    pub async fn launch_elsewhere(
        self: Arc<Self>,
        argv: Vec<String>,
        confinement: Confinement,
    ) -> Result<Launch, LaunchError> {
        let launch = tokio::task::spawn_blocking(move || self.launch(&argv, confinement)).await;
        launch.unwrap_or_else(|error| Err(LaunchError::System(io::Error::other(error))))
    }

    /// Prepares a command to be started confined. Touches the disk, and reads folders if there are patterns.
    pub fn launch(&self, argv: &[String], mut confinement: Confinement) -> Result<Launch, LaunchError> {
        let way = self.way().ok_or(LaunchError::Unavailable)?;
        if let Some(what) = self.refuses(&confinement) {
            return Err(LaunchError::Unenforceable(what));
        }
        confinement.settle()?;
        if let Some(program) = argv.first() {
            look_at(Path::new(program), &confinement)?;
        }
        build(way, argv, confinement)
    }
}

/// Says so when there is no such program, as without a sandbox where the start itself would fail, and when it may not be
/// read. One without a folder is looked for as the server would; what is not found so, or lies by where the command is
/// started, fails then.
fn look_at(program: &Path, confinement: &Confinement) -> Result<(), LaunchError> {
    if program.is_absolute() {
        let real = program.canonicalize().map_err(LaunchError::Program)?;
        return match confinement.hides(program, &real) {
            true => Err(LaunchError::Closed(program.to_owned())),
            false => Ok(()),
        };
    }
    if program.components().count() > 1 {
        return Ok(());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .filter_map(|program| Some((program.canonicalize().ok()?, program)))
        .filter(|(real, _)| real.is_file())
        .peekable();
    match found.peek().cloned() {
        Some((_, first)) if found.all(|(real, program)| confinement.hides(&program, &real)) => {
            Err(LaunchError::Closed(first))
        }
        _ => Ok(()),
    }
}

/// The libraries that this process was loaded with.
fn own_libraries() -> &'static [PathBuf] {
    static FOUND: OnceLock<Vec<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mapped = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let paths = mapped.lines().filter_map(|line| line.split_ascii_whitespace().nth(5));
        let mut libraries: Vec<PathBuf> = paths.filter(|path| path.contains(".so")).map(PathBuf::from).collect();
        libraries.dedup();
        libraries
    })
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
