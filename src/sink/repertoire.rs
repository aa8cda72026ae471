//! What the sink says: its own replies, and the fixed replies of a [`Behavior`] laid out for look-up by verb.

use std::num::NonZeroU32;

use crate::behavior::{Behavior, SIZE_LIMIT, SinkVerb};
use crate::smtp::Protocol;
use crate::smtp::capabilities::Limits;

// RFC 2034 section 4: an enhanced code opens every 2yz, 4yz and 5yz reply but the greeting and those to EHLO and HELO.
pub(super) const MAIL_OK: &[u8] = b"250 2.1.0 sender ok\r\n";
pub(super) const RCPT_OK: &[u8] = b"250 2.1.5 recipient ok\r\n";
pub(super) const SEND_DATA: &[u8] = b"354 send the mail data, end it with CRLF.CRLF\r\n";
pub(super) const CHUNK_OK: &[u8] = b"250 2.0.0 chunk ok\r\n";
pub(super) const MESSAGE_OK: &[u8] = b"250 2.0.0 message taken\r\n";
pub(super) const OK: &[u8] = b"250 2.0.0 ok\r\n";
pub(super) const VRFY_OK: &[u8] = b"252 2.5.0 cannot verify, but will take mail\r\n";
pub(super) const HELP_OK: &[u8] =
    b"214 2.0.0 EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT\r\n";
pub(super) const AUTH_OK: &[u8] = b"235 2.7.0 logged in\r\n";
pub(super) const BYE: &[u8] = b"221 2.0.0 bye\r\n";

pub(super) const IDLE: &[u8] = b"421 4.4.2 nothing said for too long, closing\r\n";
pub(super) const TOO_MANY_ERRORS: &[u8] = b"421 4.7.0 too many errors, closing\r\n";
pub(super) const TOO_MANY_RECIPIENTS: &[u8] = b"452 4.5.3 too many recipients\r\n";
pub(super) const TOO_MANY_DOMAINS: &[u8] = b"452 4.5.3 too many domains\r\n";
pub(super) const TOO_MANY_MESSAGES: &[u8] = b"452 4.5.3 too many messages in this session\r\n";
pub(super) const UNKNOWN: &[u8] = b"500 5.5.2 command not recognized\r\n";
pub(super) const BARE_LF: &[u8] = b"500 5.5.2 the line ends with LF, not CRLF\r\n";
pub(super) const LINE_TOO_LONG: &[u8] = b"500 5.5.2 line too long\r\n";
pub(super) const NAME_YOURSELF: &[u8] = b"501 a domain or an address literal is needed\r\n";
pub(super) const BAD_ARGUMENT: &[u8] = b"501 5.5.4 syntax error in arguments\r\n";
pub(super) const BAD_BASE64: &[u8] = b"501 5.5.2 no base64\r\n";
pub(super) const AUTH_CANCELLED: &[u8] = b"501 5.7.0 login cancelled\r\n";
pub(super) const NOT_FIRST: &[u8] = b"501 5.7.0 the server speaks first in this mechanism\r\n";
pub(super) const BAD_SENDER: &[u8] = b"501 5.1.7 syntax error in the reverse-path\r\n";
pub(super) const BAD_RECIPIENT: &[u8] = b"501 5.1.3 syntax error in the forward-path\r\n";
pub(super) const NOT_SERVING: &[u8] = b"503 5.5.1 no service here, say QUIT\r\n";
pub(super) const HELLO_FIRST: &[u8] = b"503 5.5.1 EHLO or HELO first\r\n";
pub(super) const NESTED_MAIL: &[u8] = b"503 5.5.1 a transaction is under way\r\n";
pub(super) const NESTED_AUTH: &[u8] = b"503 5.5.1 no AUTH in a transaction\r\n";
pub(super) const LOGGED_IN: &[u8] = b"503 5.5.1 logged in already\r\n";
pub(super) const NO_MAIL: &[u8] = b"503 5.5.1 MAIL first\r\n";
pub(super) const AFTER_BDAT: &[u8] = b"503 5.5.1 not after BDAT\r\n";
pub(super) const BINARY_BY_BDAT: &[u8] = b"503 5.6.1 binary mail comes by BDAT\r\n";
pub(super) const RESET_FIRST: &[u8] = b"503 5.5.1 the message failed, RSET first\r\n";
pub(super) const GO_AHEAD: &[u8] = b"220 2.0.0 go ahead with TLS\r\n";
pub(super) const NO_TLS: &[u8] = b"502 5.5.1 TLS is not offered, or spoken already\r\n";
pub(super) const NO_MECHANISM: &[u8] = b"504 5.5.4 mechanism not offered\r\n";
pub(super) const LOGIN_FIRST: &[u8] = b"530 5.7.0 AUTH first\r\n";
pub(super) const BAD_CREDENTIALS: &[u8] = b"535 5.7.8 credentials invalid\r\n";
pub(super) const TOO_LARGE: &[u8] = b"552 5.3.4 message over the size limit\r\n";
pub(super) const NOT_ASCII: &[u8] = b"553 5.6.7 a non-ASCII address without SMTPUTF8\r\n";
pub(super) const NO_RECIPIENTS: &[u8] = b"554 5.5.1 no valid recipients\r\n";
pub(super) const BAD_PARAMETER: &[u8] = b"555 5.5.4 parameter not recognized\r\n";

