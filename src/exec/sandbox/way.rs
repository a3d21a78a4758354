//! By which way this machine confines commands.
//!
//! Looked up once, on first use, because it does not change while a server runs.

use std::sync::OnceLock;

use crate::exec::decision::SandboxAvailability;
use crate::settings::SandboxMethod;

/// A way to confine commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Landlock and a filter for system calls.
    Landlock {
        /// The version of Landlock that the kernel has.
        abi: u32,
    },
}

/// The sandbox of this process.
#[derive(Debug, Default)]
pub struct Sandbox {
    /// What the settings ask for; none confines nothing.
    method: Option<SandboxMethod>,
    way: OnceLock<Option<Way>>,
}

impl Sandbox {
    /// A sandbox by the way that `method` names, or the best one if it leaves that open.
    pub fn new(method: SandboxMethod) -> Self {
        Sandbox {
            method: Some(method),
            way: OnceLock::new(),
        }
    }

    /// The way; none when there is no sandbox.
    pub fn way(&self) -> Option<&Way> {
        self.way.get_or_init(|| self.method.and_then(find)).as_ref()
    }

    /// What that means for decisions.
    pub fn availability(&self) -> SandboxAvailability {
        match self.way() {
            Some(_) => SandboxAvailability::Available,
            None => SandboxAvailability::Unavailable,
        }
    }
}

#[cfg(target_os = "linux")]
fn find(_method: SandboxMethod) -> Option<Way> {
    super::landlock::version().map(|abi| Way::Landlock { abi })
}

#[cfg(not(target_os = "linux"))]
fn find(_method: SandboxMethod) -> Option<Way> {
    None
}
