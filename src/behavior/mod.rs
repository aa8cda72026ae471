//! What the sink does, as data: the sink looks it up and decides nothing by itself.

mod address;
mod delay;
mod effects;
mod numbers;
mod rate;
mod reply;
mod rule;
mod verb;
mod window;
mod word;

pub use address::{AddressPattern, Network};
pub use delay::Delay;
pub use effects::{Effects, End, Fate, NONSENSE_MAX, Nonsense};
pub use numbers::Numbers;
pub use rate::Rate;
pub use reply::{REPLY_TEXT_MAX, Reply};
pub use rule::{Limit, RULES_MAX, Rule, Scope, When};
pub use verb::SinkVerb;
pub use window::Window;
pub use word::{may_have_word, word};

use std::net::SocketAddr;
use std::num::NonZeroU32;

use crate::smtp::capabilities::Limits;
use crate::units::UnitError;

/// SIZE as the sink announces it unless told otherwise.
pub const SIZE_LIMIT: u64 = 1 << 30;

/// What the sink does where it differs from a server that takes everything at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Behavior {
    /// Fixes every random choice; where there is none, whoever starts the sink says so.
    pub seed: Option<u64>,
    /// Waits before the replies to a verb, whatever the reply; all that there are for it.
    pub delays: Vec<(SinkVerb, Delay)>,
    /// Replies to a verb instead of its own, where no rule says another; the first that there is for it.
    pub replies: Vec<(SinkVerb, Reply)>,
    /// While one of these holds, nothing is answered: what is due waits for its end.
    pub freezes: Vec<Window>,
    /// In order: the first whose conditions hold says what is done at a command.
    pub rules: Vec<Rule>,
    /// Words in the local part of a recipient are just that; without it they ask for something ([`word`]).
    pub no_words: bool,
    /// Replies go out in writes of so many bytes.
    pub pieces: Option<NonZeroU32>,
    /// Capabilities that EHLO does not announce, though they are there.
    pub hide: Vec<String>,
    /// Lines that EHLO announces, though nothing is behind them.
    pub announce: Vec<String>,
    /// Where bounces go: a server on loopback.
    pub bounces_to: Option<SocketAddr>,
    /// Largest message in bytes, as announced by SIZE; the default of [`SIZE_LIMIT`] where there is none.
    pub size_limit: Option<u64>,
    /// What it announces by LIMITS and holds to (RFC 9422).
    pub limits: Limits,
    /// What is wrong with the certificate that it makes.
    pub certificate: Option<CertificateFault>,
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateFault {
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// It is for another host.
    WrongName,
    /// Nobody who is trusted signed it.
    Untrusted,
}

impl CertificateFault {
    /// All of them with their names in scenarios.
    pub const NAMES: &[(&str, Self)] = &[
        ("expired", Self::Expired),
        ("not-yet-valid", Self::NotYetValid),
        ("wrong-name", Self::WrongName),
        ("untrusted", Self::Untrusted),
    ];
}

impl Behavior {
    /// This behaviour over another: what both say holds as it is here, and rules of here are looked at first.
    #[must_use]
    pub fn over(mut self, base: Self) -> Self {
        let Self { seed, delays, replies, freezes, rules, no_words, pieces, .. } = base;
        // Delays of one verb add up, so those of the base give way.
        let own: Vec<SinkVerb> = self.delays.iter().map(|(verb, _)| *verb).collect();
        self.delays.extend(delays.into_iter().filter(|(verb, _)| !own.contains(verb)));
        self.replies.extend(replies);
        self.freezes.extend(freezes);
        self.rules.extend(rules);
        self.hide.extend(base.hide);
        self.announce.extend(base.announce);
        Self {
            seed: self.seed.or(seed),
            no_words: self.no_words || no_words,
            pieces: self.pieces.or(pieces),
            bounces_to: self.bounces_to.or(base.bounces_to),
            size_limit: self.size_limit.or(base.size_limit),
            limits: Limits {
                mail_max: self.limits.mail_max.or(base.limits.mail_max),
                rcpt_max: self.limits.rcpt_max.or(base.limits.rcpt_max),
                rcpt_domain_max: self.limits.rcpt_domain_max.or(base.limits.rcpt_domain_max),
            },
            certificate: self.certificate.or(base.certificate),
            ..self
        }
    }

