//! SMTP as data and state (RFC 5321): no socket, no clock, no async. Bytes and `now` go in; bytes, events and a
//! deadline come out.

pub mod capabilities;
pub mod command;
pub mod parser;
pub mod reply;
pub mod session;
pub mod text;
pub mod transparency;
