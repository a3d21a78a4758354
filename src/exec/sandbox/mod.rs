//! The sandbox: what holds a command to its policy.
//!
//! [`Confinement`] says what a policy comes to; [`Sandbox`] knows by which way this machine can enforce it and turns a
//! command into one that is confined: this program's own binary goes first ([`stage`]), puts the confinement on itself
//! and becomes the command. What cannot be confined is not run. docs/sandbox.md says what each way protects.

#[cfg(target_os = "linux")]
mod capabilities;
#[cfg(target_os = "linux")]
mod landlock;
mod launch;
pub mod policy;
mod rules;
#[cfg(target_os = "linux")]
mod seccomp;
#[cfg(target_os = "linux")]
mod stage;
mod way;

pub use launch::{Launch, LaunchError};
pub use policy::Confinement;
pub use rules::Rules;
#[cfg(target_os = "linux")]
pub use stage::stage;
pub use way::{Sandbox, Way};

/// Becomes a confined command if that is what this process was started for: never, on a system without a sandbox.
#[cfg(not(target_os = "linux"))]
pub fn stage() -> Option<std::process::ExitCode> {
    None
}
