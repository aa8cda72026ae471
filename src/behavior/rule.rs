//! A rule: when the sink does something else, and what.

use super::delay::Delay;
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
    /// Only so many times.
    pub count: Option<u64>,
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
        Self { rate, burst: rate.within(std::time::Duration::from_millis(100)) }
    }
}

/// What the sink does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// Waits longer before its reply.
    pub delay: Option<Delay>,
    /// Says this instead of its own reply; anything but 2yz and 3yz refuses.
    pub reply: Option<Reply>,
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
