//! SMTP as data and state (RFC 5321): no socket, no clock, no async. Bytes and `now` go in; bytes, events and a
//! deadline come out.

pub mod reply;
