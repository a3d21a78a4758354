//! The environments that threads can be given: places by name.
//!
//! Made at the start from environments.toml or one variable, else this machine alone; clients may add others while the
//! server runs (`environment/add`). A thread that names none gets the default one and all others that are known then. A
//! place that is replaced goes on working for the turns that have it.

mod file;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use crate::exec::place::{LocalPlace, Place};
use crate::exec::remote::{RemotePlace, RemoteSpec};

pub use file::EnvironmentsError;

/// The name of this machine.
pub const LOCAL: &str = "local";
/// The name of the executor that the variable gives.
const REMOTE: &str = "remote";
/// The variable that names an executor for everything, or takes all environments away.
const URL_VARIABLE: &str = "CODEX_EXEC_SERVER_URL";
/// What stands for no environment at all.
const NONE: &str = "none";

/// The known environments.
#[derive(Debug)]
pub struct Environments(RwLock<Known>);

#[derive(Debug)]
struct Known {
    /// In the order in which they became known.
    places: Vec<(Arc<str>, Arc<dyn Place>)>,
    /// The one that threads get first; none when they get none at all.
    default: Option<Arc<str>>,
}

/// Why an environment cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// No name.
    #[error("exec-server protocol error: environment id cannot be empty")]
    NoId,
    /// No address.
    #[error("exec-server protocol error: remote environment requires an exec-server url")]
    NoUrl,
    /// The word that stands for no environment.
    #[error("exec-server protocol error: remote environment cannot use disabled exec-server url")]
    Disabled,
}

impl Default for Environments {
    /// This machine alone, without a sandbox.
    fn default() -> Self {
        Environments::local(LocalPlace::default())
    }
}

impl Environments {
    /// This machine alone.
    pub fn local(place: LocalPlace) -> Self {
        Environments(RwLock::new(Known {
            places: vec![(LOCAL.into(), Arc::new(place))],
            default: Some(LOCAL.into()),
        }))
    }

    /// What environments.toml of the home says, else the variable, else this machine alone. Touches the disk.
    pub fn load(home: &Path, local: LocalPlace) -> Result<Self, EnvironmentsError> {
        if let Some(file) = file::read(home)? {
            let mut known = Known {
                places: vec![(LOCAL.into(), Arc::new(local))],
                default: file.default,
            };
            for (id, spec) in file.environments {
                known.places.push((id, Arc::new(RemotePlace::new(spec))));
            }
            return Ok(Environments(RwLock::new(known)));
        }
        let url = std::env::var(URL_VARIABLE).unwrap_or_default();
        let known = match url.trim() {
            "" => return Ok(Environments::local(local)),
            none if none.eq_ignore_ascii_case(NONE) => Known {
                places: Vec::new(),
                default: None,
            },
            url => Known {
                places: vec![(REMOTE.into(), Arc::new(RemotePlace::new(RemoteSpec::at(url))))],
                default: Some(REMOTE.into()),
            },
        };
        Ok(Environments(RwLock::new(known)))
    }

    /// Adds an executor, or puts it in the place of the environment that has its name. It is not reached out to yet.
    pub fn add(&self, id: &str, url: &str) -> Result<(), AddError> {
        if id.is_empty() {
            return Err(AddError::NoId);
        }
        match url.trim() {
            "" => return Err(AddError::NoUrl),
            none if none.eq_ignore_ascii_case(NONE) => return Err(AddError::Disabled),
            _ => {}
        }
        let place: Arc<dyn Place> = Arc::new(RemotePlace::new(RemoteSpec::at(url.trim())));
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match known.places.iter_mut().find(|(known, _)| **known == *id) {
            Some((_, old)) => *old = place,
            None => known.places.push((id.into(), place)),
        }
        Ok(())
    }

    /// The environment of a name.
    pub fn get(&self, id: &str) -> Option<Arc<dyn Place>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (_, place) = known.places.iter().find(|(known, _)| **known == *id)?;
        Some(Arc::clone(place))
    }

    /// What a thread gets that names no environments: the default one first.
    pub fn selection(&self) -> Vec<Arc<str>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(default) = &known.default else {
            return Vec::new();
        };
        let others = known.places.iter().map(|(id, _)| id).filter(|id| *id != default);
        std::iter::once(default).chain(others).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(environments: &Environments) -> Vec<String> {
        environments.selection().iter().map(|id| id.to_string()).collect()
    }

    #[test]
    fn environments_are_added_and_replaced() {
        let environments = Environments::default();
        assert_eq!(environments.add("", "ws://x"), Err(AddError::NoId));
        assert_eq!(environments.add("a", " "), Err(AddError::NoUrl));
        assert_eq!(environments.add("a", "None"), Err(AddError::Disabled));
        assert_eq!(environments.add("b", "ws://x"), Ok(()));
        assert_eq!(environments.add("a", "anything"), Ok(()));
        assert_eq!(environments.add("b", "ws://y"), Ok(()));
        assert_eq!(names(&environments), ["local", "b", "a"]);
        assert!(!environments.get("local").unwrap().is_remote());
        assert_eq!(environments.add("local", "ws://x"), Ok(()));
        assert!(environments.get("local").unwrap().is_remote());
        assert!(environments.get("zz").is_none());
    }

    #[test]
    fn a_file_names_the_default_and_the_others() {
        let home = tempfile::tempdir().unwrap();
        let load = |text: &str| {
            std::fs::write(home.path().join("environments.toml"), text).unwrap();
            Environments::load(home.path(), LocalPlace::default())
        };
        let two = "[[environments]]\nid = \"r\"\nurl = \"ws://x\"\n[[environments]]\nid = \"s\"\nprogram = \"y\"\n";
        assert_eq!(names(&load(two).unwrap()), ["local", "r", "s"]);
        assert_eq!(
            names(&load(&format!("default = \"s\"\n{two}")).unwrap()),
            ["s", "local", "r"]
        );
        let none = load(&format!("default = \"none\"\n{two}")).unwrap();
        assert!(names(&none).is_empty() && none.get("r").is_some());
        assert_eq!(names(&load("").unwrap()), ["local"]);
    }
}
