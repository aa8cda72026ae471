//! The arguments of commands (RFC 5321 sections 4.1.1 to 4.1.3): checked, never kept.
//!
//! What is wrong with them is the reply that says so.

use super::parameters::{self, number};
use super::repertoire::{BAD_ARGUMENT, BAD_RECIPIENT, BAD_SENDER, NOT_ASCII};
use crate::smtp::parameters::closing_bracket;

/// A refusal: the whole reply line.
pub(super) type Refusal = &'static [u8];

/// What MAIL said beside the reverse-path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mail {
    /// SIZE (RFC 1870).
    pub(super) size: Option<u64>,
    /// SMTPUTF8 (RFC 6531): addresses may be non-ASCII.
    pub(super) utf8: bool,
    /// BODY=BINARYMIME (RFC 3030): the mail data comes by BDAT.
    pub(super) binary: bool,
}

/// What BDAT said (RFC 3030 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Bytes that follow the command line.
    pub(super) size: u64,
    /// The message ends with them.
    pub(super) last: bool,
}

/// Reads what follows `MAIL `; `encrypted` says whether the session is under TLS.
pub(super) fn mail(argument: &[u8], encrypted: bool) -> Result<Mail, Refusal> {
    let (path, parameters) = path(argument, b"FROM:", BAD_SENDER)?;
    // RFC 5321 section 4.5.5: a notification has the null reverse-path.
    if !path.is_empty() && !is_mailbox(path) {
        return Err(BAD_SENDER);
    }
    let mail = parameters::of_mail(parameters, encrypted)?;
    check_utf8(path, mail.utf8, BAD_SENDER)?;
    Ok(mail)
}

/// The reverse-path in what follows `MAIL `, where it can be found.
pub(super) fn reverse_path(argument: &[u8]) -> Option<&[u8]> {
    path(argument, b"FROM:", BAD_SENDER).ok().map(|(path, _)| path)
}

/// Reads what follows `RCPT ` and gives the forward-path; `utf8` is what MAIL said.
pub(super) fn rcpt(argument: &[u8], utf8: bool) -> Result<&[u8], Refusal> {
    let (path, parameters) = path(argument, b"TO:", BAD_RECIPIENT)?;
    // RFC 5321 section 4.5.1: postmaster needs no domain.
    if !path.eq_ignore_ascii_case(b"postmaster") && !is_mailbox(path) {
        return Err(BAD_RECIPIENT);
    }
    check_utf8(path, utf8, BAD_RECIPIENT)?;
    parameters::of_rcpt(parameters, utf8)?;
    Ok(path)
}

/// Reads what follows `BDAT `.
pub(super) fn chunk(argument: &[u8]) -> Result<Chunk, Refusal> {
    let mut words = words(argument);
    let size = words.next().and_then(number).ok_or(BAD_ARGUMENT)?;
    let last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case(b"LAST") => true,
        Some(_) => return Err(BAD_ARGUMENT),
    };
    match words.next() {
        None => Ok(Chunk { size, last }),
        Some(_) => Err(BAD_ARGUMENT),
    }
}

/// Whether `argument` can name a client in EHLO or HELO: one word of printable bytes. Names are not looked up, and
/// clients with odd ones are no reason to refuse mail (RFC 5321 section 4.1.4).
pub(super) fn is_client_name(argument: &[u8]) -> bool {
    !argument.is_empty() && argument.iter().all(|byte| *byte > b' ' && *byte != 0x7f)
}

/// The words between spaces.
fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b' ').filter(|word| !word.is_empty())
}

/// RFC 6531 section 3.5: 553 with X.6.7 for a non-ASCII address in a transaction without SMTPUTF8.
fn check_utf8(path: &[u8], utf8: bool, malformed: Refusal) -> Result<(), Refusal> {
    if path.is_ascii() {
        Ok(())
    } else if !utf8 {
        Err(NOT_ASCII)
    } else if std::str::from_utf8(path).is_err() {
        Err(malformed)
    } else {
        Ok(())
    }
}

/// Splits `FROM:<path> parameters` into the path without its brackets and the parameters.
fn path<'a>(
    argument: &'a [u8],
    keyword: &[u8],
    malformed: Refusal,
) -> Result<(&'a [u8], &'a [u8]), Refusal> {
    let (head, rest) = argument.split_at_checked(keyword.len()).ok_or(BAD_ARGUMENT)?;
    if !head.eq_ignore_ascii_case(keyword) {
        return Err(BAD_ARGUMENT);
    }
    let rest = rest.strip_prefix(b"<").ok_or(malformed)?;
    let end = closing_bracket(rest).ok_or(malformed)?;
    match &rest[end + 1..] {
        parameters @ ([] | [b' ', ..]) => Ok((&rest[..end], parameters)),
        _ => Err(malformed),
    }
}

/// `local-part@domain`, after a source route that is ignored (RFC 5321 appendix C).
fn is_mailbox(path: &[u8]) -> bool {
    let mailbox = match path {
        [b'@', ..] => match memchr::memchr(b':', path) {
            Some(at) if path[..at].split(|byte| *byte == b',').all(is_route_hop) => &path[at + 1..],
            _ => return false,
        },
        _ => path,
    };
    let local = match mailbox {
        [b'"', rest @ ..] => match quoted_length(rest) {
            Some(length) => length + 1,
            None => return false,
        },
        _ => mailbox.iter().take_while(|byte| is_atext(**byte) || **byte == b'.').count(),
    };
    let (local, rest) = mailbox.split_at(local);
    let local_is_good = local.first() == Some(&b'"')
        || local.split(|byte| *byte == b'.').all(|atom| !atom.is_empty());
    local_is_good && matches!(rest, [b'@', domain @ ..] if is_domain(domain))
}