/// How long mail may be held: as long, and until as late, as FUTURERELEASE can say (RFC 4865 section 4). What is taken is
/// thrown away whenever that is.
const HOLD_MAX: &str = "999999999 9999-12-31T23:59:59Z";

/// What a sink says, made ready: looked up by verb, with nothing left to work out at a command.
#[derive(Clone, Debug)]
pub(super) struct Repertoire {
    protocol: Protocol,
    /// Replies of the behaviour by verb.
    replies: [Option<Box<[u8]>>; SinkVerb::COUNT],
    size_limit: u64,
    limits: Limits,
    pieces: Option<NonZeroU32>,
    hidden: Vec<String>,
    greeting: Box<[u8]>,
    ehlo: Box<[u8]>,
    /// The same, where STARTTLS is offered as well.
    ehlo_in_clear: Box<[u8]>,
    /// The same under TLS.
    ehlo_under_tls: Box<[u8]>,
    helo: Box<[u8]>,
}

impl Repertoire {
    /// Lays out `behavior` for a server that calls itself `hostname` and speaks `protocol`.
    pub(super) fn new(hostname: &str, behavior: &Behavior, protocol: Protocol) -> Self {
        let mut replies: [Option<Box<[u8]>>; SinkVerb::COUNT] = Default::default();
        for (verb, reply) in &behavior.replies {
            replies[*verb as usize].get_or_insert_with(|| reply.line().into());
        }
        let (name, size_limit) = (one_line(hostname), behavior.size_limit.unwrap_or(SIZE_LIMIT));
        let mut lines: Vec<String> = [
            "PIPELINING",
            "8BITMIME",
            &format!("SIZE {size_limit}"),
            "ENHANCEDSTATUSCODES",
            "SMTPUTF8",
            "DSN",
            "BINARYMIME",
            &format!("FUTURERELEASE {HOLD_MAX}"),
            "MT-PRIORITY",
        ]
        .map(str::to_owned)
        .into();
        lines.extend(limits_line(&behavior.limits));
        lines.push("CHUNKING".to_owned());
        let ehlo = |before: Option<(&str, &str)>| {
            let mut lines = lines.clone();
            if let Some((line, place)) = before {
                let at = lines.iter().position(|other| other == place).unwrap_or_default();
                lines.insert(at, line.to_owned());
            }
            lines.retain(|line| !hides(&behavior.hide, line));
            lines.extend(behavior.announce.iter().map(|line| one_line(line)));
            hello_reply(&name, &lines)
        };
        let spoken = match protocol {
            Protocol::Smtp => "ESMTP",
            Protocol::Lmtp => "LMTP",
        };
        Self {
            protocol,
            replies,
            size_limit,
            limits: behavior.limits,
            pieces: behavior.pieces,
            hidden: behavior.hide.clone(),
            greeting: format!("220 {name} {spoken} smtpbench sink\r\n").into_bytes().into(),
            ehlo: ehlo(None),
            ehlo_in_clear: ehlo(Some(("STARTTLS", "PIPELINING"))),
            ehlo_under_tls: ehlo(Some(("REQUIRETLS", "DSN"))),
            helo: format!("250 {name}\r\n").into_bytes().into(),
        }
    }

