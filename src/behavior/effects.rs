//! What a rule has the sink do.

use std::num::NonZeroU32;

use super::delay::Delay;
use super::reply::Reply;
use super::verb::SinkVerb;

/// Longest reply line, and most garbage, that a rule may ask for: more than any client may be expected to keep.
pub const NONSENSE_MAX: u64 = 16 << 20;

/// What the sink does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// Waits longer before its reply.
    pub delay: Option<Delay>,
    /// Says this instead of its own reply; anything but 2yz and 3yz refuses.
    pub reply: Option<Reply>,
    /// Something that is no reply, instead of one. To the sink the command counts as taken.
    pub nonsense: Option<Nonsense>,
    /// One more reply behind its own, that nobody asked for.
    pub extra: Option<Reply>,
    /// Ends the connection: behind the reply where the rule has one, instead of it otherwise.
    pub end: Option<End>,
    /// From here on its replies go out in writes of so many bytes.
    pub pieces: Option<NonZeroU32>,
    /// Reads the rest of the message at so many bytes a second.
    pub read_rate: Option<u64>,
    /// What becomes of the message.
    pub fate: Fate,
}

/// What is no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nonsense {
    /// These bytes.
    Raw(Vec<u8>),
    /// So many bytes that are drawn, and a line end.
    Garbage(u64),
    /// The reply, in a line of so many bytes.
    Long(u64),
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Closed.
    Drop,
    /// Reset.
    Abort,
}

/// What becomes of a message that was taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fate {
    /// Thrown away after its reply.
    pub lose: bool,
    /// Kept a second time.
    pub twice: bool,
    /// Kept only after this time, so that later ones may come before it.
    pub hold: Option<Delay>,
    /// A footer behind its body.
    pub footer: Option<String>,
    /// One bit of its body is another.
    pub flip: bool,
    /// A header field that is gone.
    pub drop_header: Option<String>,
    /// Not kept, but sent back to its sender after this time ([`Behavior::bounces_to`](super::Behavior::bounces_to)).
    pub bounce: Option<Delay>,
}

impl Fate {
    /// Whether the message is kept other than it came.
    #[must_use]
    pub fn alters(&self) -> bool {
        self.footer.is_some() || self.flip || self.drop_header.is_some()
    }
}

impl Effects {
    /// The first key of a scenario that has no meaning at `at`, with where it has.
    #[must_use]
    pub fn misplaced(&self, at: SinkVerb) -> Option<(&'static str, &'static str)> {
        let Fate { lose, twice, hold, footer, flip, drop_header, bounce } = &self.fate;
        let of_eod = [
            ("lose", *lose),
            ("twice", *twice),
            ("hold", hold.is_some()),
            ("footer", footer.is_some()),
            ("flip", *flip),
            ("drop_header", drop_header.is_some()),
            ("bounce", bounce.is_some()),
        ];
        let found = of_eod.into_iter().find(|(_, is_there)| *is_there).map(|(key, _)| key);
        if let Some(key) = found.filter(|_| at != SinkVerb::Eod) {
            return Some((key, "eod"));
        }
        let before = matches!(at, SinkVerb::Mail | SinkVerb::Rcpt | SinkVerb::Data);
        (self.read_rate.is_some() && !before).then_some(("read_rate", "mail, rcpt or data"))
    }
}
