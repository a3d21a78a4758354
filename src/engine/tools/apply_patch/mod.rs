//! The `apply_patch` tool: edits to files in a small language that models write well.
//!
//! Parts: the language ([`grammar`]), finding lines ([`seek`]), editing a text ([`edit`]), the decision whether to ask
//! ([`decision`]), and the files ([`apply`]). A patch is verified against the files before anybody is asked, so that a
//! user never approves what cannot be done.

pub mod apply;
pub mod decision;
pub mod edit;
pub mod grammar;
pub mod seek;

#[cfg(test)]
mod tests;
