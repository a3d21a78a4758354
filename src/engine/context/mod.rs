//! The context a model sees: what is put before the first user message, what is added when settings change, and how
//! the user's input becomes content parts.

pub mod mode;
