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
    pub fn limits(&self) -> Vec<&'static str> {
        let mut limits = EVERYWHERE.to_vec();
        match self {
            Way::Mounts { .. } => limits.extend(BY_MOUNTS),
            Way::Bubblewrap { .. } => limits.extend(BY_BUBBLEWRAP),
            Way::Landlock { abi } => {
                limits.extend(BY_LANDLOCK);
                limits.extend((*abi < SCOPES).then_some(BY_OLD_LANDLOCK));
            }
        }
        limits
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

/// The version of Landlock that knows signals and abstract sockets.
const SCOPES: u32 = 6;
const EVERYWHERE: [&str; 2] = [
    "reading: every file that the server's user may read can be read, unless a permission profile closes it",
    "with the network on, services of this machine on Unix sockets",
];
const SHARED: &str = "names like .git directly in /tmp and $TMPDIR that do not exist";
const CLOSED: &str = "closed files that have another name, or come to match a pattern while a command runs";
const BY_MOUNTS: [&str; 2] = [SHARED, CLOSED];
const BY_BUBBLEWRAP: [&str; 3] = [
    SHARED,
    CLOSED,
    "folders whose .git is a link: commands there are refused",
];
const BY_LANDLOCK: [&str; 5] = [
    "a filtered network: commands that are to have one have none",
    ".git, .codex and .agents in writable folders",
    "modes, owners and times of files elsewhere, and their names where reading is restricted",
    "a command that leaves its process group may outlive its call",
    "closed places below readable ones: commands are refused where a profile has such",
];
const BY_OLD_LANDLOCK: &str =
    "signals to processes of the same user; with the network on, abstract Unix sockets (Linux 6.12 has both)";

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
        let try_all = |method| first_that_works(&candidates(method, is_root()), attempt);
        self.trials.get_or_init(|| self.method.map(try_all).unwrap_or_default())
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

/// A way that may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Candidate {
    Mounts,
    MountsByUserNamespace,
    Bubblewrap,
    Landlock,
}

/// The ways that a method allows, strongest first. Only root may have the right to mount without a user namespace.
fn candidates(method: SandboxMethod, root: bool) -> Vec<Candidate> {
    use Candidate::{Bubblewrap, Landlock, Mounts, MountsByUserNamespace};
    let own: &[Candidate] = match root {
        true => &[Mounts, MountsByUserNamespace],
        false => &[MountsByUserNamespace],
    };
    match method {
        _ if !cfg!(target_os = "linux") => Vec::new(),
        SandboxMethod::Auto => [own, &[Bubblewrap, Landlock]].concat(),
        SandboxMethod::Mounts => own.to_vec(),
        SandboxMethod::Bubblewrap => vec![Bubblewrap],
        SandboxMethod::Landlock => vec![Landlock],
    }
}

/// Tries ways until one works.
fn first_that_works(candidates: &[Candidate], attempt: impl Fn(Candidate) -> Trial) -> Vec<Trial> {
    let mut trials = Vec::new();
    for candidate in candidates {
        let trial = attempt(*candidate);
        let works = trial.result.is_ok();
        trials.push(trial);
        if works {
            break;
        }
    }
    trials
}

#[cfg(target_os = "linux")]
fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

#[cfg(not(target_os = "linux"))]
fn is_root() -> bool {
    false
}

#[cfg(target_os = "linux")]
fn attempt(candidate: Candidate) -> Trial {
    use super::probe;
    match candidate {
        Candidate::Mounts => probe::mounts(),
        Candidate::MountsByUserNamespace => probe::mounts_by_user_namespace(),
        Candidate::Bubblewrap => probe::bubblewrap(),
        Candidate::Landlock => probe::landlock(),
    }
}

