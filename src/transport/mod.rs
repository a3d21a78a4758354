//! Transports that are not HTTP: stdio, the control socket's place, its bridge, and the listen addresses of all of them.

pub mod listen;
pub mod proxy;
pub mod unix;
