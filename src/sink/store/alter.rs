//! What a rule does to the content of a message.

use std::borrow::Cow;

use memchr::memmem;

use crate::behavior::Fate;

/// The content as it is kept; `draw` is a random number that decides which bit is flipped.
pub(super) fn altered<'c>(content: &'c [u8], fate: &Fate, draw: u64) -> Cow<'c, [u8]> {
    let mut kept = Cow::Borrowed(content);
    if let Some(name) = &fate.drop_header {
        kept = Cow::Owned(without_header(&kept, name));
    }
    if let Some(footer) = &fate.footer {
        let kept = kept.to_mut();
        kept.extend_from_slice(footer.as_bytes());
        kept.extend_from_slice(b"\r\n");
    }
    if fate.flip {
        flip(kept.to_mut(), draw);
    }
    kept
}

/// Where the body begins.
pub(super) fn body_start(content: &[u8]) -> usize {
    match memmem::find(content, b"\r\n\r\n") {
        _ if content.starts_with(b"\r\n") => 2,
        Some(at) => at + 4,
        None => content.len(),
    }
}

/// Flips one bit of the body, or of all where there is none. The low bits only, and of letters, digits and their
/// neighbours only, so that lines stay lines.
fn flip(content: &mut [u8], draw: u64) {
    let body = match body_start(content) {
        start if start < content.len() => start,
        _ => 0,
    };
    let part = &mut content[body..];
    let count = part.iter().filter(|byte| byte.is_ascii_graphic()).count() as u64;
    if count == 0 {
        return;
    }
    let chosen = usize::try_from(draw % count).unwrap_or_default();
    if let Some(byte) = part.iter_mut().filter(|byte| byte.is_ascii_graphic()).nth(chosen) {
        *byte ^= 1;
    }
}

/// The content without the header fields of that name, with their folded lines.
fn without_header(content: &[u8], name: &str) -> Vec<u8> {
    let (header, body) = content.split_at(body_start(content));
    let mut out = Vec::with_capacity(content.len());
    let mut dropping = false;
    for line in header.split_inclusive(|byte| *byte == b'\n') {
        if !matches!(line.first(), Some(b' ' | b'\t')) {
            let (own, rest) = line.split_at(name.len().min(line.len()));
            dropping = own.eq_ignore_ascii_case(name.as_bytes())
                && rest.trim_ascii_start().first() == Some(&b':');
        }
        if !dropping {
            out.extend_from_slice(line);
        }
    }
    out.extend_from_slice(body);
    out
}

/// The value of the first header field of that name, unfolded.
pub(super) fn header(content: &[u8], name: &str) -> Option<String> {
    let header = &content[..body_start(content)];
    let mut value: Option<Vec<u8>> = None;
    for line in header.split(|byte| *byte == b'\n') {
        match (&mut value, line) {
            (Some(value), [b' ' | b'\t', rest @ ..]) => {
                value.push(b' ');
                value.extend_from_slice(rest.trim_ascii());
            }
            (Some(_), _) => break,
            (None, _) => {
                let (own, rest) = line.split_at(name.len().min(line.len()));
                if own.eq_ignore_ascii_case(name.as_bytes())
                    && let Some(rest) = rest.strip_prefix(b":")
                {
                    value = Some(rest.trim_ascii().to_vec());
                }
            }
        }
    }
    value.map(|value| String::from_utf8_lossy(value.trim_ascii()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str =
        "Subject: a\r\nX-Id: 1\r\n folded\r\nMessage-ID:\r\n <1@a.test>\r\n\r\nbody\r\n";

    #[track_caller]
    fn check(fate: &Fate, want: &str) {
        let got = altered(MAIL.as_bytes(), fate, 1);
        assert_eq!(String::from_utf8_lossy(&got), want);
    }

    #[test]
    fn each_change_changes_what_it_says() {
        check(&Fate::default(), MAIL);
        check(
            &Fate { footer: Some("-- sold".into()), ..Fate::default() },
            &format!("{MAIL}-- sold\r\n"),
        );
        let dropped = MAIL.replace("X-Id: 1\r\n folded\r\n", "");
        check(&Fate { drop_header: Some("x-id".into()), ..Fate::default() }, &dropped);
        check(&Fate { drop_header: Some("X-I".into()), ..Fate::default() }, MAIL);
        check(&Fate { flip: true, ..Fate::default() }, &MAIL.replace("body", "bndy"));
    }

    #[test]
    fn odd_content_is_no_trap() {
        let all = Fate {
            flip: true,
            footer: Some(String::new()),
            drop_header: Some("a".into()),
            ..Fate::default()
        };
        for content in ["", "\r\n", "\r\n\r\n", "a", "a:", "\n\n", ": x\r\n\r\n"] {
            for draw in [0, 1, u64::MAX] {
                let _ = altered(content.as_bytes(), &all, draw);
            }
            let _ = header(content.as_bytes(), "a");
        }
        assert_eq!(body_start(b"\r\nbody"), 2);
    }

    #[test]
    fn header_fields_are_unfolded() {
        assert_eq!(header(MAIL.as_bytes(), "message-id").as_deref(), Some("<1@a.test>"));
        assert_eq!(header(MAIL.as_bytes(), "x-id").as_deref(), Some("1 folded"));
        assert_eq!(header(MAIL.as_bytes(), "body"), None);
    }
}
