//! The network as commands in the sandbox reach it: through a proxy that looks at each host first.
//!
//! A command that is to be filtered has a network of its own, in which nothing is but one open port. The connections to
//! that port are accepted here, outside: they are the command's own, so nobody has to guess who asks. The proxy speaks
//! HTTP (whole requests and `CONNECT`) and SOCKS5; [`NetworkPolicy`] says which hosts may be reached, a [`Keeper`] what
//! becomes of a host that is on no list. Addresses of this machine and of private networks are refused unless they were
//! named, whatever a name resolves to; what was looked at is what is connected to. Knows neither threads nor clients.

mod admission;
pub mod domains;
mod door;
mod environment;
mod host;
mod http;
mod keeper;
mod policy;
mod reach;
mod refusal;
mod settings;
mod socks;
#[cfg(test)]
mod tests;
mod tunnel;
mod upstream;

pub use door::{PORT, keep};
pub use environment::variables;
pub use host::Host;
pub use keeper::{Fixed, Keeper, Request};
pub use policy::{Listing, Mode, NetworkPolicy};
pub use refusal::{Reason, Refusal, Source};
pub use settings::{Listed, NetworkSettings};
