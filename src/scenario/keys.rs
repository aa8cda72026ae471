//! Every key of a scenario file, once: the reader asks here what a table may hold and within which limits, and
//! the JSON Schema is made from it, so neither can know a key that the other does not.

mod load;
mod sink;

use super::WEIGHT_MAX;
use crate::behavior::SinkVerb;
use crate::message::{MESSAGE_BYTES_MAX, RECIPIENTS_MAX};
use load::{LOAD, NAMED_LOAD};
pub(super) use sink::{ODDS, SINK};

/// A table of the file and what may stand in it.
#[derive(Debug)]
pub(super) struct TableKeys {
    /// As the user writes it: `[load]`; `the top level` for the file itself.
    pub(super) shown: &'static str,
    /// What it is for.
    pub(super) doc: &'static str,
    /// Keys with a meaning of their own.
    pub(super) keys: &'static [Key],
    /// What keys of other names hold, where these are free.
    pub(super) rest: Option<Kind>,
    /// Keys of which exactly one must be there; empty where there is no such rule.
    pub(super) one_of: &'static [&'static str],
}

/// A key.
#[derive(Debug)]
pub(super) struct Key {
    /// Its name.
    pub(super) name: &'static str,
    /// One line on its meaning.
    pub(super) doc: &'static str,
    /// What it holds.
    pub(super) kind: Kind,
    /// Whether a file without it is refused, whatever the flags say.
    pub(super) required: bool,
    /// What holds without it, as it would be written.
    pub(super) default: Option<&'static str>,
}