fn is_route_hop(hop: &[u8]) -> bool {
    matches!(hop, [b'@', domain @ ..] if is_domain(domain))
}

/// How many bytes a quoted string has after its opening quote, the closing one included.
fn quoted_length(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    for (index, byte) in text.iter().enumerate() {
        match byte {
            0..=31 | 127 => return None,
            b'"' if !escaped => return Some(index + 1),
            _ => escaped = *byte == b'\\' && !escaped,
        }
    }
    None
}

/// RFC 5322 section 3.2.3, with non-ASCII bytes (RFC 6531 section 3.3).
fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

/// A domain or an address literal (RFC 5321 section 4.1.2).
fn is_domain(domain: &[u8]) -> bool {
    if let [b'[', literal @ .., b']'] = domain {
        let dcontent = |byte: &u8| matches!(byte, 33..=90 | 94..=126);
        return !literal.is_empty() && literal.iter().all(dcontent);
    }
    domain.split(|byte| *byte == b'.').all(|label| {
        let letter = |byte: &u8| byte.is_ascii_alphanumeric() || *byte >= 0x80;
        let ends = label.first().is_some_and(letter) && label.last().is_some_and(letter);
        ends && label.iter().all(|byte| letter(byte) || *byte == b'-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_mail(argument: &str, want: Result<Mail, Refusal>) {
        assert_eq!(mail(argument.as_bytes(), false), want, "{argument:?}");
    }

    #[test]
    fn good_reverse_paths() {
        for path in [
            "",
            "a@b",
            "a.b+c@sender.test",
            "A@[127.0.0.1]",
            "a@[IPv6:::1]",
            "\"a b\"@c.test",
            "\">\\\"\"@c.test",
            "\"a\\\\\"@c.test",
            "@hop.test,@hop2.test:a@b.test",
            "a@xn--a-b.test",
            "#!$%&'*+-/=?^_`{|}~@b",
        ] {
            check_mail(&format!("FROM:<{path}>"), Ok(Mail::default()));
            check_mail(&format!("from:<{path}> "), Ok(Mail::default()));
        }
    }

    #[test]
    fn bad_reverse_paths() {
        for path in [
            "a",
            "@b",
            "a@",
            "a@b.",
            "a@.b",
            "a..b@c",
            ".a@b",
            "a.@b",
            "a b@c",
            "a@b c",
            "a@b_c",
            "a@-b",
            "a@b-",
            "a@@b",
            "<a@b>",
            "\"a@b",
            "\"a\"b@c",
            "a\"b\"@c",
            "a@[",
            "a@[]",
            "a@[a b]",
            "@a:b",
            "@a,b:c@d",
            "a\r@b",
            "a\0@b",
            "postmaster",
            "\"\x01\"@b",
        ] {
            check_mail(&format!("FROM:<{path}>"), Err(BAD_SENDER));
        }
        for argument in ["FROM: <a@b>", "FROM:a@b", "FROM:<a@b", "FROM:<a@b>x", "FROM:", "FROM:\"<"]
        {
            check_mail(argument, Err(BAD_SENDER));
        }
        for argument in ["", "FROM", "TO:<a@b>", "FROM <a@b>"] {
            check_mail(argument, Err(BAD_ARGUMENT));
        }
    }

    #[test]
    fn addresses_beyond_ascii_need_smtputf8() {
        check_mail("FROM:<ö@b>", Err(NOT_ASCII));
        check_mail("FROM:<ö@ß.test> SMTPUTF8", Ok(Mail { utf8: true, ..Mail::default() }));
        assert_eq!(mail(b"FROM:<\xff@b> SMTPUTF8", false), Err(BAD_SENDER));
        assert_eq!(rcpt("TO:<ö@b>".as_bytes(), false), Err(NOT_ASCII));
        assert_eq!(rcpt("TO:<ö@b>".as_bytes(), true), Ok("ö@b".as_bytes()));
    }

    #[test]
    fn forward_paths() {
        for good in ["TO:<a@b>", "to:<Postmaster>", "TO:<postmaster@b> "] {
            assert!(rcpt(good.as_bytes(), false).is_ok(), "{good:?}");
        }
        for bad in ["TO:<>", "TO:<a>", "TO:a@b", "TO: <a@b>"] {
            assert_eq!(rcpt(bad.as_bytes(), false), Err(BAD_RECIPIENT), "{bad:?}");
        }
        assert_eq!(rcpt(b"TO:<a@b> NOTIFY=NEVER", false), Ok(&b"a@b"[..]));
        assert_eq!(rcpt(b"TO:<a@b> NOTIFY=SOON", false), Err(BAD_ARGUMENT));
        assert_eq!(rcpt(b"FROM:<a@b>", false), Err(BAD_ARGUMENT));
    }

    #[test]
    fn chunks() {
        assert_eq!(chunk(b"0"), Ok(Chunk { size: 0, last: false }));
        assert_eq!(chunk(b"86 last"), Ok(Chunk { size: 86, last: true }));
        for bad in ["", "x", "-1", "1 FIRST", "1 LAST LAST", "LAST", "99999999999999999999999"] {
            assert_eq!(chunk(bad.as_bytes()), Err(BAD_ARGUMENT), "{bad:?}");
        }
    }
}
