//! Which replies a step expects: `=> 250 | 4xx`, and RFC 5321's codes where a script says nothing.

use std::ops::RangeInclusive;

use super::Expect;
use super::line::{Piece, Wrong};

const HINT: &str = "write reply codes like 250, 25x or 4xx with `|` between them";

/// Reads the alternatives behind `=>` or `expect`: never empty.
pub(super) fn parse_codes(list: Piece<'_>) -> Result<Vec<RangeInclusive<u16>>, Wrong> {
    let mut codes = Vec::new();
    let mut at = 0;
    for alternative in list.text.split('|') {
        let piece = list.part(at..at + alternative.len());
        at += alternative.len() + 1;
        let word = piece.trim();
        let Some(range) = code_range(word.text) else {
            // Nothing between two bars has no text of its own to show.
            let shown = if word.text.is_empty() { list } else { word };
            let message = format!("`{}` is not a reply code", word.text);
            return Err(Wrong::new(shown.span(), message, HINT));
        };
        if !codes.contains(&range) {
            codes.push(range);
        }
    }
    Ok(codes)
}

/// The codes of `250`, `25x` or `2xx`.
fn code_range(text: &str) -> Option<RangeInclusive<u16>> {
    let [first @ b'2'..=b'5', rest @ ..] = text.as_bytes() else { return None };
    let low = u16::from(first - b'0') * 100;
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u16::from(byte - b'0'));
    match rest {
        b"xx" => Some(low..=low + 99),
        [tens, b'x'] => digit(tens).map(|tens| low + tens * 10..=low + tens * 10 + 9),
        [tens, ones] => {
            let code = low + digit(tens)? * 10 + digit(ones)?;
            Some(code..=code)
        }
        _ => None,
    }
}

/// The success codes of a command that has no expectation of its own; `verb` in upper case.
pub(super) fn default_expect(verb: &str) -> Expect {
    // RFC 5321 section 4.3.2.
    match verb {
        "EHLO" | "LHLO" | "HELO" | "MAIL" | "RSET" | "NOOP" => Expect::codes(&[250]),
        "RCPT" => Expect::codes(&[250, 251]),
        "VRFY" => Expect::codes(&[250, 251, 252]),
        "EXPN" => Expect::codes(&[250, 252]),
        "HELP" => Expect::codes(&[211, 214]),
        "QUIT" => Expect::codes(&[221]),
        "STARTTLS" => Expect::codes(&[220]),
        // RFC 4954 section 6.
        "AUTH" => Expect::codes(&[235]),
        _ => Expect::ranges(&[200..=299]),
    }
}

/// What DATA and its end of data expect, from the codes behind one `=>` (none: the standard's).
pub(super) fn data_expect(codes: &[RangeInclusive<u16>]) -> (Expect, Expect) {
    let intermediate = |range: &&RangeInclusive<u16>| range.start() / 100 == 3;
    let refusal = |range: &&RangeInclusive<u16>| range.start() / 100 >= 4;
    // A server may refuse a message at DATA or at its end: a script that expects the refusal takes it at either.
    let mut command = vec![354..=354];
    command.extend(codes.iter().filter(intermediate).cloned());
    command.extend(codes.iter().filter(refusal).cloned());
    let mut end: Vec<_> = codes.iter().filter(|range| !intermediate(range)).cloned().collect();
    if end.is_empty() {
        end.push(250..=250);
    }
    (Expect::ranges(&command), Expect::ranges(&end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_three_characters() {
        #[track_caller]
        fn check(text: &str, want: Result<&[RangeInclusive<u16>], &str>) {
            let got = parse_codes(Piece { text, start: 0 });
            let got = got.map_err(|wrong| text[wrong.span].to_owned());
            assert_eq!(got.as_deref().map_err(String::as_str), want, "{text}");
        }
        check("250", Ok(&[250..=250]));
        check(" 250|4xx | 55x| 250", Ok(&[250..=250, 400..=499, 550..=559]));
        check("599 | 200", Ok(&[599..=599, 200..=200]));
        for bad in ["", "25", "2500", "150", "650", "xxx", "2x0", "x50", "4XX", "+25", "２50"] {
            check(bad, Err(bad));
        }
        check("250 |", Err("250 |"));
        check("250 | ok", Err("ok"));
        check("250 => 251", Err("250 => 251"));
    }

    #[test]
    fn one_list_serves_data_and_its_end() {
        #[track_caller]
        fn check(codes: &[RangeInclusive<u16>], command: Expect, end: Expect) {
            assert_eq!(data_expect(codes), (command, end));
        }
        check(&[], Expect::codes(&[354]), Expect::codes(&[250]));
        check(&[250..=250, 451..=451], Expect::codes(&[354, 451]), Expect::codes(&[250, 451]));
        check(&[355..=355], Expect::codes(&[354, 355]), Expect::codes(&[250]));
        check(&[500..=599], Expect::ranges(&[354..=354, 500..=599]), Expect::ranges(&[500..=599]));
    }
}