/// What a key holds.
#[derive(Debug)]
pub(super) enum Kind {
    /// Any text.
    Text,
    /// A name for result files.
    Name,
    /// `true` or `false`.
    Bool,
    /// A number with a unit of time.
    Duration,
    /// Bytes from 1, with or without a unit.
    Size,
    /// Two sizes, `a..b`.
    SizeRange,
    /// A whole number between the ends.
    Count { min: u64, max: u64 },
    /// A whole number or two of them, `a..b`, all between the ends.
    CountRange { min: u64, max: u64 },
    /// A whole number between the ends, which may be negative.
    Level { min: i64, max: i64 },
    /// A factor above 0, or a percentage.
    Factor,
    /// A number above 0.
    Number,
    /// How much arrives in a second, minute or hour.
    Rate,
    /// Text of a form of its own.
    Pattern { pattern: &'static str, example: &'static str },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A list of texts and of such tables.
    Rules(&'static TableKeys),
    /// A table.
    Table(&'static TableKeys),
    /// A list of tables.
    Tables(&'static TableKeys),
    /// A table whose keys are names of the user and whose values are such tables.
    Named(&'static TableKeys),
    /// One of several kinds.
    Either(&'static [Self]),
}

impl TableKeys {
    /// The key of that name.
    pub(super) fn find(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// Calls `see` with this table and every table below it.
    pub(super) fn walk(&'static self, see: &mut impl FnMut(&'static Self)) {
        see(self);
        self.keys.iter().for_each(|key| key.kind.walk(see));
        self.rest.iter().for_each(|kind| kind.walk(see));
    }
}

impl Kind {
    /// The ends of a whole number.
    pub(super) fn limits(&self) -> Option<(u64, u64)> {
        match self {
            Self::Count { min, max } | Self::CountRange { min, max } => Some((*min, *max)),
            Self::Size | Self::SizeRange => Some((1, MESSAGE_BYTES_MAX)),
            Self::Either(kinds) => kinds.iter().find_map(Self::limits),
            _ => None,
        }
    }

    /// The words of a choice.
    pub(super) fn words(&self) -> Option<&'static [&'static str]> {
        match self {
            Self::Choice(words) => Some(words),
            Self::Either(kinds) => kinds.iter().find_map(Self::words),
            _ => None,
        }
    }

    /// The table that this kind holds.
    pub(super) fn table(&self) -> Option<&'static TableKeys> {
        match self {
            Self::Table(keys) | Self::Tables(keys) | Self::Named(keys) | Self::Rules(keys) => {
                Some(keys)
            }
            Self::Either(kinds) => kinds.iter().find_map(Self::table),
            _ => None,
        }
    }

    /// How one of that kind is written.
    pub(super) fn example(&self) -> &'static str {
        match self {
            Self::Text | Self::Name => "\"text\"",
            Self::Bool => "false",
            Self::Duration => "\"10s\"",
            Self::Size => "\"4KiB\"",
            Self::SizeRange => "\"1KiB..64KiB\"",
            Self::Count { .. } => "10",
            Self::CountRange { .. } => "\"1..10\"",
            Self::Level { .. } => "3",
            Self::Factor => "0.1",
            Self::Number => "1.5",
            Self::Rate => "\"500 messages/s\"",
            Self::Choice(words) => words[0],
            Self::Pattern { example, .. } => example,
            Self::Texts => "[\"first\", \"second\"]",
            Self::Rules(_) => "[\"accepted > 99%\"]",
            Self::Table(_) => "{ … }",
            Self::Tables(_) => "[{ … }]",
            Self::Named(_) => "{ name = { … } }",
            Self::Either(kinds) => kinds[0].example(),
        }
    }

    fn walk(&self, see: &mut impl FnMut(&'static TableKeys)) {
        match self {
            Self::Either(kinds) => kinds.iter().for_each(|kind| kind.walk(see)),
            other => other.table().into_iter().for_each(|keys| keys.walk(see)),
        }
    }
}

const fn key(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, doc, kind, required: false, default: None }
}

impl Key {
    const fn or(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

const fn table(shown: &'static str, doc: &'static str, keys: &'static [Key]) -> TableKeys {
    TableKeys { shown, doc, keys, rest: None, one_of: &[] }
}

const WEIGHT: Kind = Kind::Count { min: 1, max: WEIGHT_MAX };

/// The file itself.
pub(super) static TOP: TableKeys = table(
    "the top level",
    "A scenario of smtpbench: target, load, scripts, mail and thresholds.",
    &[
        key(
            "name",
            Kind::Name,
            "Name of the scenario in result files; the name of the file without it.",
        ),
        key("thresholds", Kind::Rules(&SUSTAINED), "Rules that decide pass or fail; [] for none.")
            .or("[\"accepted > 99%\", \"in_doubt < 0.1%\"]"),
        key("preflight", Kind::Bool, "One uncounted session before the load.").or("true"),
        key("seed", Kind::Count { min: 0, max: u64::MAX }, "Fixes every random choice."),
        key(
            "client",
            Kind::Either(&[Kind::Text, Kind::Table(&CLIENT)]),
            "The client's name in EHLO, or a table with it; client-N.test without it.",
        ),
        key("target", Kind::Table(&TARGET), "The server under test."),
        key("targets", Kind::Named(&NAMED_TARGET), "Several servers by name, instead of [target]."),
        key(
            "interleave",
            Kind::Duration,
            "Several targets take turns in blocks of that length, whole seconds; closed loads do anyway.",
        ),
        key("load", Kind::Table(&LOAD), "What starts when, and how much of it."),
        key("loads", Kind::Named(&NAMED_LOAD), "Several loads side by side, instead of [load]."),
        key("scripts", Kind::Tables(&SCRIPT), "Command sequences, chosen by weight."),
        key("data", Kind::Named(&DATA), "Data tables from CSV files, by name."),
        key("senders", Kind::Table(&SENDERS), "Reverse-paths."),
        key("recipients", Kind::Table(&RECIPIENTS), "Forward-paths."),
        key("messages", Kind::Tables(&MESSAGE), "Kinds of messages, chosen by weight."),
        key("extensions", Kind::Table(&EXTENSIONS), "Service extensions, used where offered."),
        key("timeouts", Kind::Table(&TIMEOUTS), "How long each step may take."),
        key("sink", Kind::Table(&SINK), "Behaviour of the built-in server (embedded:)."),
    ],
);

static SUSTAINED: TableKeys = table(
    "`thresholds`",
    "A threshold that says what is bad, and for how long.",
    &[
        key("if", Kind::Text, "A rule, like eod.p99 > 2s.").required(),
        key("for", Kind::Duration, "Missed where it holds over a window of that length.")
            .required(),
        key("abort", Kind::Bool, "Whether the run ends then.").or("false"),
    ],
);

static CLIENT: TableKeys = table(
    "[client]",
    "Who the client says it is.",
    &[
        key("name", Kind::Text, "Name in EHLO; may hold values."),
        key(
            "source",
            Kind::Texts,
            "Local addresses that connections come from in turn: 127.0.0.2-127.0.0.20.",
        ),
        key(
            "via",
            Kind::Choice(&["xclient", "proxy", "proxy-v1"]),
            "Names another client to the server: by XCLIENT, or by a PROXY header of version 2 or 1.",
        ),
        key(
            "address",
            Kind::Either(&[Kind::Text, Kind::Texts]),
            "That client's address: {{table.column}}, an address, or a range to take in turn.",
        ),
        key(
            "port",
            Kind::Either(&[Kind::Count { min: 0, max: u16::MAX as u64 }, Kind::Text]),
            "Its port; may hold values.",
        ),
        key("hostname", Kind::Text, "XCLIENT's NAME: its host name in DNS; may hold values."),
        key("helo", Kind::Text, "XCLIENT's HELO: its name in EHLO; may hold values."),
        key("proto", Kind::Text, "XCLIENT's PROTO: SMTP or ESMTP; may hold values."),
        key("login", Kind::Text, "XCLIENT's LOGIN: its SASL login; may hold values."),
    ],
);

static TARGET: TableKeys = table("[target]", "The server under test.", TARGET_KEYS);

static NAMED_TARGET: TableKeys =
    table("[targets.NAME]", "One of several servers; --target NAME picks it.", TARGET_KEYS);

const TARGET_KEYS: &[Key] = &[
        key(
            "url",
            Kind::Text,
            "smtp://, smtps:// or lmtp://host:port, mx://domain, smtp+unix:// or lmtp+unix:///path, or embedded:.",
        )
        .required(),
        key(
            "tls",
            Kind::Choice(&["none", "starttls", "opportunistic"]),
            "STARTTLS never, always, or where it is offered; smtps:// is TLS from the first byte.",
        )
        .or("\"none\""),
        key("tls_share", Kind::Text, "Share of the sessions that go over to TLS, as a percentage.")
            .or("\"100%\""),
        key("ca", Kind::Text, "A PEM file: certificates to trust instead of the system's."),
        key("server_name", Kind::Text, "The name in the server's certificate; the URL's host without it."),
        key(
            "verify",
            Kind::Bool,
            "Whether the certificate is verified; opportunistic TLS does so only if told whom to trust.",
        )
        ,
        key("client_cert", Kind::Text, "A PEM file: our certificate, with its chain."),
        key("client_key", Kind::Text, "A PEM file: the key of our certificate."),
        key("min_version", Kind::Choice(&["1.2", "1.3"]), "The lowest version of TLS that is offered.")
            .or("\"1.2\""),
        key("max_version", Kind::Choice(&["1.2", "1.3"]), "The highest version of TLS that is offered.")
            .or("\"1.3\""),
        key("resumption", Kind::Bool, "Whether later sessions may resume the TLS session of earlier ones.")
            .or("false"),
        key(
            "auth",
            Kind::Choice(AUTH_WORDS),
            "How sessions log in; best is the strongest mechanism offered, and holds where there is a `user`.",
        ),
        key("user", Kind::Text, "Who logs in; may hold columns: {{users.name}}."),
        key(
            "password",
            Kind::Text,
            "Password or token: ${VARIABLE} or {{users.password}}, never the text itself.",
        ),
        key("password_file", Kind::Text, "A file of one line with the password or token."),
        key(
            "initial_response",
            Kind::Bool,
            "The client's first message in the AUTH command, where the mechanism has one.",
        )
        .or("true"),
        key(
            "max_rate",
            Kind::Rate,
            "A cap: no more messages than that start in any second; what an open load has above it is not started.",
        ),
        key(
            "start",
            Kind::Text,
            "A command of your own that serves this run, ended with it; {port} is a free port, in `url` too.",
        ),
        key("ready", Kind::Text, "How its greeting begins once it is ready.").or("\"220\""),
        key("prepare", Kind::Text, "A command that is run, and has to succeed, before each start."),
];

/// The words of `login::Method`, in its order.
const AUTH_WORDS: &[&str] = &[
    "none",
    "best",
    "plain",
    "login",
    "cram-md5",
    "scram-sha-1",
    "scram-sha-256",
    "scram-sha-1-plus",
    "scram-sha-256-plus",
    "xoauth2",
    "oauthbearer",
];

static SCRIPT: TableKeys = table(
    "[[scripts]]",
    "One session's command sequence.",
    &[
        key("name", Kind::Name, "Its name in result files.").required(),
        key("weight", WEIGHT, "Its share among the scripts.").or("1"),
        key("steps", Kind::Text, "The sequence, one step a line, in a literal string.").required(),
    ],
);

static DATA: TableKeys = table(
    "[data.NAME]",
    "A CSV file with a header row.",
    &[
        key("csv", Kind::Text, "The file, beside this one.").required(),
        key(
            "pick",
            Kind::Choice(&["round-robin", "random", "unique"]),
            "Which row a session gets; unique leases it to one open session.",
        )
        .or("\"round-robin\""),
    ],
);

const ADDRESS_SOURCES: &[&str] = &["pattern", "addresses", "csv"];
const PATTERN: Key =
    key("pattern", Kind::Text, "An address with values: user{{1..100}}@{{domain}}.");
const ADDRESSES: Key = key("addresses", Kind::Texts, "Addresses, taken in turn.");
const ADDRESS_CSV: Key = key("csv", Kind::Text, "A CSV file with a column of addresses.");
const COLUMN: Key = key(
    "column",
    Kind::Text,
    "The column of csv; address, email, recipient or the only one without it.",
);
const DOMAINS: Key = key("domains", Kind::Table(&WEIGHTS), "Domains for {{domain}}, with weights.");

static SENDERS: TableKeys = TableKeys {
    shown: "[senders]",
    doc: "Reverse-paths; bench@sender.test without it.",
    keys: &[PATTERN, ADDRESSES, ADDRESS_CSV, COLUMN, DOMAINS],
    rest: None,
    one_of: ADDRESS_SOURCES,
};

static RECIPIENTS: TableKeys = TableKeys {
    shown: "[recipients]",
    doc: "Forward-paths; user{{1..1000}}@recipient.test without it.",
    keys: &[
        PATTERN,
        ADDRESSES,
        ADDRESS_CSV,
        COLUMN,
        DOMAINS,
        key(
            "per_message",
            Kind::CountRange { min: 1, max: RECIPIENTS_MAX as u64 },
            "Recipients of one message, a number or a..b.",
        )
        .or("1"),
    ],
    rest: None,
    one_of: ADDRESS_SOURCES,
};

static WEIGHTS: TableKeys = TableKeys {
    shown: "`domains`",
    doc: "Domains with their weights.",
    keys: &[],
    rest: Some(WEIGHT),
    one_of: &[],
};

static MESSAGE: TableKeys = TableKeys {
    shown: "[[messages]]",
    doc: "A kind of message; one of 4 KiB without any.",
    keys: &[
        key("name", Kind::Name, "Its name in scripts and results."),
        key("weight", WEIGHT, "Its share where a script names none.").or("1"),
        key(
            "size",
            Kind::Either(&[Kind::Size, Kind::SizeRange, Kind::Table(&LOG_NORMAL)]),
            "Size of the mail data: fixed, a..b, or log-normal by two percentiles.",
        ),
        key("file", Kind::Text, "One message, sent byte for byte."),
        key("folder", Kind::Text, "All *.eml files of a folder."),
        key("headers", Kind::Table(&HEADERS), "Header fields, with size only; may hold values."),
        key(
            "pick",
            Kind::Choice(&["round-robin", "random", "each-once"]),
            "Which file of a folder is next.",
        ),
        key(
            "mark",
            Kind::Choice(&["prepend", "none"]),
            "What is added to a file: one header field on top, or nothing.",
        ),
    ],
    rest: None,
    one_of: &["size", "file", "folder"],
};

static LOG_NORMAL: TableKeys = table(
    "`size`",
    "A log-normal distribution, cut at four times p99.",
    &[
        key("p50", Kind::Size, "The median.").required(),
        key("p99", Kind::Size, "The 99th percentile.").required(),
    ],
);

static HEADERS: TableKeys = TableKeys {
    shown: "`headers`",
    doc: "Header fields by name.",
    keys: &[],
    rest: Some(Kind::Text),
    one_of: &[],
};

static EXTENSIONS: TableKeys = table(
    "[extensions]",
    "Service extensions: used where they are asked for here and the server offers them.",
    &[
        key("size", Kind::Bool, "SIZE=bytes on MAIL (RFC 1870).").or("false"),
        key(
            "eight_bit_mime",
            Kind::Bool,
            "BODY=8BITMIME on MAIL (RFC 6152): always or never; without it, for messages with bytes above 127.",
        ),
        key(
            "binary_mime",
            Kind::Bool,
            "BODY=BINARYMIME, files byte for byte; BDAT only (RFC 3030).",
        )
        .or("false"),
        key("smtputf8", Kind::Bool, "SMTPUTF8 for mail that needs it; unsent without (RFC 6531).")
            .or("false"),
        key("dsn", Kind::Table(&DSN), "Delivery status notifications (RFC 3461)."),
        key("requiretls", Kind::Bool, "REQUIRETLS on MAIL; unsent without it (RFC 8689).")
            .or("false"),
        key("limits", Kind::Bool, "Obey the server's LIMITS (RFC 9422).").or("true"),
        key("hold_for", Kind::Duration, "HOLDFOR on MAIL, whole seconds (RFC 4865)."),
        key("hold_until", Kind::Text, "HOLDUNTIL on MAIL, a time of RFC 3339 (RFC 4865)."),
        key("mt_priority", Kind::Level { min: -9, max: 9 }, "MT-PRIORITY on MAIL (RFC 6710)."),
    ],
);

static DSN: TableKeys = table(
    "`dsn`",
    "What delivery status notifications are asked for.",
    &[
        key("notify", Kind::Text, "NOTIFY on RCPT: never, or some of success,failure,delay."),
        key("ret", Kind::Choice(&["full", "hdrs"]), "RET on MAIL: what a report gives back."),
        key("envid", Kind::Text, "ENVID on MAIL; may hold values."),
        key("orcpt", Kind::Bool, "ORCPT on RCPT, with its forward-path.").or("false"),
    ],
);

static TIMEOUTS: TableKeys = TableKeys {
    shown: "[timeouts]",
    doc: "How long each step may take; other keys are names of steps.",
    keys: &[
        key("step", Kind::Duration, "For every step without a limit of its own.").or("\"60s\""),
        key("scale", Kind::Factor, "The limits of RFC 5321 section 4.5.3.2 times this factor."),
        key(
            "plan",
            Kind::Duration,
            "From the intended start to the end of a message or session; open load only.",
        ),
    ],
    rest: Some(Kind::Duration),
    one_of: &[],
};

/// Names of the sink's verbs, as hints list them.
pub(super) fn sink_verbs() -> String {
    SinkVerb::NAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}
