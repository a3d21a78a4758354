//! The `apply_patch` tool: edits to files in a small language that models write well.
//!
//! Parts: the language ([`grammar`]), finding lines ([`seek`]), editing a text ([`edit`]), the decision whether to ask
//! ([`decision`]), the files ([`apply`]) and the call ([`tool`]). A patch is verified against the files before anybody
//! is asked, so that a user never approves what cannot be done.

pub mod apply;
pub mod decision;
pub mod edit;
pub mod grammar;
pub mod seek;
pub mod tool;

pub use tool::{ApplyPatch, PatchApprovals, PatchOutcome, run_patch};

#[cfg(test)]
mod tests;
