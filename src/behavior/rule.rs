//! A rule: when the sink does something else, and what.

use std::time::Duration;

use super::address::{AddressPattern, Network};
use super::delay::Delay;
use super::effects::Effects;
use super::numbers::Numbers;
use super::rate::Rate;
use super::reply::Reply;
use super::verb::SinkVerb;
use super::window::Window;
use crate::units::UnitError;

/// Most rules of a behaviour: each is looked at for every command of its kind.
pub const RULES_MAX: usize = 1000;

/// What the sink does otherwise, where everything in `when` holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// At which command.
    pub at: SinkVerb,
    /// For which of them.
    pub when: When,
    /// What.
    pub effects: Effects,
}

/// The conditions of a rule. All have to hold; they are looked at in this order, and one that counts does so only where
/// those before it hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct When {
    /// The recipient of a RCPT; at later commands one of the message's.
    pub recipient: Option<AddressPattern>,
    /// The sender.
    pub sender: Option<AddressPattern>,
    /// The client's address.
    pub client: Option<Network>,
    /// The number of the session among all of the sink.
    pub session: Option<Numbers>,
    /// The number of the message among all of the sink.
    pub message: Option<Numbers>,
    /// The number of the message in its session.
    pub nth: Option<Numbers>,
    /// When, since the first connection.
    pub window: Option<Window>,
    /// A share of the cases, from 0 to 1.
    pub share: Option<f64>,
    /// Only what comes beyond this rate.
    pub above: Option<Limit>,
    /// Only as often as this.
    pub at_most: Option<Limit>,
    /// Only so long after the first time that the others held.
    pub within: Option<Duration>,
    /// Only so many times.
    pub count: Option<u64>,
    /// What `above`, `at_most`, `within` and `count` keep apart.
    pub per: Scope,
}

/// A rate with the room for bursts of a token bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// How many in a time.
    pub rate: Rate,
    /// How many at once after a rest; at least 1.
    pub burst: u64,
}

impl Limit {
    /// The bucket of a rate for which nobody said how large it is: a tenth of a second's worth.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self { rate, burst: rate.within(Duration::from_millis(100)) }
    }
}

/// What a rule that counts keeps apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Nothing: the whole sink counts together.
    #[default]
    Sink,
    /// Each session.
    Session,
    /// Each client's address.
    Client,
    /// Each sender.
    Sender,
    /// Each recipient.
    Recipient,
    /// Each recipient's domain.
    Domain,
    /// Each client with sender and recipient, as greylisting has it (RFC 6647 section 2.2).
    Triple,
}

impl Scope {
    /// All of them with their names in scenarios.
    pub const NAMES: &[(&str, Self)] = &[
        ("sink", Self::Sink),
        ("session", Self::Session),
        ("client", Self::Client),
        ("sender", Self::Sender),
        ("recipient", Self::Recipient),
        ("domain", Self::Domain),
        ("triple", Self::Triple),
    ];

    /// Whether it needs to know who the client is.
    #[must_use]
    pub fn has_client(self) -> bool {
        matches!(self, Self::Client | Self::Triple)
    }

    /// Whether it needs to know who a recipient is.
    #[must_use]
    pub fn has_recipient(self) -> bool {
        matches!(self, Self::Recipient | Self::Domain | Self::Triple)
    }

    /// Whether it needs to know who the sender is.
    #[must_use]
    pub fn has_sender(self) -> bool {
        matches!(self, Self::Sender | Self::Triple)
    }
}

impl Rule {
    /// Says this at a command, always.
    #[must_use]
    pub fn replying(at: SinkVerb, code: u16, text: &str) -> Self {
        let reply = Some(Reply { code, text: text.to_owned() });
        Self { at, when: When::default(), effects: Effects { reply, ..Effects::default() } }
    }

    /// Waits so long before its reply to a command, always.
    #[must_use]
    pub fn delaying(at: SinkVerb, delay: Delay) -> Self {
        let delay = Some(delay);
        Self { at, when: When::default(), effects: Effects { delay, ..Effects::default() } }
    }

    /// Reads a limit as flags give it, `eod=500/s 451 4.7.1 too fast`: what comes to that verb beyond the rate gets the
    /// reply.
    ///
    /// # Errors
    /// When verb, rate or reply cannot be read.
    pub fn parse_limit(text: &str) -> Result<Self, UnitError> {
        let hint = "write a verb, a rate and a reply: eod=500/s 451 4.7.1 too fast";
        let (at, rest) = super::split_verb(text, hint)?;
        // The rate may have spaces in it, so the reply begins behind its unit.
        let end = rest.find('/').and_then(|slash| Some(slash + rest[slash..].find(' ')?));
        let Some((rate, reply)) = end.map(|end| rest.split_at(end)) else {
            let message = format!("`{}` has no rate and reply", rest.escape_debug());
            return Err(UnitError { message, hint: hint.into() });
        };
        Ok(Self {
            at,
            when: When { above: Some(Limit::new(Rate::parse(rate)?)), ..When::default() },
            effects: Effects { reply: Some(Reply::parse(reply.trim())?), ..Effects::default() },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_verb_a_rate_and_a_reply() {
        for text in ["eod=500/s 451 4.7.1 too fast", "eod = 500 messages/s 451 4.7.1 too fast"] {
            let rule = Rule::parse_limit(text).unwrap();
            assert_eq!(rule.at, SinkVerb::Eod);
            let rate = Rate::parse("500/s").unwrap();
            assert_eq!(rule.when.above, Some(Limit { rate, burst: 50 }));
            let reply = Reply { code: 451, text: "4.7.1 too fast".into() };
            assert_eq!(rule.effects.reply, Some(reply));
        }
        for (bad, message) in [
            ("eod", "`eod` has no `=`"),
            ("eod=", "`` has no rate and reply"),
            ("eod=500/s", "`500/s` has no rate and reply"),
            ("eod=500 451 x", "`500 451 x` has no rate and reply"),
            (
                "eod=x/s 451 x",
                "`x/s` is no rate of messages, sessions, connections, recipients, transactions, commands",
            ),
            ("eod=5/s later", "`later` is no reply code from 200 to 599"),
        ] {
            assert_eq!(Rule::parse_limit(bad).unwrap_err().message, message, "{bad:?}");
        }
    }
}