    /// Whether messages may come back to their senders.
    #[must_use]
    pub fn bounces(&self) -> bool {
        self.rules.iter().any(|rule| rule.effects.fate.bounce.is_some())
    }

    /// Reads where bounces go, an address of loopback: `127.0.0.1:2526`.
    ///
    /// # Errors
    /// When it is no address and port, or outside this machine.
    pub fn parse_bounces_to(text: &str) -> Result<SocketAddr, UnitError> {
        let fault = |what: &str| UnitError {
            message: format!("`{}` is {what}", text.escape_debug()),
            hint: "write an address and port of this machine: 127.0.0.1:2526".into(),
        };
        let address: SocketAddr =
            text.trim().parse().map_err(|_| fault("no address with a port"))?;
        if !address.ip().is_loopback() {
            return Err(fault("not on loopback"));
        }
        Ok(address)
    }

    /// Whether it may read slowly.
    #[must_use]
    pub fn reads_slowly(&self) -> bool {
        self.rules.iter().any(|rule| rule.effects.read_rate.is_some())
    }

    /// Reads a delay as flags give it, `rcpt=50ms`: the sink waits before each reply to that verb.
    ///
    /// # Errors
    /// When there is no `=`, the verb is unknown, or the delay cannot be read.
    pub fn parse_delay(text: &str) -> Result<(SinkVerb, Delay), UnitError> {
        let (verb, delay) = split_verb(text, "write a verb and a delay: rcpt=50ms")?;
        Ok((verb, Delay::parse(delay)?))
    }

    /// Reads a fixed reply as flags give it, `rcpt=450 4.2.0 try later`.
    ///
    /// # Errors
    /// When there is no `=`, the verb is unknown, or the reply cannot be read.
    pub fn parse_reply(text: &str) -> Result<(SinkVerb, Reply), UnitError> {
        let hint = "write a verb, a code and a text: rcpt=450 4.2.0 try later";
        let (verb, reply) = split_verb(text, hint)?;
        Ok((verb, Reply::parse(reply)?))
    }
}

/// Splits `verb=what`.
fn split_verb<'a>(text: &'a str, hint: &str) -> Result<(SinkVerb, &'a str), UnitError> {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_behaviour_over_another() {
        let delay = |text| Behavior::parse_delay(text).unwrap();
        let rule = |at| Rule::replying(at, 450, "later");
        let own = Behavior {
            delays: vec![delay("rcpt=1ms")],
            rules: vec![rule(SinkVerb::Rcpt)],
            size_limit: Some(7),
            ..Behavior::default()
        };
        let base = Behavior {
            seed: Some(3),
            delays: vec![delay("rcpt=9ms"), delay("mail=9ms")],
            rules: vec![rule(SinkVerb::Mail)],
            size_limit: Some(9),
            hide: vec!["DSN".into()],
            ..Behavior::default()
        };
        let both = Behavior {
            seed: Some(3),
            delays: vec![delay("rcpt=1ms"), delay("mail=9ms")],
            rules: vec![rule(SinkVerb::Rcpt), rule(SinkVerb::Mail)],
            size_limit: Some(7),
            hide: vec!["DSN".into()],
            ..Behavior::default()
        };
        assert_eq!(own.over(base), both);
    }

    #[test]
    fn delays_are_a_verb_and_a_law() {
        let rule = (SinkVerb::Rcpt, Delay::Fixed(Duration::from_millis(50)));
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
        let rule = |verb, code, text: &str| Ok((verb, Reply { code, text: text.to_owned() }));
        let later = "rcpt=450 4.2.0 try later";
        assert_eq!(Behavior::parse_reply(later), rule(SinkVerb::Rcpt, 450, "4.2.0 try later"));
        assert_eq!(Behavior::parse_reply("noop=599 a=b"), rule(SinkVerb::Noop, 599, "a=b"));
        for (bad, message) in [
            ("rcpt 450", "`rcpt 450` has no `=`"),
            ("rcpt=", "`` is no reply code from 200 to 599"),
            ("dat=450", "`dat` is no verb of the sink"),
        ] {
            assert_eq!(Behavior::parse_reply(bad).unwrap_err().message, message, "{bad:?}");
        }
    }
}
