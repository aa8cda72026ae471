//! Transparency, or dot-stuffing (RFC 5321 section 4.5.2), both ways.
//!
//! Only CRLF ends a line here and only CRLF . CRLF ends the data (section 4.1.1.4). A bare LF or CR is data like any
//! other byte: a server that takes LF . LF for the end lets a sender smuggle a second message into the first.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Ends the mail data, after the CRLF of its last line (RFC 5321 section 4.1.1.4).
pub const END_OF_DATA: &[u8] = b".\r\n";

/// A line that begins with a dot, with the end of the line before it. One search for all three bytes passes over the
/// many line ends that no dot follows.
static DOTTED_LINE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n."));

/// The data with a second dot on each line that begins with one. The end of data is not added.
///
/// Any bytes may be in `data`; the data of a message ends with CRLF.
#[must_use]
pub fn stuff(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + data.len() / 64 + 1);
    if data.first() == Some(&b'.') {
        out.push(b'.');
    }
    let mut from = 0;
    for at in DOTTED_LINE.find_iter(data) {
        let dot = at + 2;
        out.extend_from_slice(&data[from..dot]);
        out.push(b'.');
        from = dot;
    }
    out.extend_from_slice(&data[from..]);
    out
}

/// What [`Unstuffer::feed`] did with its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feed {
    /// How many bytes of the input belong to the mail data. All of them, unless the end was found.
    pub consumed: usize,
    /// The end of data was found; what follows it is the next command.
    pub finished: bool,
}

/// Removes transparency from a stream that may be cut anywhere, and finds its end.
#[derive(Clone, Debug, Default)]
pub struct Unstuffer {
    place: Place,
}

/// Where in a line the next byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// At the start of a line; the data starts like this, so that `.CRLF` alone is an empty message.
    #[default]
    LineStart,
    /// After a dot that starts a line; it is held back.
    Dot,
    /// After `.CR` at the start of a line; both are held back.
    DotCr,
    /// Inside a line, not after a CR.
    Text,
    /// After a CR that was already given out.
    Cr,
    /// After the end of data.
    End,
}

impl Unstuffer {
    /// Gives the data in `input` to `out`, in pieces and in order, up to the end of data.
    pub fn feed(&mut self, input: &[u8], mut out: impl FnMut(&[u8])) -> Feed {
        let mut at = 0;
        while at < input.len() && self.place != Place::End {
            let rest = &input[at..];
            at += match (self.place, rest[0]) {
                (Place::Text, _) => self.feed_text(rest, &mut out),
                (Place::LineStart, b'.') => self.step(Place::Dot, 1),
                (Place::Dot, b'\r') => self.step(Place::DotCr, 1),
                (Place::DotCr, b'\n') => self.step(Place::End, 1),
                // RFC 5321 section 4.5.2: on a line with more than the dot, the dot alone is removed.
                (Place::LineStart | Place::Dot, _) => self.step(Place::Text, 0),
                (Place::DotCr, _) => {
                    out(b"\r");
                    self.step(Place::Cr, 0)
                }
                (Place::Cr, b'\n') => {
                    out(b"\n");
                    self.step(Place::LineStart, 1)
                }
                (Place::Cr | Place::End, _) => self.step(Place::Text, 0),
            };
        }
        Feed { consumed: at, finished: self.place == Place::End }
    }

    fn step(&mut self, place: Place, consumed: usize) -> usize {
        self.place = place;
        consumed
    }

