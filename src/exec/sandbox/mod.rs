//! The sandbox: what holds a command to its policy.
//!
//! [`Confinement`] says what a policy comes to; [`Sandbox`] knows by which way this machine can enforce it and turns a
//! command into one that is confined: this program's own binary goes first ([`stage`]), puts the confinement on itself
//! and becomes the command, or looks after it from outside of its mounts. What cannot be confined is not run.
//! docs/sandbox.md says what each way protects.

#[cfg(target_os = "linux")]
mod bubblewrap;
#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod capabilities;
#[cfg(target_os = "linux")]
mod door;
#[cfg(target_os = "linux")]
mod fresh_root;
#[cfg(target_os = "linux")]
mod landlock;
mod launch;
mod links;
#[cfg(target_os = "linux")]
mod mounts;
#[cfg(target_os = "linux")]
mod order;
mod patterns;
#[cfg(target_os = "linux")]
mod placeholders;
#[cfg(target_os = "linux")]
mod plan;
pub mod policy;
#[cfg(target_os = "linux")]
mod probe;
mod rules;
#[cfg(target_os = "linux")]
mod seccomp;
#[cfg(target_os = "linux")]
mod stage;
#[cfg(target_os = "linux")]
mod supervise;
mod way;

pub use launch::{Launch, LaunchError};
pub use patterns::ScanError;
pub use policy::Confinement;
pub use rules::Rules;
#[cfg(target_os = "linux")]
pub use stage::stage;
pub use way::{Sandbox, Trial, Way};

/// The version of Landlock that this kernel has; none when there is no Landlock here.
pub fn landlock_version() -> Option<u32> {
    #[cfg(target_os = "linux")]
    return landlock::version();
    #[cfg(not(target_os = "linux"))]
    None
}

/// Becomes a confined command if that is what this process was started for: never, on a system without a sandbox.
#[cfg(not(target_os = "linux"))]
pub fn stage() -> Option<std::process::ExitCode> {
    None
}
