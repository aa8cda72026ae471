//! Rules of the safety stop: the distress of a target that a run respects.

use std::fmt;
use std::time::Duration;

use super::metric::SHARES;
use super::parse::{Wrong, trimmed, wrong};
use super::{Codes, MessageShare};
use crate::scenario::fault::Faults;
use crate::scenario::nearest::hint_nearest;
use crate::units::{parse_duration, parse_share};

/// What stops a run where mail leaves this machine and nothing else is said: a server that closes the door (421), one
/// that puts off what it would take on other days, and one whose connections break.
pub const DEFAULT_STOP_RULES: &[&str] =
    &["421 > 5% over 10s", "4xx > 20% over 30s", "lost > 10% over 10s"];
/// Most rules of a scenario.
pub const STOP_RULES_MAX: usize = 20;

const FORM_HINT: &str = "write `421 > 5% over 10s` or `lost > 10% over 10s`";
const WHAT_HINT: &str = "known: a reply code, 4xx, 5xx, deferred, rejected, failed, in_doubt, lost";

/// One rule: `421 > 5% over 10s`.
#[derive(Clone, Debug, PartialEq)]
pub struct StopRule {
    /// As written.
    pub text: String,
    /// What is looked at.
    pub distress: Distress,
    /// The share, from 0 to 1, above which the run stops.
    pub limit: f64,
    /// Length of the sliding window.
    pub over: Duration,
}

/// A sign of distress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distress {
    /// Share of all replies.
    Replies(Codes),
    /// Share of the messages that ended; never the accepted ones.
    Messages(MessageShare),
    /// Messages whose connection was lost, of those that ended.
    Lost,
}

impl fmt::Display for StopRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// Reads one rule. `offset` is the byte of the scenario at which `text` begins; without it the text came with the
/// flag `--stop-on`. `None` once a fault was added.
pub fn parse_stop_rule(text: &str, offset: Option<usize>, faults: &mut Faults) -> Option<StopRule> {
    read(text).map_err(|wrong| wrong.report(text, offset, "--stop-on", faults)).ok()
}

fn read(text: &str) -> Result<StopRule, Wrong> {
    let whole = trimmed(text, 0..text.len());
    let Some(sign) = text.find(['<', '>']) else {
        return Err(wrong(whole, "this rule compares nothing", FORM_HINT));
    };
    if text.as_bytes()[sign] == b'<' || text[sign + 1..].starts_with('=') {
        let end = sign + 1 + usize::from(text[sign + 1..].starts_with('='));
        return Err(wrong(sign..end, "a run stops above a share: `>`", FORM_HINT));
    }
    let Some(over) = text[sign..].find(" over ").map(|at| at + sign) else {
        return Err(wrong(whole, "this rule has no `over` with a duration", FORM_HINT));
    };
    let what = trimmed(text, 0..sign);
    let share = trimmed(text, sign + 1..over);
    let span = trimmed(text, over + " over ".len()..text.len());
    if what.is_empty() || share.is_empty() {
        return Err(wrong(whole, "this rule has only one side", FORM_HINT));
    }
    let word = &text[what.clone()];
    let Some(distress) = distress(word) else {
        let known = SHARES.iter().map(|(name, _)| *name).skip(1).chain(["lost"]);
        let hint = hint_nearest(word, known, WHAT_HINT);
        return Err(wrong(what, format!("`{word}` is no sign of distress"), hint));
    };
    let limit = parse_share(&text[share.clone()])
        .map_err(|error| wrong(share, error.message, error.hint))?;
    let over = parse_duration(&text[span.clone()])
        .map_err(|error| wrong(span.clone(), error.message, error.hint))?;
    if over.is_zero() {
        return Err(wrong(span, "the window is zero long", FORM_HINT));
    }
    Ok(StopRule { text: text.to_owned(), distress, limit, over })
}

fn distress(word: &str) -> Option<Distress> {
    if word == "lost" {
        return Some(Distress::Lost);
    }
    if let Some(codes) = Codes::parse(word).filter(|_| word.starts_with(['4', '5'])) {
        return Some(Distress::Replies(codes));
    }
    let share = SHARES.iter().find(|(name, _)| *name == word).map(|(_, share)| *share);
    share.filter(|share| *share != MessageShare::Accepted).map(Distress::Messages)
}
