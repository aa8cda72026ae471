//! Peer text made safe: for a terminal, which obeys control characters, and for a spreadsheet, which runs formulas.

use std::fmt::Write as _;

/// `text` with everything escaped that does not simply print: controls and broken UTF-8 as `\xNN`, characters that
/// turn the direction of text or cannot be seen as `\u{…}`. A backslash becomes `\\`, so nothing is ambiguous.
#[must_use]
pub fn escape(text: &[u8]) -> String {
    let mut safe = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            push(&mut safe, c);
        }
        for byte in chunk.invalid() {
            let _ = write!(safe, "\\x{byte:02X}");
        }
    }
    safe
}

/// The same as a cell of a CSV file: a leading `=`, `+`, `-` or `@` gets an apostrophe before it.
#[must_use]
pub fn cell(text: &[u8]) -> String {
    let safe = escape(text);
    if safe.starts_with(['=', '+', '-', '@']) { format!("'{safe}") } else { safe }
}

fn push(safe: &mut String, c: char) {
    match c {
        '\\' => safe.push_str("\\\\"),
        '\0'..='\x1f' | '\x7f' => {
            let _ = write!(safe, "\\x{:02X}", u32::from(c));
        }
        _ if is_hidden(c) => {
            let _ = write!(safe, "\\u{{{:X}}}", u32::from(c));
        }
        _ => safe.push(c),
    }
}

/// C1 controls, and characters that have no width or turn the direction of what follows.
fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{80}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &[u8], want: &str) {
        assert_eq!(cell(text), want);
    }

    #[test]
    fn what_prints_stays() {
        check("Grüße, 世界 🙂".as_bytes(), "Grüße, 世界 🙂");
        check(b"", "");
    }

    #[test]
    fn controls_are_shown() {
        check(b"\x1b[31mred\x07\r\n\t\x7f\0", "\\x1B[31mred\\x07\\x0D\\x0A\\x09\\x7F\\x00");
        check(b"a\\x0Ab", "a\\\\x0Ab");
        check(b"latin \xe9\xff", "latin \\xE9\\xFF");
        check("\u{9b}31m".as_bytes(), "\\u{9B}31m");
    }

    #[test]
    fn direction_cannot_be_turned() {
        check("a\u{202e}cba\u{2066}\u{200b}".as_bytes(), "a\\u{202E}cba\\u{2066}\\u{200B}");
    }

    #[test]
    fn formulas_are_text() {
        for start in ["=", "+", "-", "@"] {
            check(format!("{start}cmd|x").as_bytes(), &format!("'{start}cmd|x"));
        }
        check(b"a=b", "a=b");
        check(b"\t=1", "\\x09=1");
    }
}
