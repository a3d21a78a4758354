//! From a rollout to turns: what clients are shown, what the model is sent, and where in the file it stands.
//!
//! [`builder`] folds event lines into turns with items; [`conversation`] folds the model's items; [`outline`] keeps only
//! places and ids, for the index; [`history`] reads a whole file through all of them.

pub mod builder;
pub mod conversation;
pub mod history;
pub mod items;
pub mod legacy;
pub mod outline;

#[cfg(test)]
mod tests;

pub use builder::{Detail, TurnBuilder};
pub use conversation::Conversation;
pub use history::{LoadedRollout, load};
