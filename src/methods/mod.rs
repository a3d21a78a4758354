//! The handlers, one async function for each method, in the file of its family.

pub mod model;
