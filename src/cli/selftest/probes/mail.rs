//! What happens to mail that was accepted. A run does not follow it yet: what it says was accepted is held against what
//! the sink kept.

use crate::cli::selftest::probe::{Check, Probe, Setup};
use crate::measure::outcome::Fate;

/// 200 messages with a Date of their own, so that what was sent can be made again, and what befalls every 10th of them.
macro_rules! every_10th {
    ($effect:literal) => {
        concat!(
            "load = { sessions = 4, messages = 200 }\n",
            "[[messages]]\n",
            "name = \"dated\"\n",
            "size = \"2KiB\"\n",
            "headers = { Date = \"Thu, 1 Jan 2026 00:00:00 +0000\" }\n",
            "[[sink.rules]]\n",
            "at = \"eod\"\n",
            $effect,
            "\n"
        )
    };
}

/// All of them were accepted, whatever became of them.
const ACCEPTED: Check =
    Check::rest("messages accepted", |_| 200.0, |found| found.messages(Fate::Accepted));
const NONE_MISSING: Check =
    Check::rest("accepted and not kept", |_| 0.0, |found| found.missing()).captured();
const NONE_ALTERED: Check =
    Check::rest("kept other than sent", |_| 0.0, |found| found.altered()).captured();
const ALTERED: Check =
    Check::fault("kept other than sent", |_| 20.0, |found| found.altered()).captured();

pub(super) const PROBES: &[Probe] = &[
    Probe {
        name: "lose",
        plants: "every 10th of 200 accepted messages thrown away",
        scenario: every_10th!("message = \"every 10\"\nlose = true"),
        setup: Setup::Capture,
        checks: &[
            Check::fault("accepted and not kept", |_| 20.0, |found| found.missing()).captured(),
            ACCEPTED,
            NONE_ALTERED,
        ],
    },
    Probe {
        name: "twice",
        plants: "every 10th of 200 accepted messages kept twice",
        scenario: every_10th!("message = \"every 10\"\ntwice = true"),
        setup: Setup::Capture,
        checks: &[
            Check::fault("copies beyond the first", |_| 20.0, |found| found.copies()).captured(),
            ACCEPTED,
            NONE_MISSING,
        ],
    },
    Probe {
        name: "hold",
        plants: "10 messages held back for 2 s, while later ones pass",
        scenario: every_10th!("message = \"11..20\"\nhold = \"2s\""),
        setup: Setup::Capture,
        checks: &[
            Check::fault("overtaken by later ones", |_| 10.0, |found| found.overtaken()).captured(),
            ACCEPTED,
            NONE_MISSING,
        ],
    },
    Probe {
        name: "footer",
        plants: "a line added to every 10th of 200 messages",
        scenario: every_10th!("message = \"every 10\"\nfooter = \"-- planted\""),
        setup: Setup::Capture,
        checks: &[ALTERED, ACCEPTED, NONE_MISSING],
    },
    Probe {
        name: "flip-bit",
        plants: "one bit of the body flipped in every 10th of 200",
        scenario: every_10th!("message = \"every 10\"\nflip = true"),
        setup: Setup::Capture,
        checks: &[ALTERED, ACCEPTED, NONE_MISSING],
    },
    Probe {
        name: "drop-header",
        plants: "the Subject taken from every 10th of 200 messages",
        scenario: every_10th!("message = \"every 10\"\ndrop_header = \"Subject\""),
        setup: Setup::Capture,
        checks: &[ALTERED, ACCEPTED, NONE_MISSING],
    },
    Probe {
        name: "bounce-later",
        plants: "a bounce 100 ms after every 10th of 200 was accepted",
        scenario: concat!(
            every_10th!("message = \"every 10\"\nbounce = \"100ms\""),
            // In place of it stands the second sink of the self-test.
            "[sink]\nbounces_to = \"127.0.0.1:2526\"\n"
        ),
        setup: Setup::Bounces,
        checks: &[
            Check::fault("bounces that came back", |_| 20.0, |found| found.bounced()).captured(),
            ACCEPTED,
            NONE_MISSING,
        ],
    },
];
