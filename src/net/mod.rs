//! Sockets, names and limits of the operating system: where tokio comes in.

pub mod connect;
pub mod limits;
pub mod resolve;