    /// Has the reply to EHLO offer `capability`, behind its first line, unless it is hidden.
    pub(super) fn offer(&mut self, capability: &str) {
        if self.hides(capability) {
            return;
        }
        for reply in [&mut self.ehlo, &mut self.ehlo_in_clear, &mut self.ehlo_under_tls] {
            let first = reply.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let (name, rest) = reply.split_at(first);
            let separator = if rest.is_empty() { ' ' } else { '-' };
            let mut name = name.to_vec();
            if let Some(separator) = name.get_mut(3) {
                *separator = b'-';
            }
            let line = format!("250{separator}{capability}\r\n");
            *reply = [&name, line.as_bytes(), rest].concat().into();
        }
    }

    /// Whether `capability` is not to be announced.
    pub(super) fn hides(&self, capability: &str) -> bool {
        hides(&self.hidden, capability)
    }

    /// In writes of how many bytes replies go out; at once where there is none.
    pub(super) fn pieces(&self) -> Option<NonZeroU32> {
        self.pieces
    }

    /// What it speaks.
    pub(super) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The reply to `verb` that stands in for the sink's own.
    pub(super) fn fixed_reply(&self, verb: SinkVerb) -> Option<&[u8]> {
        self.replies[verb as usize].as_deref()
    }

    /// The largest message in bytes.
    pub(super) fn size_limit(&self) -> u64 {
        self.size_limit
    }

    /// What it announces by LIMITS.
    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The own reply to EHLO under TLS.
    pub(super) fn ehlo_under_tls(&self) -> &[u8] {
        &self.ehlo_under_tls
    }

    /// The own reply to a connection, EHLO or HELO, which name the host.
    pub(super) fn hello(&self, verb: SinkVerb, offers_tls: bool) -> &[u8] {
        match verb {
            SinkVerb::Greeting => &self.greeting,
            SinkVerb::Ehlo if offers_tls => &self.ehlo_in_clear,
            SinkVerb::Ehlo => &self.ehlo,
            _ => &self.helo,
        }
    }
}

/// The line of LIMITS (RFC 9422 section 3), where there are any.
fn limits_line(limits: &Limits) -> Option<String> {
    let named = [
        ("MAILMAX", limits.mail_max),
        ("RCPTMAX", limits.rcpt_max),
        ("RCPTDOMAINMAX", limits.rcpt_domain_max),
    ];
    let words: String =
        named.into_iter().filter_map(|(name, limit)| Some(format!(" {name}={}", limit?))).collect();
    (!words.is_empty()).then(|| format!("LIMITS{words}"))
}

/// Whether one of `hidden` is the keyword of `line`.
fn hides(hidden: &[String], line: &str) -> bool {
    let keyword = line.split(' ').next().unwrap_or_default();
    hidden.iter().any(|name| name.eq_ignore_ascii_case(keyword))
}

/// A reply to EHLO with these lines behind the name.
fn hello_reply(name: &str, lines: &[String]) -> Box<[u8]> {
    let all: Vec<&str> = std::iter::once(name).chain(lines.iter().map(String::as_str)).collect();
    let last = all.len() - 1;
    let line = |(index, line): (usize, &&str)| {
        format!("250{}{line}\r\n", if index == last { ' ' } else { '-' })
    };
    all.iter().enumerate().map(line).collect::<String>().into_bytes().into()
}

/// The text without control characters: a reply is one line, whoever made the rule.
fn one_line(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { '?' } else { char }).collect()
}
