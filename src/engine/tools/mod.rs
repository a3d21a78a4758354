//! The tools offered to the model.
