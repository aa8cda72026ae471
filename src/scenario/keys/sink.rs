//! `[sink]`, and the file of a behaviour, which holds the same keys at its top level.

use super::{Kind, TableKeys, key, table};
use crate::behavior::{CertificateFault, NONSENSE_MAX, Scope, SinkVerb};

/// Six digits (RFC 9422 section 4).
const LIMIT: Kind = Kind::Count { min: 1, max: 999_999 };

/// What `[sink]` holds.
pub(in crate::scenario) static SINK: TableKeys = table(
    "[sink]",
    "Behaviour of the built-in server (embedded:).",
    &[
        key(
            "behavior",
            Kind::Text,
            "A ready behaviour by name, or the file of one (*.toml); what is said beside it comes first.",
        ),
        key("seed", Kind::Count { min: 0, max: u64::MAX }, "Its own seed; the run's without it."),
        key("delay", Kind::Table(&DELAYS), "Waits before its reply, by command."),
        key("reply", Kind::Table(&REPLIES), "Other replies, by command: \"450 4.2.0 later\"."),
        key("freeze", Kind::Tables(&FREEZE), "Times at which nothing is answered."),
        key("rules", Kind::Tables(&RULE), "What it does otherwise, and when; the first that fits."),
        key("words", Kind::Bool, "Words in addresses ask for something: tempfail@example.test.")
            .or("true"),
        key("pieces", PIECES, "Its replies go out in writes of so many bytes."),
        key("hide", Kind::Texts, "Capabilities that EHLO does not announce: [\"PIPELINING\"]."),
        key("announce", Kind::Texts, "Lines that EHLO announces besides."),
        key("certificate", Kind::Choice(&CERTIFICATES), "What is wrong with its certificate."),
        key(
            "bounces_to",
            Kind::Text,
            "The server that bounces go to: 127.0.0.1:2526, on loopback.",
        ),
        key("size_limit", Kind::Size, "Largest message in bytes, as announced by SIZE."),
        key("max_messages", LIMIT, "Messages of one session, as announced by LIMITS MAILMAX."),
        key("max_recipients", LIMIT, "Recipients of one message, as LIMITS RCPTMAX."),
        key("max_domains", LIMIT, "Domains of one message's recipients, as LIMITS RCPTDOMAINMAX."),
    ],
);

const VERBS: [&str; SinkVerb::COUNT] = names(SinkVerb::NAMES);
const SCOPES: [&str; Scope::NAMES.len()] = names(Scope::NAMES);
const CERTIFICATES: [&str; CertificateFault::NAMES.len()] = names(CertificateFault::NAMES);

/// The names of `named`.
const fn names<T: Copy, const N: usize>(named: &'static [(&'static str, T)]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut index = 0;
    while index < N {
        names[index] = named[index].0;
        index += 1;
    }
    names
}

const PIECES: Kind = Kind::Count { min: 1, max: 65_536 };

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

/// Sizes have the limits of messages; what is more than nonsense needs is refused by the reader.
const NONSENSE: Kind = Kind::Count { min: 1, max: NONSENSE_MAX };

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
        key("recipient", Kind::Text, "The recipient: user@example.test, @example.test, a*@*.test."),
        key("sender", Kind::Text, "The sender, in the same forms, or <>."),
        key("client", Kind::Text, "The client: 192.0.2.7 or 192.0.2.0/24."),
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
        key("within", Kind::Duration, "So long since the first time, and no longer."),
        key("per", Kind::Choice(&SCOPES), "What above, at_most, count and within keep apart.")
            .or("\"sink\""),
        key("delay", DELAY, "Waits longer before its reply."),
        key("reply", REPLY, "Says this."),
        key("raw", Kind::Text, "Sends these bytes instead of a reply; escapes: \\r \\n \\0 \\xNN."),
        key("garbage", NONSENSE, "Sends so many random bytes instead of a reply."),
        key("long", NONSENSE, "Makes its reply a line of so many bytes."),
        key("extra", REPLY, "One more reply, that nobody asked for."),
        key("drop", Kind::Bool, "Closes, behind `reply` or instead of any."),
        key("abort", Kind::Bool, "Resets, behind `reply` or instead of any."),
        key("pieces", PIECES, "Its replies go out in writes of so many bytes from here on."),
        key("read_rate", Kind::Size, "Reads the message at so many bytes a second."),
        key("lose", Kind::Bool, "At eod: throws the message away after its reply."),
        key("twice", Kind::Bool, "At eod: keeps the message twice."),
        key("hold", DELAY, "At eod: keeps the message back for a time."),
        key("footer", Kind::Text, "At eod: adds a footer to the message."),
        key("flip", Kind::Bool, "At eod: flips a bit of the message."),
        key("drop_header", Kind::Text, "At eod: takes a header field away."),
        key("bounce", DELAY, "At eod: sends the message back to its sender after this time."),
    ],
);
