//! By which way this machine confines commands.
//!
//! Tried once, because it does not change while a server runs: each way is asked to confine a process that looks whether
//! the confinement stands. `auto` takes the first that does, strongest first, and says why it passed over the others.

use std::path::PathBuf;
use std::sync::OnceLock;

use crate::exec::decision::SandboxAvailability;
use crate::settings::SandboxMethod;

/// A way to confine commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Mounts of our own, a process namespace, a filter for system calls, and Landlock on top where there is one.
    Mounts {
        /// Whether the right to make them comes from a user namespace.
        user_namespace: bool,
    },
    /// The same, with mounts that bubblewrap makes.
    Bubblewrap {
        /// The program.
        program: PathBuf,
    },
    /// Landlock and a filter for system calls.
    Landlock {
        /// The version of Landlock that the kernel has.
        abi: u32,
    },
}

impl Way {
    /// The name by which settings know it.
    pub fn name(&self) -> &'static str {
        match self {
            Way::Mounts { .. } => "mounts",
            Way::Bubblewrap { .. } => "bubblewrap",
            Way::Landlock { .. } => "landlock",
        }
    }

    /// What it cannot protect, one line each (docs/sandbox.md says more).
    pub fn limits(&self) -> &'static [&'static str] {
        match self {
            Way::Mounts { .. } => &EVERYWHERE,
            Way::Bubblewrap { .. } => &BY_BUBBLEWRAP,
            Way::Landlock { .. } => &BY_LANDLOCK,
        }
    }

    /// Whether it can give a command a network of its own, with nothing in it but the proxy.
    pub fn filters_network(&self) -> bool {
        !matches!(self, Way::Landlock { .. })
    }

    /// Whether it protects paths below writable roots, and can keep files from being read.
    pub fn protects_paths(&self) -> bool {
        !matches!(self, Way::Landlock { .. })
    }
}

const READING: &str = "reading: every file that the server's user may read can be read";
const SERVICES: &str = "with the network on, services of this machine on Unix sockets";
const SHARED: &str = "names like .git directly in /tmp and $TMPDIR that do not exist";
const EVERYWHERE: [&str; 3] = [READING, SERVICES, SHARED];
const BY_BUBBLEWRAP: [&str; 4] = [
    READING,
    SERVICES,
    SHARED,
    "folders whose .git is a link: commands there are refused",
];
const BY_LANDLOCK: [&str; 6] = [
    READING,
    SERVICES,
    "a filtered network: commands that are to have one have none",
    ".git, .codex and .agents in writable folders",
    "modes, owners and times of files elsewhere",
    "a command that leaves its process group may outlive its call",
];

/// A way that was tried.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The way's name.
    pub name: &'static str,
    /// The way, or why it does not work here.
    pub result: Result<Way, String>,
}

/// The sandbox of this process.
#[derive(Debug, Default)]
pub struct Sandbox {
    /// What the settings ask for; none confines nothing.
    method: Option<SandboxMethod>,
    trials: OnceLock<Vec<Trial>>,
}

impl Sandbox {
    /// A sandbox by the way that `method` names, or the best one if it leaves that open.
    pub fn new(method: SandboxMethod) -> Self {
        Sandbox {
            method: Some(method),
            trials: OnceLock::new(),
        }
    }

    /// The way; none when there is no sandbox. Tries them on first use, which takes some milliseconds.
    pub fn way(&self) -> Option<&Way> {
        self.trials().last().and_then(|trial| trial.result.as_ref().ok())
    }

    /// The ways that were tried: none worked but the last one, if that did.
    pub fn trials(&self) -> &[Trial] {
        self.trials.get_or_init(|| self.method.map(find).unwrap_or_default())
    }

    /// What that means for decisions.
    pub fn availability(&self) -> SandboxAvailability {
        match self.way() {
            Some(_) => SandboxAvailability::Available,
            None => SandboxAvailability::Unavailable,
        }
    }

    /// What users should know: that nothing is confined here, or less well than it could be. A summary and details.
    pub fn weakness(&self) -> Option<(String, String)> {
        let way = self.way();
        if self.method.is_none() || way.is_some_and(Way::protects_paths) {
            return None;
        }
        let passed_over = self.trials().iter().filter_map(|trial| {
            let why = trial.result.as_ref().err()?;
            Some(format!("{}: {why}", trial.name))
        });
        let reasons = passed_over.collect::<Vec<_>>().join("\n");
        let named = self.method != Some(SandboxMethod::Auto);
        let summary = match way {
            // What the settings ask for is no news.
            Some(_) if named => return None,
            Some(_) => {
                "Commands are confined by Landlock alone: .git, .codex and .agents in writable folders are not \
                 protected. Allow user namespaces, or install bubblewrap."
            }
            None => {
                "Commands cannot be confined on this machine, so restricted ones are asked about or refused. Allow \
                 user namespaces, or install bubblewrap."
            }
        };
        Some((summary.to_owned(), reasons))
    }
}

/// Tries the ways that a method allows, until one works.
fn find(method: SandboxMethod) -> Vec<Trial> {
    let mut trials = Vec::new();
    for candidate in candidates(method) {
        let trial = candidate();
        let works = trial.result.is_ok();
        trials.push(trial);
        if works {
            break;
        }
    }
    trials
}

type Candidate = fn() -> Trial;

#[cfg(target_os = "linux")]
fn candidates(method: SandboxMethod) -> Vec<Candidate> {
    use super::probe::{bubblewrap, landlock, mounts, mounts_by_user_namespace};
    let own: &[Candidate] = match nix::unistd::geteuid().is_root() {
        true => &[mounts, mounts_by_user_namespace],
        false => &[mounts_by_user_namespace],
    };
    match method {
        SandboxMethod::Auto => [own, &[bubblewrap, landlock]].concat(),
        SandboxMethod::Mounts => own.to_vec(),
        SandboxMethod::Bubblewrap => vec![bubblewrap],
        SandboxMethod::Landlock => vec![landlock],
    }
}

#[cfg(not(target_os = "linux"))]
fn candidates(_method: SandboxMethod) -> Vec<Candidate> {
    Vec::new()
}
