//! The context a model sees: what is put before the first user message, what is added when settings change, and how
//! the user's input becomes content parts.
//!
//! Everything is recorded once, with the first turn; a later turn adds only what has changed. All texts that tell the
//! model something are Greenroom's own; the tags around them are the ones that clients and stored threads know.

pub mod environment;
pub mod goal;
pub mod image;
pub mod input;
pub mod instructions;
pub mod markers;
pub mod message;
pub mod mode;
pub mod permissions;
pub mod personality;
pub mod project_docs;
mod situation;
pub mod skills;
pub mod summary;

pub use input::{InputTooLarge, UserMessage, check_size};
pub use instructions::base_instructions;
pub use project_docs::{ProjectDocs, ProjectDocsQuery};
pub use situation::Situation;