    /// Gives out everything up to the next line that begins with a dot.
    fn feed_text(&mut self, text: &[u8], out: &mut impl FnMut(&[u8])) -> usize {
        if let Some(at) = DOTTED_LINE.find(text) {
            out(&text[..at + 2]);
            return self.step(Place::Dot, at + 3);
        }
        out(text);
        let place = match text {
            [.., b'\r', b'\n'] => Place::LineStart,
            [.., b'\r'] => Place::Cr,
            _ => Place::Text,
        };
        self.step(place, text.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `wire` in two parts; gives the data and what was left over after its end.
    fn unstuff(wire: &[u8], cut: usize) -> (Vec<u8>, Option<Vec<u8>>) {
        let (mut unstuffer, mut data) = (Unstuffer::default(), Vec::new());
        let first = unstuffer.feed(&wire[..cut], |piece| data.extend_from_slice(piece));
        if first.finished {
            return (data, Some(wire[first.consumed..].to_vec()));
        }
        assert_eq!(first.consumed, cut, "everything before the end is consumed");
        let second = unstuffer.feed(&wire[cut..], |piece| data.extend_from_slice(piece));
        let rest = wire[cut + second.consumed..].to_vec();
        assert!(second.finished || rest.is_empty());
        (data, second.finished.then_some(rest))
    }

    /// Unstuffs `wire` at every cut; `rest` is what follows the end of data, `None` if it has none.
    #[track_caller]
    fn check(wire: &str, data: &str, rest: Option<&str>) {
        for cut in 0..=wire.len() {
            let got = unstuff(wire.as_bytes(), cut);
            let want = (data.as_bytes().to_vec(), rest.map(|rest| rest.as_bytes().to_vec()));
            assert_eq!(got, want, "cut at byte {cut} of {wire:?}");
        }
    }

    #[test]
    fn dots_are_doubled_at_the_start_of_lines_only() {
        for (data, want) in [
            ("", ""),
            ("a.b\r\n", "a.b\r\n"),
            (".\r\n", "..\r\n"),
            ("..\r\n.a\r\n", "...\r\n..a\r\n"),
            ("\r\n.\r\n\r\n.", "\r\n..\r\n\r\n.."),
            ("a\n.b\r.c\r\r\n.d", "a\n.b\r.c\r\r\n..d"),
        ] {
            assert_eq!(stuff(data.as_bytes()), want.as_bytes(), "{data:?}");
        }
    }

    #[test]
    fn data_ends_at_crlf_dot_crlf() {
        check("a\r\n.\r\n", "a\r\n", Some(""));
        check("a\r\n..\r\n.b\r\n.\r\n", "a\r\n.\r\nb\r\n", Some(""));
        check("a\r\n\r\n", "a\r\n\r\n", None);
    }

    #[test]
    fn the_dot_directly_after_the_354_is_an_empty_message() {
        check(".\r\n", "", Some(""));
    }

    #[test]
    fn commands_after_the_dot_are_left_alone() {
        check("a\r\n.\r\nMAIL FROM:<>\r\n.\r\n", "a\r\n", Some("MAIL FROM:<>\r\n.\r\n"));
    }

    #[test]
    fn smuggled_ends_are_data() {
        for wire in [
            "a\n.\nMAIL",
            "a\n.\r\nMAIL",
            "a\r.\rMAIL",
            "a\r.\r\nMAIL",
            "a\n.\rMAIL",
            "\n.\r\nMAIL",
        ] {
            check(wire, wire, None);
        }
        // After a CRLF the dot is transparency, whatever else is on the line.
        check("a\r\n.\nMAIL", "a\r\n\nMAIL", None);
        check("a\r\n.\rMAIL", "a\r\n\rMAIL", None);
        check("a\r\n.\r\r\n.\r\n", "a\r\n\r\r\n", Some(""));
        check("a\r\n.\0\r\n.\r\n", "a\r\n\0\r\n", Some(""));
    }

    #[test]
    fn nothing_is_taken_after_the_end() {
        let mut unstuffer = Unstuffer::default();
        assert_eq!(unstuffer.feed(b".\r\nQUIT", |_| {}), Feed { consumed: 3, finished: true });
        let again = unstuffer.feed(b"QUIT", |_| panic!("data after the end"));
        assert_eq!(again, Feed { consumed: 0, finished: true });
    }

    /// Bytes that matter to the scanner, far more often than chance would bring them.
    fn spiky() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            3 => Just(b'.'), 3 => Just(b'\r'), 3 => Just(b'\n'), 1 => any::<u8>(),
        ];
        prop::collection::vec(byte, 0..60)
    }

    proptest! {
        #[test]
        fn transparency_is_undone_at_every_cut(mut data in spiky()) {
            data.extend_from_slice(b"\r\n");
            let mut wire = stuff(&data);
            wire.extend_from_slice(END_OF_DATA);
            wire.extend_from_slice(b"QUIT\r\n");
            for cut in 0..=wire.len() {
                let (got, rest) = unstuff(&wire, cut);
                prop_assert_eq!(&got, &data);
                prop_assert_eq!(rest.as_deref(), Some(&b"QUIT\r\n"[..]));
            }
        }

        #[test]
        fn any_bytes_give_the_same_at_every_cut(wire in spiky()) {
            let whole = unstuff(&wire, wire.len());
            for cut in 0..=wire.len() {
                prop_assert_eq!(unstuff(&wire, cut), whole.clone());
            }
        }
    }
}
