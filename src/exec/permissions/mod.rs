//! Rights beyond the sandbox policy: what a model asks for, what a user grants, and what that comes to on disk.
//!
//! [`Grants`] are the network and entries of the file system (a path or a special place, and what may be done there).
//! They only widen what the policy allows, but for entries that say `none`. A [`PlacedProfile`] is a profile of
//! the configuration where it is used.

mod grants;
pub mod places;
mod profile;
mod requested;

#[cfg(test)]
mod tests;

pub use grants::{Grants, ToldPermissions};
pub use profile::PlacedProfile;
pub use requested::{AdditionalPermissionProfile, RequestPermissionProfile};
