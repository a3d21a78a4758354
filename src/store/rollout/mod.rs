//! Rollout files: the truth about a thread, one JSON object a line, appended and never rewritten.
//!
//! The format is the field's own (see docs/rollout.md for the lines that only Greenroom writes), so that other programs
//! read what we write and we read what they wrote. Decoding is tolerant: damage costs the damaged line and nothing else.

pub mod codec;
pub mod event;
pub mod item;
pub mod path;
pub mod reader;
pub mod skim;
pub mod source;
pub mod tool_event;
pub mod writer;

#[cfg(test)]
mod tests;

pub use codec::{Decoded, RolloutLine, decode_line, encode_line};
pub use event::*;
pub use item::*;
pub use reader::RolloutReader;
pub use skim::{Interest, Skimmed};
pub use tool_event::*;
