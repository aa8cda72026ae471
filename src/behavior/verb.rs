//! The commands of a client as the sink sees them.

/// A command, or another moment at which the sink says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SinkVerb {
    /// The connection itself: what a greeting answers.
    Greeting,
    Ehlo,
    Helo,
    /// The end of a login (RFC 4954); a delay is before each of its rounds.
    Auth,
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
    Starttls,
    /// Another client from here on; known only where it is offered.
    Xclient,
    /// A command it does not know.
    Unknown,
}

impl SinkVerb {
    /// All of them with their names in scenarios and flags.
    pub const NAMES: &[(&str, Self)] = &[
        ("greeting", Self::Greeting),
        ("ehlo", Self::Ehlo),
        ("helo", Self::Helo),
        ("auth", Self::Auth),
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
        ("starttls", Self::Starttls),
        ("xclient", Self::Xclient),
        ("unknown", Self::Unknown),
    ];

    /// How many there are.
    pub const COUNT: usize = Self::NAMES.len();

    /// The verb of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known))
            .map(|(_, verb)| *verb)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_one_name() {
        for (index, (name, verb)) in SinkVerb::NAMES.iter().enumerate() {
            assert_eq!(SinkVerb::from_name(&name.to_uppercase()), Some(*verb));
            assert_eq!(verb.name(), *name);
            // The sink keeps what it does in arrays by verb.
            assert_eq!(*verb as usize, index);
        }
    }
}
