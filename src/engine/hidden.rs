//! What went out in a login and may not be shown again, whoever repeats it.

use std::fmt;

use memchr::memmem;

/// Bytes in a row that are told from a coincidence.
const WINDOW: usize = 8;

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
        if !bytes.is_empty() {
            self.0.push(bytes.into());
        }
    }

    /// Whether `text` repeats one of them, or a piece of one: servers quote lines, and cut them.
    #[must_use]
    pub fn is_in(&self, text: &[u8]) -> bool {
        let repeats = |bytes: &[u8]| {
            bytes.windows(WINDOW.min(bytes.len())).any(|piece| memmem::find(text, piece).is_some())
        };
        self.0.iter().any(|bytes| repeats(bytes))
    }

    /// `text`, or stars where it repeats one of them.
    #[must_use]
    pub fn clean(&self, text: Vec<u8>) -> Vec<u8> {
        if self.is_in(&text) { stars(text.len()).into_bytes() } else { text }
    }
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
}
