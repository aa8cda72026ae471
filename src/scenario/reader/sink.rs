//! `[sink]`: what the built-in server does.

use std::num::NonZeroU32;

use super::Reader;
use super::section::{Field, Section, nearest};
use crate::behavior::{Action, Behavior, Rule, SinkVerb};
use crate::scenario::keys::sink_verbs;
use crate::smtp::capabilities::Limits;
use crate::smtp::reply::ReplyCode;

/// Longest text of a reply: RFC 5321 section 4.5.3.1.5 has 512 bytes a line, code and line end included.
const REPLY_TEXT_MAX: usize = 506;

impl Reader<'_> {
    pub(super) fn sink(&mut self, top: &Section<'_>) -> Option<Behavior> {
        let Some(field) = top.field("sink") else { return Some(Behavior::default()) };
        let section = self.open_table(&field)?;
        let delays = self.optional(&section, "delay", |reader, field| {
            reader.rules(field, |reader, field| reader.duration(field, true).map(Action::Delay))
        });
        let replies =
            self.optional(&section, "reply", |reader, field| reader.rules(field, Self::sink_reply));
        let size_limit = self.optional(&section, "size_limit", Self::size)?;
        let mut limit = |name| self.optional(&section, name, Self::limit);
        let (mail_max, rcpt_max) = (limit("max_messages"), limit("max_recipients"));
        let rcpt_domain_max = limit("max_domains")?;
        let limits = Limits { mail_max: mail_max?, rcpt_max: rcpt_max?, rcpt_domain_max };
        let mut rules = delays?.unwrap_or_default();
        rules.extend(replies?.unwrap_or_default());
        Some(Behavior { rules, size_limit, limits })
    }

    fn limit(&mut self, field: &Field<'_>) -> Option<NonZeroU32> {
        self.count(field).and_then(|count| NonZeroU32::new(u32::try_from(count).ok()?))
    }

    /// One rule for each verb in the table that `field` holds.
    fn rules(
        &mut self,
        field: &Field<'_>,
        mut action: impl FnMut(&mut Self, &Field<'_>) -> Option<Action>,
    ) -> Option<Vec<Rule>> {
        let fields = self.open_table(field)?.rest();
        let mut rules = Vec::new();
        for field in &fields {
            let verb = SinkVerb::from_name(field.name);
            if verb.is_none() {
                let names = SinkVerb::NAMES.iter().map(|(name, _)| *name);
                let hint = match nearest(field.name, names) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known here: {}", sink_verbs()),
                };
                let message = format!("the sink has no command `{}`", field.name);
                self.faults.add(field.key_span.clone(), message, hint);
            }
            if let (Some(action), Some(verb)) = (action(self, field), verb) {
                rules.push(Rule { verb, action });
            }
        }
        (rules.len() == fields.len()).then_some(rules)
    }

    fn sink_reply(&mut self, field: &Field<'_>) -> Option<Action> {
        let text = self.text(field)?;
        let (code, rest) = text.value.split_once(' ').unwrap_or((&text.value, ""));
        let code = Some(code).filter(|code| code.len() == 3);
        let code = code.and_then(|code| code.parse().ok()).and_then(ReplyCode::new);
        let fault = match code {
            None => text.fault(
                "the reply does not begin with a code from 200 to 599",
                "write code and text: \"450 4.2.0 try later\"",
            ),
            Some(_) if rest.contains(char::is_control) => {
                text.fault("the reply holds a control character", "write it on one line")
            }
            Some(_) if rest.len() > REPLY_TEXT_MAX => {
                text.fault(format!("the reply's text is over {REPLY_TEXT_MAX} bytes long"), "")
            }
            Some(code) => {
                return Some(Action::Reply { code: code.number(), text: rest.to_owned() });
            }
        };
        self.faults.push(fault);
        None
    }
}
