//! Whom a session says it speaks for: a client behind XCLIENT or a PROXY header.

use std::net::IpAddr;

use super::step::StepId;
use crate::message::template::Template;
use crate::smtp::proxy::Version;
use crate::smtp::xclient::Attribute;

/// `[client] via` with what belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Via {
    /// How it is said.
    pub carrier: Carrier,
    /// `address`: the client's address.
    pub address: ClientAddress,
    /// `port`: the client's port; without it XCLIENT names none, and a PROXY header has the connection's own.
    pub port: Option<Template>,
    /// `hostname`, `helo`, `proto` and `login`, for XCLIENT only.
    pub attributes: Vec<(Attribute, Template)>,
    /// The step that XCLIENT is measured as.
    pub step: StepId,
}

/// How a server is told of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// By the command, behind EHLO.
    Xclient,
    /// By a header in front of everything else.
    Proxy(Version),
}

impl Carrier {
    /// All of them with their names in scenarios.
    pub const NAMES: &[(&str, Self)] = &[
        ("xclient", Self::Xclient),
        ("proxy", Self::Proxy(Version::V2)),
        ("proxy-v1", Self::Proxy(Version::V1)),
    ];
}

/// Where a session has its client's address from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAddress {
    /// There is none.
    Unknown,
    /// One of these, by the session's number; at least one.
    List(Vec<IpAddr>),
    /// Values and text that give one.
    Template(Template),
}

/// Whether `text` stands for an address that is not known: nothing, or `[UNAVAILABLE]`.
#[must_use]
pub fn is_unknown(text: &str) -> bool {
    text.is_empty() || text.eq_ignore_ascii_case(crate::smtp::xclient::UNAVAILABLE)
}
