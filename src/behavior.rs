//! What the sink does, as data: the sink looks it up and decides nothing by itself.

use std::time::Duration;

use crate::smtp::capabilities::Limits;
use crate::smtp::reply::ReplyCode;
use crate::units::{UnitError, parse_duration};

/// The longest text of a fixed reply: RFC 5321 section 4.5.3.1.5 gives a reply line 512 bytes with code and CRLF.
pub const REPLY_TEXT_MAX: usize = 506;

/// A command as the sink sees it.
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
    /// What it announces by LIMITS and holds to (RFC 9422).
    pub limits: Limits,
}

impl Behavior {
    /// Reads a delay as flags give it, `rcpt=50ms`: the sink waits before each reply to that verb.
    ///
    /// # Errors
    /// When there is no `=`, the verb is unknown, or the duration cannot be read.
    pub fn parse_delay(text: &str) -> Result<Rule, UnitError> {
        let (verb, duration) = split_rule(text, "write a verb and a duration: rcpt=50ms")?;
        Ok(Rule { verb, action: Action::Delay(parse_duration(duration)?) })
    }

    /// Reads a fixed reply as flags give it, `rcpt=450 4.2.0 try later`.
    ///
    /// # Errors
    /// When there is no `=`, the verb is unknown, the code is not one of 200 to 599, or the text is more than one
    /// printable line of [`REPLY_TEXT_MAX`] bytes.
    pub fn parse_reply(text: &str) -> Result<Rule, UnitError> {
        let hint = "write a verb, a code and a text: rcpt=450 4.2.0 try later";
        let (verb, reply) = split_rule(text, hint)?;
        let (code, text) = reply.split_once(' ').unwrap_or((reply, ""));
        let fault = |message| Err(UnitError { message, hint: hint.into() });
        let digits = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
        let Some(code) =
            code.parse().ok().filter(|_| digits).and_then(ReplyCode::new).map(ReplyCode::number)
        else {
            return fault(format!("`{}` is no reply code from 200 to 599", code.escape_debug()));
        };
        if text.chars().any(char::is_control) {
            return fault("a reply text with control characters".into());
        }
        if text.len() > REPLY_TEXT_MAX {
            return fault(format!("a reply text of over {REPLY_TEXT_MAX} bytes"));
        }
        Ok(Rule { verb, action: Action::Reply { code, text: text.to_owned() } })
    }
}

/// Splits `verb=what`.
fn split_rule<'a>(text: &'a str, hint: &str) -> Result<(SinkVerb, &'a str), UnitError> {
    let Some((name, what)) = text.split_once('=') else {
        let message = format!("`{}` has no `=`", text.escape_debug());
        return Err(UnitError { message, hint: hint.into() });
    };
    let Some(verb) = SinkVerb::from_name(name.trim()) else {
        let message = format!("`{}` is no verb of the sink", name.trim().escape_debug());
        let known: Vec<&str> = SinkVerb::NAMES.iter().map(|(name, _)| *name).collect();
        return Err(UnitError { message, hint: format!("write one of {}", known.join(", ")) });
    };
    Ok((verb, what.trim()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_a_verb_and_a_duration() {
        let rule = Rule { verb: SinkVerb::Rcpt, action: Action::Delay(Duration::from_millis(50)) };
        assert_eq!(Behavior::parse_delay("rcpt=50ms"), Ok(rule.clone()));
        assert_eq!(Behavior::parse_delay(" RCPT = 50ms "), Ok(rule));
        for (bad, message) in [
            ("rcpt", "`rcpt` has no `=`"),
            ("rcpt=", "`` is not a duration"),
            ("rcpt=50", "duration `50` has no unit"),
            ("rpct=50ms", "`rpct` is no verb of the sink"),
            ("=50ms", "`` is no verb of the sink"),
            ("rcpt=-1s", "`-1s` is not a duration"),
        ] {
            assert_eq!(Behavior::parse_delay(bad).unwrap_err().message, message, "{bad:?}");
        }
    }

    #[test]
    fn replies_are_a_verb_a_code_and_a_text() {
        let rule = |verb, code, text: &str| {
            Ok(Rule { verb, action: Action::Reply { code, text: text.to_owned() } })
        };
        let later = "rcpt=450 4.2.0 try later";
        assert_eq!(Behavior::parse_reply(later), rule(SinkVerb::Rcpt, 450, "4.2.0 try later"));
        assert_eq!(Behavior::parse_reply("eod=250"), rule(SinkVerb::Eod, 250, ""));
        assert_eq!(Behavior::parse_reply("noop=599 a=b"), rule(SinkVerb::Noop, 599, "a=b"));
        for (bad, message) in [
            ("rcpt 450", "`rcpt 450` has no `=`"),
            ("rcpt=", "`` is no reply code from 200 to 599"),
            ("rcpt=199 x", "`199` is no reply code from 200 to 599"),
            ("rcpt=600 x", "`600` is no reply code from 200 to 599"),
            ("rcpt=+45 x", "`+45` is no reply code from 200 to 599"),
            ("rcpt=later", "`later` is no reply code from 200 to 599"),
            ("rcpt=450-x", "`450-x` is no reply code from 200 to 599"),
            ("rcpt=450 a\r\nb", "a reply text with control characters"),
            ("dat=450", "`dat` is no verb of the sink"),
        ] {
            assert_eq!(Behavior::parse_reply(bad).unwrap_err().message, message, "{bad:?}");
        }
    }

    #[test]
    fn a_reply_line_has_at_most_512_bytes() {
        let reply = |length| Behavior::parse_reply(&format!("rcpt=450 {}", "x".repeat(length)));
        assert!(reply(REPLY_TEXT_MAX).is_ok());
        assert!(reply(REPLY_TEXT_MAX + 1).is_err());
    }

    #[test]
    fn every_verb_has_one_name() {
        for (index, (name, verb)) in SinkVerb::NAMES.iter().enumerate() {
            assert_eq!(SinkVerb::from_name(&name.to_uppercase()), Some(*verb));
            // The sink keeps what it does in arrays by verb.
            assert_eq!(*verb as usize, index);
        }
    }
}
