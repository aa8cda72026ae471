//! Keys of `[load]` and `[loads.NAME]`.

use super::{Kind, TableKeys, key, table};
use crate::scenario::{BURST_MAX, MESSAGES_MAX, SESSIONS_MAX};

const SESSIONS: Kind = Kind::Count { min: 1, max: SESSIONS_MAX as u64 };

/// The keys that both tables have, and more.
macro_rules! load_keys {
    ($($more:expr),*) => {
        &[
            key("sessions", SESSIONS, "Closed load: sessions open at once."),
            key("rate", Kind::Rate, "Open load: how much arrives; of a shape, its base rate."),
            key(
                "arrivals",
                Kind::Either(&[Kind::Choice(&["even", "poisson"]), Kind::Table(&ARRIVALS)]),
                "How arrivals follow one another.",
            )
            .or("\"even\""),
            key("stages", Kind::Tables(&STAGE), "Open load in stages, each with its rate."),
            key(
                "shape",
                Kind::Choice(&[
                    "smoke", "average", "stress", "spike", "soak", "breakpoint", "wave",
                ]),
                "Open load in ready-made stages over `rate` and `for`.",
            ),
            key("for", Kind::Duration, "How long things start, after the warm-up."),
            key(
                "warmup",
                Kind::Either(&[Kind::Duration, Kind::Choice(&["steady"])]),
                "A stage before that, left out of summary and thresholds; steady ends it by itself.",
            )
            .or("\"0s\""),
            key("drain", Kind::Duration, "How long transactions under way may take to end.")
                .or("\"30s\""),
            key(
                "messages",
                Kind::Either(&[
                    Kind::Count { min: 1, max: MESSAGES_MAX },
                    Kind::Choice(&["each-once"]),
                ]),
                "Ends the load when so many were sent; each-once: every file of the folder once.",
            ),
            key(
                "stop_on",
                Kind::Texts,
                "Distress that stops the run: 421 > 5% over 10s; [] for none. Off on this machine unless written.",
            ),
            key(
                "messages_per_session",
                Kind::CountRange { min: 1, max: MESSAGES_MAX },
                "Transactions of one session, a number or a..b; without it 1 where sessions arrive, else no limit.",
            ),
            key(
                "max_sessions",
                SESSIONS,
                "Open load: most sessions open at once; 100 for messages, 10000 for sessions without it.",
            ),
            key(
                "overload",
                Kind::Either(&[Kind::Choice(&["queue", "drop"]), Kind::Table(&OVERLOAD)]),
                "Open load: what becomes of an arrival for which no session is free.",
            )
            .or("\"queue\""),
            key(
                "pacing",
                Kind::Choice(&["timer", "spin"]),
                "Open load: how arrivals are waited for; spin gives each worker a whole core.",
            )
            .or("\"timer\""),
            key(
                "hold",
                Kind::Choice(&["greeting", "ehlo", "auth", "mail", "rcpt"]),
                "Sessions go that far and stay there until the load ends; no mail is sent.",
            ),
            key("connects_per_s", Kind::Number, "Most connections that are begun in a second."),
            $($more),*
        ]
    };
}

pub(super) static LOAD: TableKeys =
    table("[load]", "What starts when: so many sessions, or arrivals at a rate.", load_keys!());

pub(super) static NAMED_LOAD: TableKeys = table(
    "[loads.NAME]",
    "One of several loads that run side by side.",
    load_keys!(
        key("start", Kind::Duration, "When it begins, from the start of the run.").or("\"0s\""),
        key("scripts", Kind::Texts, "Names of the scripts that it runs; all without it.")
    ),
);

static ARRIVALS: TableKeys = TableKeys {
    shown: "`arrivals`",
    doc: "Bursts, or arrivals as they were recorded.",
    keys: &[
        key("bursts", Kind::Count { min: 1, max: BURST_MAX as u64 }, "So many at once."),
        key("csv", Kind::Text, "A CSV file: offset, and maybe sender, recipients and size."),
        key("speed", Kind::Number, "With csv: how much faster than recorded.").or("1.0"),
    ],
    rest: None,
    one_of: &["bursts", "csv"],
};

static STAGE: TableKeys = table(
    "`stages`",
    "A stage of an open load.",
    &[
        key("rate", Kind::Rate, "How much arrives.").required(),
        key("for", Kind::Duration, "How long at that rate."),
        key("ramp", Kind::Duration, "Before that: in a straight line from the stage before."),
        key("name", Kind::Name, "Its name in result files; stage-1, stage-2 without it."),
    ],
);

static OVERLOAD: TableKeys = table(
    "`overload`",
    "An arrival waits so long, then it is given up.",
    &[key("shed_after", Kind::Duration, "How long.").required()],
);
