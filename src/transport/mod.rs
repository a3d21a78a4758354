//! Transports that are not HTTP: stdio, and the listen addresses of all of them.

pub mod listen;
