//! Made-up text for bodies: slices of one shared buffer, whatever the size.

use std::io::IoSlice;
use std::ops::Range;

use super::render::as_index;

/// A generated text of an exact length that ends in CRLF and has no line that begins with a dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filler {
    /// Bytes in all, its last CRLF included; 0 or at least 2.
    pub bytes: u64,
}

/// Bytes of one line of filler, its CRLF included.
const FILLER_LINE: usize = 76;
/// Lines of filler that are kept; longer texts repeat them.
const FILLER_LINES: usize = 864;

/// The lines that generated texts are cut from: 64 KiB, made once.
static FILLER: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
    let words = "the quick generator writes plain words so that no filter and no line end gets in the way of the clock ";
    let mut letters = words.bytes().cycle();
    let mut text = Vec::with_capacity(FILLER_LINE * FILLER_LINES);
    for _ in 0..FILLER_LINES {
        text.extend(letters.by_ref().take(FILLER_LINE - 2));
        text.extend_from_slice(b"\r\n");
    }
    text
});

impl Filler {
    /// Fills `slices` with the bytes `range` and gives how many it took.
    pub(super) fn slices<'a>(self, range: Range<u64>, slices: &mut [IoSlice<'a>]) -> usize {
        let text: &'static [u8] = &FILLER;
        let length = text.len() as u64;
        let words = self.bytes.saturating_sub(2);
        // A text cut between CR and LF would leave a bare CR: such a length starts one byte later in the filler.
        let phase = u64::from(words % FILLER_LINE as u64 == FILLER_LINE as u64 - 1);
        let (mut at, mut count) = (range.start, 0);
        while at < range.end && count < slices.len() {
            let bytes = if at >= words {
                &b"\r\n"[as_index(at - words)..as_index(range.end - words)]
            } else {
                let from = as_index((at + phase) % length);
                let take = (text.len() - from).min(as_index(range.end.min(words) - at));
                &text[from..from + take]
            };
            slices[count] = IoSlice::new(bytes);
            count += 1;
            at += bytes.len() as u64;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn filler_is_lines_whatever_its_length(bytes in 2..200_000_u64, cut in 0..200_000_u64) {
            let filler = Filler { bytes };
            let cut = cut.min(bytes);
            let mut text = Vec::new();
            for range in [0..cut, cut..bytes] {
                let mut slices = [IoSlice::new(&[]); 64];
                let count = filler.slices(range, &mut slices);
                slices[..count].iter().for_each(|slice| text.extend_from_slice(slice));
            }
            prop_assert_eq!(text.len() as u64, bytes);
            prop_assert!(text.ends_with(b"\r\n"));
            let bare = text.windows(2).any(|w| (w[0] == b'\r') != (w[1] == b'\n'));
            prop_assert!(!bare, "a bare CR or LF");
            prop_assert!(!text.windows(3).any(|w| w == b"\r\n."));
        }
    }
}
