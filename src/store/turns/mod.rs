//! From a rollout to turns: what clients are shown, what the model is sent, and where in the file it stands.
//!
//! [`builder`] folds event lines into turns with items; [`conversation`] folds the model's items; [`outline`] keeps only
//! places and ids, for the index; [`landmarks`] remembers where a thread is to be taken up. [`history`] reads files
//! through them, [`item_lines`] a single item. `taken_back` knows which lines a rollback leaves, `structured_output` puts
//! into words what was recorded as JSON.

pub mod builder;
pub mod conversation;
pub mod history;
pub mod item_lines;
pub mod items;
pub mod landmarks;
pub mod legacy;
pub mod outline;
mod structured_output;
mod taken_back;

#[cfg(test)]
mod tests;

pub use builder::{Detail, TurnBuilder};
pub use conversation::Conversation;
pub use landmarks::{Landmarks, Span};
