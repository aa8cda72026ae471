//! What went out in a login and may not be shown again, whoever repeats it.

use std::fmt;

use memchr::memmem;

use crate::smtp::sasl;

/// Bytes in a row that are told from a coincidence.
const WINDOW: usize = 8;
/// Characters of base64 in a row, likewise, of a secret that is shorter than that.
const BASE64_MIN: usize = 4;

/// What is shown in place of so many bytes.
#[must_use]
pub fn stars(bytes: usize) -> String {
    format!("*** ({bytes} bytes)")
}

/// Secrets and messages that hold them. Prints as `***`.
#[derive(Default)]
pub struct Hidden(Vec<Box<[u8]>>);

impl Hidden {
    /// Adds one.
    pub fn add(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() && !self.0.iter().any(|known| **known == *bytes) {
            self.0.push(bytes.into());
        }
    }

    /// Whether `text` repeats one of them, or a piece of one, as it is, in base64 or in hexadecimal: servers quote lines,
    /// cut them, and say what they read in them.
    #[must_use]
    pub fn is_in(&self, text: &[u8]) -> bool {
        let repeats = |bytes: &[u8]| {
            bytes.windows(WINDOW.min(bytes.len())).any(|piece| memmem::find(text, piece).is_some())
        };
        let lower = text.to_ascii_lowercase();
        self.0.iter().any(|bytes| {
            repeats(bytes)
                || (0..3).map(|before| base64_of(bytes, before)).any(|form| {
                    // Fewer characters would be found everywhere.
                    form.len() >= BASE64_MIN && repeats(&form)
                })
                || repeated(&hexadecimal_of(bytes), &lower)
        })
    }

    /// `text`, or stars where it repeats one of them.
    #[must_use]
    pub fn clean(&self, text: Vec<u8>) -> Vec<u8> {
        if self.is_in(&text) { stars(text.len()).into_bytes() } else { text }
    }
}

/// Whether `text` holds `bytes`, or [`WINDOW`] of the characters that they are in hexadecimal.
fn repeated(hexadecimal: &[u8], text: &[u8]) -> bool {
    let window = (2 * WINDOW).min(hexadecimal.len());
    hexadecimal.windows(window.max(1)).step_by(2).any(|piece| memmem::find(text, piece).is_some())
}

/// `bytes` in base64 where `before` bytes modulo 3 stand before them, without the characters that depend on their
/// neighbours.
fn base64_of(bytes: &[u8], before: usize) -> Vec<u8> {
    let text = sasl::encode(&[&[0, 0][..before.min(2)], bytes].concat()).into_bytes();
    let from = (before * 8).div_ceil(6);
    let to = (before + bytes.len()) * 8 / 6;
    text.get(from..to).unwrap_or_default().to_vec()
}

fn hexadecimal_of(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| DIGITS[usize::from(value & 15)];
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_found_too() {
        let mut hidden = Hidden::default();
        hidden.add(b"");
        assert!(!hidden.is_in(b"535 no"));
        hidden.add(b"AHRpbQB0YW5zdGFhZg==");
        hidden.add(b"abc");
        for text in ["AUTH PLAIN AHRpbQB0Y", "x QB0YW5zd x", "the abc"] {
            assert_eq!(hidden.clean(text.into()), stars(text.len()).into_bytes(), "{text}");
        }
        for text in ["535 5.7.8 no", "AHRpbQB", "a b c"] {
            assert_eq!(hidden.clean(text.into()), text.as_bytes(), "{text}");
        }
        assert_eq!(format!("{hidden:?}"), "***");
    }

    #[test]
    fn what_a_server_read_in_it_is_found_in_whatever_form_it_says_so() {
        let mut hidden = Hidden::default();
        hidden.add(b"Zq7-xKwv.9Jf");
        for before in ["", "u", "us", "user\0"] {
            let text = sasl::encode(format!("{before}Zq7-xKwv.9Jf and more").as_bytes());
            assert!(hidden.is_in(text.as_bytes()), "{text}");
        }
        for text in ["5a71372d784b77762e394a66", "got 5A71372D784B77762E394A66", "4b77762e394a66"] {
            assert_eq!(hidden.is_in(text.as_bytes()), text.len() > 14, "{text}");
        }
        assert!(!hidden.is_in(b"250 2.1.0 Ok: queued as 4b77762e39"));
        // A short one is found whole.
        let mut hidden = Hidden::default();
        hidden.add(b"ab");
        assert!(hidden.is_in(b"x6162") && hidden.is_in(b"cab") && !hidden.is_in(b"a b"));
    }
}