#[cfg(not(target_os = "linux"))]
fn attempt(_candidate: Candidate) -> Trial {
    Trial {
        name: "none",
        result: Err("there is no sandbox for this system".to_owned()),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// A machine on which some ways work.
    fn on(works: &'static [Candidate]) -> impl Fn(Candidate) -> Trial {
        move |candidate| {
            let (name, way) = match candidate {
                Candidate::Mounts => ("mounts", Way::Mounts { user_namespace: false }),
                Candidate::MountsByUserNamespace => ("mounts", Way::Mounts { user_namespace: true }),
                Candidate::Bubblewrap => ("bubblewrap", Way::Bubblewrap { program: "/b".into() }),
                Candidate::Landlock => ("landlock", Way::Landlock { abi: 4 }),
            };
            let result = works
                .contains(&candidate)
                .then_some(way)
                .ok_or(format!("no {name} here"));
            Trial { name, result }
        }
    }

    fn sandbox(method: SandboxMethod, root: bool, works: &'static [Candidate]) -> Sandbox {
        Sandbox {
            method: Some(method),
            trials: OnceLock::from(first_that_works(&candidates(method, root), on(works))),
        }
    }

    #[test]
    fn the_strongest_way_that_works_is_taken() {
        use Candidate::{Bubblewrap, Landlock, Mounts, MountsByUserNamespace};
        use SandboxMethod::Auto;
        // What is asked for, by root, what works, what is taken, how many were tried, whether users are told.
        type Case = (
            SandboxMethod,
            bool,
            &'static [Candidate],
            Option<&'static str>,
            usize,
            bool,
        );
        let cases: [Case; 12] = [
            (Auto, true, &[Mounts, Landlock], Some("mounts"), 1, false),
            // Root in a container without CAP_SYS_ADMIN.
            (Auto, true, &[MountsByUserNamespace, Landlock], Some("mounts"), 2, false),
            (Auto, false, &[MountsByUserNamespace], Some("mounts"), 1, false),
            // An ordinary user never mounts by rights of its own.
            (Auto, false, &[Mounts], None, 3, true),
            // User namespaces are switched off, but for bubblewrap.
            (Auto, false, &[Bubblewrap, Landlock], Some("bubblewrap"), 2, false),
            (Auto, false, &[Landlock], Some("landlock"), 3, true),
            (Auto, true, &[Landlock], Some("landlock"), 4, true),
            (Auto, true, &[], None, 4, true),
            // What the settings name is taken or nothing, and no news.
            (
                SandboxMethod::Landlock,
                true,
                &[Mounts, Landlock],
                Some("landlock"),
                1,
                false,
            ),
            (SandboxMethod::Bubblewrap, true, &[Mounts], None, 1, true),
            (SandboxMethod::Mounts, true, &[Landlock], None, 2, true),
            (
                SandboxMethod::Mounts,
                false,
                &[MountsByUserNamespace],
                Some("mounts"),
                1,
                false,
            ),
        ];
        for (method, root, works, taken, tried, told) in cases {
            let sandbox = sandbox(method, root, works);
            let case = format!("{method:?}, root: {root}, works: {works:?}");
            assert_eq!(sandbox.way().map(Way::name), taken, "{case}");
            assert_eq!(sandbox.trials().len(), tried, "{case}");
            assert_eq!(sandbox.weakness().is_some(), told, "{case}");
            let available = matches!(sandbox.availability(), SandboxAvailability::Available);
            assert_eq!(available, taken.is_some(), "{case}");
        }
    }

    #[test]
    fn who_has_less_is_told_why() {
        let weak = sandbox(SandboxMethod::Auto, false, &[Candidate::Landlock]);
        let (summary, details) = weak.weakness().unwrap();
        assert!(summary.contains("Landlock alone"), "{summary}");
        assert_eq!(details, "mounts: no mounts here\nbubblewrap: no bubblewrap here");
        let (summary, _) = sandbox(SandboxMethod::Auto, false, &[]).weakness().unwrap();
        assert!(summary.contains("cannot be confined"), "{summary}");
    }

    #[test]
    fn an_older_landlock_says_what_it_lacks() {
        let lacks = |abi| {
            Way::Landlock { abi }
                .limits()
                .iter()
                .any(|limit| limit.contains("signals"))
        };
        assert!(lacks(1) && lacks(5) && !lacks(6));
        let mounts = Way::Mounts { user_namespace: true }.limits();
        assert!(
            !mounts.iter().any(|limit| limit.contains("signals")),
            "they are not seen at all"
        );
    }
}
