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

/// What [`printable`] made `text` of. Text that it did not make stays as it is where it makes no sense.
#[must_use]
pub fn from_printable(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escaped = &rest[at..];
        let (meant, length) = meant_by(escaped).unwrap_or((vec![b'\\'], 1));
        bytes.extend_from_slice(&meant);
        rest = &escaped[length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// The bytes that an escape at the start of `text` stands for, and its length.
fn meant_by(text: &str) -> Option<(Vec<u8>, usize)> {
    let plain = |byte: u8| Some((vec![byte], 2));
    match text.as_bytes().get(1)? {
        b'\\' => plain(b'\\'),
        b'r' => plain(b'\r'),
        b'n' => plain(b'\n'),
        b't' => plain(b'\t'),
        b'x' => Some((vec![u8::from_str_radix(text.get(2..4)?, 16).ok()?], 4)),
        b'u' => {
            let digits = text[2..].strip_prefix('{')?.split_once('}')?.0;
            let meant = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
            Some((meant.to_string().into_bytes(), digits.len() + 4))
        }
        _ => None,
    }
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

    #[test]
    fn text_that_nobody_escaped_stays() {
        for text in [
            "\\",
            "\\q",
            "\\x",
            "\\x4",
            "\\xg0",
            "\\u",
            "\\u{",
            "\\u{}",
            "\\u{110000}",
            "a\\x\u{e9}",
        ] {
            assert_eq!(from_printable(text), text.as_bytes(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_was_escaped_comes_back(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(from_printable(&printable(&bytes)), bytes);
        }

        #[test]
        fn any_text_is_read(text in any::<String>()) {
            let _ = from_printable(&text);
        }

        #[test]
        fn any_escape_is_read(text in "[\\\\xu{}0-9a-f+ é]{0,12}") {
            let _ = from_printable(&text);
        }

        #[test]
        fn no_control_character_comes_through(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(printable(&bytes).chars().all(|c| !c.is_control()));
        }
    }
}
