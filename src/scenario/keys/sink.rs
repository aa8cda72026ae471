//! `[sink]`, and the file of a behaviour, which holds the same keys at its top level.

use super::{Kind, TableKeys, key, table};
use crate::behavior::SinkVerb;

/// Six digits (RFC 9422 section 4).
const LIMIT: Kind = Kind::Count { min: 1, max: 999_999 };

/// What `[sink]` holds.
pub(super) static SINK: TableKeys = table(
    "[sink]",
    "Behaviour of the built-in server (embedded:).",
    &[
        key("seed", Kind::Count { min: 0, max: u64::MAX }, "Its own seed; the run's without it."),
        key("delay", Kind::Table(&DELAYS), "Waits before its reply, by command."),
        key("reply", Kind::Table(&REPLIES), "Other replies, by command: \"450 4.2.0 later\"."),
        key("freeze", Kind::Tables(&FREEZE), "Times at which nothing is answered."),
        key("rules", Kind::Tables(&RULE), "What it does otherwise, and when; the first that fits."),
        key("size_limit", Kind::Size, "Largest message in bytes, as announced by SIZE."),
        key("max_messages", LIMIT, "Messages of one session, as announced by LIMITS MAILMAX."),
        key("max_recipients", LIMIT, "Recipients of one message, as LIMITS RCPTMAX."),
        key("max_domains", LIMIT, "Domains of one message's recipients, as LIMITS RCPTDOMAINMAX."),
    ],
);

const VERBS: [&str; SinkVerb::COUNT] = {
    let mut names = [""; SinkVerb::COUNT];
    let mut index = 0;
    while index < names.len() {
        names[index] = SinkVerb::NAMES[index].0;
        index += 1;
    }
    names
};

const BY_COMMAND: &str = "By command: greeting, ehlo, helo, auth, mail, rcpt, data, bdat, eod, rset, \
                          noop, vrfy, help, quit, starttls, xclient, unknown.";

static DELAYS: TableKeys =
    TableKeys { shown: "`delay`", doc: BY_COMMAND, keys: &[], rest: Some(DELAY), one_of: &[] };

static REPLIES: TableKeys =
    TableKeys { shown: "`reply`", doc: BY_COMMAND, keys: &[], rest: Some(REPLY), one_of: &[] };

const REPLY: Kind =
    Kind::Pattern { pattern: "[2-5][0-9][0-9]( .*)?", example: "\"450 4.2.0 later\"" };

const DURATION_RANGE: Kind = Kind::Pattern {
    pattern: r"\s*[0-9.]+\s*(us|µs|ms|s|m|h|d)\s*\.\.\s*[0-9.]+\s*(us|µs|ms|s|m|h|d)\s*",
    example: "\"10ms..20ms\"",
};

/// Several delays by share, where a list stands for a delay.
pub(in crate::scenario) const ODDS: Kind = Kind::Tables(&ODDS_KEYS);

const DELAY: Kind = Kind::Either(&[Kind::Duration, DURATION_RANGE, Kind::Table(&LAW), ODDS]);

static ODDS_KEYS: TableKeys = table(
    "odds of a delay",
    "A delay with its share; where these do not add up to 100 %, no delay for the rest.",
    &[
        key("share", SHARE, "Its share, as a percentage.").required(),
        key(
            "delay",
            Kind::Either(&[Kind::Duration, DURATION_RANGE, Kind::Table(&LAW)]),
            "The delay.",
        )
        .required(),
    ],
);

static LAW: TableKeys = TableKeys {
    shown: "the law of a delay",
    doc: "Exponential (mean), log-normal (p50, p99), or growing in a session (first, factor, most).",
    keys: &[
        key("mean", Kind::Duration, "The mean of an exponential delay."),
        key("p50", Kind::Duration, "The median of a log-normal delay."),
        key("p99", Kind::Duration, "Its 99th percentile; it is cut at four times that."),
        key("first", Kind::Duration, "The first delay in a session, which grows."),
        key("factor", Kind::Factor, "How much longer each is than the one before.").or("2"),
        key("most", Kind::Duration, "The longest."),
    ],
    rest: None,
    one_of: &["mean", "p50", "first"],
};

const SHARE: Kind = Kind::Pattern { pattern: r"\s*[0-9.]+\s*%?\s*", example: "\"10%\"" };

static FREEZE: TableKeys = table(
    "`freeze`",
    "A time in which nothing is answered, counted from the first connection.",
    &[
        key("after", Kind::Duration, "When it begins; without it, when the first `every` is over."),
        key("for", Kind::Duration, "How long it lasts.").required(),
        key("every", Kind::Duration, "How long until the next one begins."),
    ],
);

const RATE: Kind = Kind::Pattern { pattern: r".*/\s*[smh]\s*", example: "\"500 messages/s\"" };

const NUMBERS: Kind = Kind::Either(&[
    Kind::Count { min: 1, max: u64::MAX },
    Kind::Pattern { pattern: r"\s*(every )?[0-9].*", example: "\"every 100\"" },
]);

static RULE: TableKeys = table(
    "[[sink.rules]]",
    "What the sink does otherwise at one command, where all of the conditions hold.",
    &[
        key("at", Kind::Choice(&VERBS), "The command.").required(),
        key("session", NUMBERS, "Number of the session: 7, \"5..10\", \"101..\", \"every 100\"."),
        key("message", NUMBERS, "Number of the message among all."),
        key("nth", NUMBERS, "Number of the message in its session."),
        key("after", Kind::Duration, "Since the first connection."),
        key("for", Kind::Duration, "For how long."),
        key("every", Kind::Duration, "How long until it holds again."),
        key("share", SHARE, "A share of the cases, as a percentage."),
        key("above", RATE, "What comes beyond this rate, in the whole sink."),
        key("at_most", RATE, "Not more often than this."),
        key(
            "burst",
            Kind::Count { min: 1, max: u64::MAX },
            "How many at once the rate allows; a tenth of a second's worth without it.",
        ),
        key("count", Kind::Count { min: 1, max: u64::MAX }, "So many times and no more."),
        key("delay", DELAY, "Waits longer before its reply."),
        key("reply", REPLY, "Says this."),
    ],
);
