//! SMTP as data and state (RFC 5321): no socket, no clock, no async. Bytes and `now` go in; bytes, events and a
//! deadline come out.

pub mod capabilities;
pub mod command;
pub mod parameters;
pub mod parser;
pub mod proxy;
pub mod reply;
pub mod sasl;
pub mod session;
pub mod text;
pub mod transparency;
pub mod xclient;

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 5321.
    #[default]
    Smtp,
    /// RFC 2033: LHLO for a greeting, and a reply to the mail data for every recipient that was accepted.
    Lmtp,
}

impl Protocol {
    /// Its name, as in URLs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Lmtp => "lmtp",
        }
    }
}
