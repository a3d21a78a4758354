//! The environments of a turn: where its commands run and its files are.
//!
//! A thread keeps names and folders; a turn looks the names up when it begins and keeps what it found. The first is the
//! primary one, whose folder is the turn's working folder. Without any, nothing runs and no file is touched.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::engine::settings::TurnSettings;
use crate::exec::Environments;
use crate::exec::environments::LOCAL;
use crate::exec::place::{Bounds, Place};
use crate::exec::sandbox::Confinement;
use crate::exec::sandbox::policy::{PROTECTED_NAMES, WritableRoot};
use crate::protocol::{AbsolutePathBuf, SandboxPolicy, TurnEnvironmentParams};

/// An environment as a thread keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentChoice {
    /// Its name.
    pub id: Arc<str>,
    /// The folder to work in, there.
    pub cwd: AbsolutePathBuf,
}

impl From<&TurnEnvironmentParams> for EnvironmentChoice {
    fn from(params: &TurnEnvironmentParams) -> Self {
        EnvironmentChoice {
            id: params.environment_id.as_str().into(),
            cwd: params.cwd.clone(),
        }
    }
}

impl EnvironmentChoice {
    /// This machine.
    pub fn local(cwd: AbsolutePathBuf) -> Self {
        EnvironmentChoice { id: LOCAL.into(), cwd }
    }
}

/// An environment of a running turn.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Its name.
    pub id: Arc<str>,
    /// The folder to work in, there.
    pub cwd: AbsolutePathBuf,
    /// The place.
    pub place: Arc<dyn Place>,
}

/// Looks up the environments of a turn. One that is not known any more is left out.
pub fn resolve(known: &Environments, settings: &TurnSettings) -> Vec<Environment> {
    let found = settings.environments.iter().enumerate().filter_map(|(at, choice)| {
        let Some(place) = known.get(&choice.id) else {
            tracing::warn!(environment.id = %choice.id, "environment.unknown: a turn goes without it");
            return None;
        };
        Some(Environment {
            id: Arc::clone(&choice.id),
            // The primary environment goes where the turn goes.
            cwd: match at {
                0 => settings.cwd.clone(),
                _ => choice.cwd.clone(),
            },
            place,
        })
    });
    found.collect()
}

/// What holds for commands and patches in a folder of another machine. The writable roots of a policy, the roots of the
/// workspace and what the user granted are places on this one; there the folder is the workspace, and nothing more. A
/// profile of the configuration cannot be told at all: then nothing may be written without asking.
pub fn bounds_there(settings: &TurnSettings, cwd: &AbsolutePathBuf) -> Bounds {
    let mut policy = match can_be_told(settings) {
        true => settings.sandbox.clone(),
        false => SandboxPolicy::ReadOnly { network_access: false },
    };
    if let SandboxPolicy::WorkspaceWrite { writable_roots, .. } = &mut policy {
        writable_roots.clear();
    }
    Bounds {
        policy,
        workspace_roots: vec![cwd.clone()],
    }
}

/// Whether another machine can be told what commands are held to.
pub fn can_be_told(settings: &TurnSettings) -> bool {
    settings.profile.is_none() || !settings.restricts_commands()
}

/// Where bounds let a patch write on another machine, by the text of paths; none when they confine nothing.
pub fn writable_there(bounds: &Bounds) -> Option<Confinement> {
    if !bounds.restrict() {
        return None;
    }
    let mut confinement = Confinement::default();
    if let SandboxPolicy::WorkspaceWrite { exclude_slash_tmp, .. } = &bounds.policy {
        let root = |path: &Path, shared| WritableRoot {
            path: path.to_owned(),
            protected: PROTECTED_NAMES.iter().map(|name| path.join(name)).collect(),
            shared,
        };
        let roots = bounds.workspace_roots.iter().map(|path| root(path.as_path(), false));
        let temporary = (!exclude_slash_tmp).then(|| root(Path::new("/tmp"), true));
        confinement.roots = roots.chain(temporary).collect();
    }
    Some(confinement)
}
