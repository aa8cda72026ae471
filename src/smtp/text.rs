//! Text of the peer, made safe for terminals and files.

use std::fmt::Write as _;

/// `bytes` as text in which nothing moves a cursor, turns the writing direction or hides: control characters,
/// invisible and bidirectional marks and bytes that are no UTF-8 are escaped, a backslash is doubled.
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '\r' => out.push_str("\\r"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                c if c.is_ascii_control() => {
                    // Writing to a String cannot fail.
                    let _ = write!(out, "\\x{:02x}", u32::from(c));
                }
                c if is_hidden(c) => {
                    let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
                }
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Characters that are not seen, or that change how their neighbours are.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_could_deceive_is_escaped() {
        let check = |bytes: &[u8], want: &str| assert_eq!(printable(bytes), want);
        check(b"250 ok", "250 ok");
        check("grüße 250".as_bytes(), "grüße 250");
        check(b"\x1b[31mred\x07", "\\x1b[31mred\\x07");
        check(b"a\\b\r\n", "a\\\\b\\r\\n");
        check("a\u{202e}b\u{200b}".as_bytes(), "a\\u{202e}b\\u{200b}");
        check(b"\xff\xc3", "\\xff\\xc3");
        check("\u{9b}x".as_bytes(), "\\u{9b}x");
    }

    proptest! {
        #[test]
        fn no_control_character_comes_through(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(printable(&bytes).chars().all(|c| !c.is_control()));
        }
    }
}
