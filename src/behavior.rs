//! What the sink does, as data: the sink looks it up and decides nothing by itself.

use std::time::Duration;

/// A command as the sink sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SinkVerb {
    /// The connection itself: what a greeting answers.
    Greeting,
    Ehlo,
    Helo,
    Mail,
    Rcpt,
    Data,
    Bdat,
    /// End of data, by DATA or BDAT LAST.
    Eod,
    Rset,
    Noop,
    Vrfy,
    Help,
    Quit,
    /// A command it does not know.
    Unknown,
}

impl SinkVerb {
    /// All of them with their names in scenarios and flags.
    pub const NAMES: &[(&str, Self)] = &[
        ("greeting", Self::Greeting),
        ("ehlo", Self::Ehlo),
        ("helo", Self::Helo),
        ("mail", Self::Mail),
        ("rcpt", Self::Rcpt),
        ("data", Self::Data),
        ("bdat", Self::Bdat),
        ("eod", Self::Eod),
        ("rset", Self::Rset),
        ("noop", Self::Noop),
        ("vrfy", Self::Vrfy),
        ("help", Self::Help),
        ("quit", Self::Quit),
        ("unknown", Self::Unknown),
    ];

    /// The verb of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known))
            .map(|(_, verb)| *verb)
    }
}

/// What the sink does where it differs from a server that takes everything at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Behavior {
    /// In order; every rule that fits a verb applies, for replies the first one.
    pub rules: Vec<Rule>,
    /// Largest message in bytes, as announced by SIZE; the default of [`SIZE_LIMIT`] where there is none.
    pub size_limit: Option<u64>,
}

/// SIZE as the sink announces it unless told otherwise.
pub const SIZE_LIMIT: u64 = 1 << 30;

/// One thing the sink does at a verb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// When.
    pub verb: SinkVerb,
    /// What.
    pub action: Action,
}

/// What the sink does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Waits before its reply.
    Delay(Duration),
    /// Answers with this code and text instead of its own; anything but 2yz and 3yz refuses.
    Reply {
        /// 200 to 599.
        code: u16,
        /// Text after the code, one line without CR and LF.
        text: String,
    },
}
