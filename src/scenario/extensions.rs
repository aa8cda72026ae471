//! `[extensions]`: service extensions that are used where the server offers them.

use crate::message::template::{Part, Template};
use crate::message::trace::TraceRow;
use crate::message::{AddressSource, Addresses, Content, Mail};
use crate::scenario::Table;
use crate::scenario::script::{Op, Script, Verb};

/// Which parameters MAIL and RCPT get, beside those that the script writes itself, and whether LIMITS is obeyed.
#[derive(Clone, Debug, PartialEq)]
pub struct Extensions {
    /// SIZE with the bytes of the message (RFC 1870).
    pub size: bool,
    /// BODY=8BITMIME (RFC 6152).
    pub eight_bit_mime: EightBitMime,
    /// BODY=BINARYMIME (RFC 3030 section 3): files go out byte for byte.
    pub binary_mime: bool,
    /// SMTPUTF8 (RFC 6531) for messages that need it; where it is not offered they are not sent.
    pub smtputf8: bool,
    /// Delivery status notifications (RFC 3461).
    pub dsn: Option<Dsn>,
    /// REQUIRETLS (RFC 8689); where it is not offered nothing is sent.
    pub requiretls: bool,
    /// LIMITS (RFC 9422) is obeyed.
    pub limits: bool,
    /// The message is held before it is sent on (RFC 4865).
    pub hold: Option<Hold>,
    /// The message's priority, -9 to 9 (RFC 6710).
    pub mt_priority: Option<i8>,
    /// An envelope or a message may hold bytes above 127.
    pub beyond_ascii: bool,
}

impl Default for Extensions {
    fn default() -> Self {
        Self {
            size: false,
            eight_bit_mime: EightBitMime::WhereNeeded,
            binary_mime: false,
            smtputf8: false,
            dsn: None,
            requiretls: false,
            limits: true,
            hold: None,
            mt_priority: None,
            beyond_ascii: false,
        }
    }
}

impl Extensions {
    /// Whether MAIL may get a parameter.
    #[must_use]
    pub fn adds_to_mail(&self) -> bool {
        let eight_bit = match self.eight_bit_mime {
            EightBitMime::Never => false,
            EightBitMime::WhereNeeded => self.beyond_ascii,
            EightBitMime::Always => true,
        };
        eight_bit
            || self.size
            || self.binary_mime
            || self.smtputf8
            || self.dsn.is_some()
            || self.requiretls
            || self.hold.is_some()
            || self.mt_priority.is_some()
    }

    /// Whether a parameter of MAIL says something of the message itself.
    #[must_use]
    pub fn depends_on_message(&self) -> bool {
        let looked_at = self.eight_bit_mime == EightBitMime::WhereNeeded && self.beyond_ascii;
        self.size || looked_at
    }

    /// Whether RCPT may get a parameter.
    #[must_use]
    pub fn adds_to_rcpt(&self) -> bool {
        self.dsn.as_ref().is_some_and(|dsn| dsn.orcpt || dsn.notify.is_some())
    }

    /// Whether a message may have to stay unsent for want of an extension.
    #[must_use]
    pub fn is_strict(&self) -> bool {
        self.requiretls || (self.smtputf8 && self.beyond_ascii)
    }
}

/// When BODY=8BITMIME is said, where the server offers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EightBitMime {
    /// Not by us.
    Never,
    /// For messages with bytes above 127.
    WhereNeeded,
    /// For every message.
    Always,
}

/// What is asked for by DSN (RFC 3461).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dsn {
    /// NOTIFY on RCPT, as it goes out: `SUCCESS,FAILURE`.
    pub notify: Option<String>,
    /// RET on MAIL, as it goes out: `FULL` or `HDRS`.
    pub ret: Option<&'static str>,
    /// ENVID on MAIL, before its encoding.
    pub envid: Option<Template>,
    /// ORCPT on RCPT: the forward-path.
    pub orcpt: bool,
}

/// How long a message is held (RFC 4865 section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// So many seconds.
    For(u64),
    /// Until then: RFC 3339 in UTC.
    Until(String),
}

/// Whether what is sent may hold bytes above 127. Says yes also where a table that is not used does.
pub(super) fn beyond_ascii(mail: &Mail, tables: &[Table], scripts: &[Script]) -> bool {
    let cells = tables.iter().flat_map(|table| &table.rows).flatten();
    let lines = scripts.iter().flat_map(|script| &script.ops).filter_map(|op| match op {
        Op::Command(command) if matches!(command.verb, Verb::Mail | Verb::Rcpt) => {
            Some(&command.line)
        }
        _ => None,
    });
    let traced = mail.trace.iter().flat_map(|trace| &trace.rows).flat_map(TraceRow::addresses);
    let content = |content: &Content| match content {
        Content::Generated { headers, .. } => headers.iter().any(|(_, value)| !is_ascii(value)),
        Content::Files { files, .. } => files.iter().any(|file| file.eight_bit),
    };
    has_others(&mail.senders)
        || has_others(&mail.recipients)
        || mail.kinds.iter().any(|kind| content(&kind.content))
        || traced.into_iter().any(|address| !address.is_ascii())
        || cells.into_iter().any(|cell| !cell.is_ascii())
        || lines.into_iter().any(|line| !is_ascii(line))
}

/// Whether an address of `addresses` is not ASCII.
pub(super) fn has_others(addresses: &Addresses) -> bool {
    let list = match &addresses.source {
        AddressSource::Pattern(pattern) => !is_ascii(pattern),
        AddressSource::List(list) => list.iter().any(|address| !address.is_ascii()),
    };
    list || addresses.domains.iter().any(|(domain, _)| !domain.is_ascii())
}

fn is_ascii(template: &Template) -> bool {
    template.parts().iter().all(|part| match part {
        Part::Text(text) => text.is_ascii(),
        Part::Value(_) => true,
    })
}
