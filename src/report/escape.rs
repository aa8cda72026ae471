//! Peer text made safe for a spreadsheet, which runs formulas.

use crate::smtp::text::printable;

/// `text` as a cell of a CSV file: [`printable`], and a leading `=`, `+`, `-` or `@` gets an apostrophe before it.
#[must_use]
pub fn cell(text: &[u8]) -> String {
    let safe = printable(text);
    if safe.starts_with(['=', '+', '-', '@']) { format!("'{safe}") } else { safe }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &[u8], want: &str) {
        assert_eq!(cell(text), want);
    }

    #[test]
    fn formulas_are_text() {
        for start in ["=", "+", "-", "@"] {
            check(format!("{start}cmd|x").as_bytes(), &format!("'{start}cmd|x"));
        }
        check(b"a=b", "a=b");
        check(b"\t=1", "\\t=1");
    }
}
