//! Hooks: commands that the user has set up to run at fixed points of a thread's life.
//!
//! One that runs before something may forbid it; one that runs after may comment on it. They are found in the layers of
//! the configuration ([`discovery`]), count once the user has trusted them, get JSON to read, and answer by exit code
//! and JSON ([`verdict`]). Whom their answers concern is the engine's business.

pub mod discovery;
mod matcher;
mod present;
mod run;
pub mod verdict;

pub use discovery::{Hook, HookSet};
pub use present::PresentHooks;
pub use run::{label, run};
pub use verdict::{Effects, Verdict};

#[cfg(test)]
mod tests;
