//! The arguments of commands (RFC 5321 sections 4.1.1 to 4.1.3): checked, never kept.
//!
//! What is wrong with them is the reply that says so.

use super::repertoire::{
    BAD_ARGUMENT, BAD_PARAMETER, BAD_RECIPIENT, BAD_SENDER, BINARYMIME, NOT_ASCII,
};

/// A refusal: the whole reply line.
pub(super) type Refusal = &'static [u8];

/// What MAIL said beside the reverse-path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mail {
    /// SIZE (RFC 1870).
    pub(super) size: Option<u64>,
    /// SMTPUTF8 (RFC 6531): addresses may be non-ASCII.
    pub(super) utf8: bool,
}

/// What BDAT said (RFC 3030 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Bytes that follow the command line.
    pub(super) size: u64,
    /// The message ends with them.
    pub(super) last: bool,
}

/// Reads what follows `MAIL `.
pub(super) fn mail(argument: &[u8]) -> Result<Mail, Refusal> {
    let (path, parameters) = path(argument, b"FROM:", BAD_SENDER)?;
    // RFC 5321 section 4.5.5: a notification has the null reverse-path.
    if !path.is_empty() && !is_mailbox(path) {
        return Err(BAD_SENDER);
    }
    let (mut mail, mut body) = (Mail::default(), false);
    for parameter in words(parameters) {
        let (keyword, value) = match memchr::memchr(b'=', parameter) {
            Some(at) => (&parameter[..at], Some(&parameter[at + 1..])),
            None => (parameter, None),
        };
        if keyword.eq_ignore_ascii_case(b"SIZE") && mail.size.is_none() {
            mail.size = Some(value.and_then(number).ok_or(BAD_ARGUMENT)?);
        } else if keyword.eq_ignore_ascii_case(b"BODY") && !body {
            body = true;
            check_body(value.unwrap_or_default())?;
        } else if keyword.eq_ignore_ascii_case(b"SMTPUTF8") && !mail.utf8 {
            // RFC 6531 section 3.4: the parameter has no value.
            mail.utf8 = value.is_none();
            if !mail.utf8 {
                return Err(BAD_ARGUMENT);
            }
        } else {
            return Err(BAD_PARAMETER);
        }
    }
    check_utf8(path, mail.utf8, BAD_SENDER)?;
    Ok(mail)
}

/// Reads what follows `RCPT `; `utf8` is what MAIL said.
pub(super) fn rcpt(argument: &[u8], utf8: bool) -> Result<(), Refusal> {
    let (path, parameters) = path(argument, b"TO:", BAD_RECIPIENT)?;
    // RFC 5321 section 4.5.1: postmaster needs no domain.
    if !path.eq_ignore_ascii_case(b"postmaster") && !is_mailbox(path) {
        return Err(BAD_RECIPIENT);
    }
    check_utf8(path, utf8, BAD_RECIPIENT)?;
    if words(parameters).next().is_some() {
        return Err(BAD_PARAMETER);
    }
    Ok(())
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

/// Digits that fit; RFC 1870 section 3 allows up to 20 of them.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    digits
        .iter()
        .try_fold(0_u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

/// RFC 6152 has 7BIT and 8BITMIME; BINARYMIME belongs to RFC 3030, and this server does not announce it.
fn check_body(value: &[u8]) -> Result<(), Refusal> {
    if value.eq_ignore_ascii_case(b"8BITMIME") || value.eq_ignore_ascii_case(b"7BIT") {
        Ok(())
    } else if value.eq_ignore_ascii_case(b"BINARYMIME") {
        Err(BINARYMIME)
    } else {
        Err(BAD_ARGUMENT)
    }
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

/// The first `>` outside quotes.
fn closing_bracket(text: &[u8]) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    text.iter().position(|byte| {
        let end = *byte == b'>' && !quoted;
        quoted ^= *byte == b'"' && !escaped;
        escaped = quoted && *byte == b'\\' && !escaped;
        end
    })
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
        assert_eq!(mail(argument.as_bytes()), want, "{argument:?}");
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
    fn mail_parameters() {
        let check = |parameters: &str, want| check_mail(&format!("FROM:<a@b>{parameters}"), want);
        let ok = |size, utf8| Ok(Mail { size, utf8 });
        check(" SIZE=10", ok(Some(10), false));
        check("  size=10   body=8bitmime  SMTPUTF8 ", ok(Some(10), true));
        check(" BODY=7BIT", ok(None, false));
        check(" SIZE=18446744073709551615", ok(Some(u64::MAX), false));
        for bad in [
            " SIZE",
            " SIZE=",
            " SIZE=-1",
            " SIZE=1e3",
            " SIZE=18446744073709551616",
            " SMTPUTF8=1",
            " BODY",
            " BODY=x",
        ] {
            check(bad, Err(BAD_ARGUMENT));
        }
        check(" BODY=BINARYMIME", Err(BINARYMIME));
        for unknown in [" X", " RET=FULL", " SIZE=1 SIZE=2", " =", " BODY=7BIT BODY=7BIT"] {
            check(unknown, Err(BAD_PARAMETER));
        }
    }

    #[test]
    fn addresses_beyond_ascii_need_smtputf8() {
        check_mail("FROM:<ö@b>", Err(NOT_ASCII));
        check_mail("FROM:<ö@ß.test> SMTPUTF8", Ok(Mail { size: None, utf8: true }));
        assert_eq!(mail(b"FROM:<\xff@b> SMTPUTF8"), Err(BAD_SENDER));
        assert_eq!(rcpt("TO:<ö@b>".as_bytes(), false), Err(NOT_ASCII));
        assert_eq!(rcpt("TO:<ö@b>".as_bytes(), true), Ok(()));
    }

    #[test]
    fn forward_paths() {
        for good in ["TO:<a@b>", "to:<Postmaster>", "TO:<postmaster@b> "] {
            assert_eq!(rcpt(good.as_bytes(), false), Ok(()), "{good:?}");
        }
        for bad in ["TO:<>", "TO:<a>", "TO:a@b", "TO: <a@b>"] {
            assert_eq!(rcpt(bad.as_bytes(), false), Err(BAD_RECIPIENT), "{bad:?}");
        }
        assert_eq!(rcpt(b"TO:<a@b> NOTIFY=NEVER", false), Err(BAD_PARAMETER));
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
