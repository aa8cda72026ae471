//! Parameters of MAIL and RCPT (RFC 5321 section 4.1.1.11): the syntax of each, and 555 for those that are not known.

use super::arguments::{Mail, Refusal};
use super::repertoire::{BAD_ARGUMENT, BAD_PARAMETER};
use crate::smtp::parameters::{is_xtext, packed_utc};

/// Longest ENVID (RFC 3461 section 4.4).
const ENVID_MAX: usize = 100;
/// Longest ORCPT (RFC 3461 section 4.2).
const ORCPT_MAX: usize = 500;
/// Digits of HOLDFOR (RFC 4865 section 4).
const HOLD_DIGITS: usize = 9;

/// A parameter of MAIL.
#[derive(Clone, Copy)]
enum OfMail {
    Size,
    Body,
    Smtputf8,
    RequireTls,
    Ret,
    Envid,
    /// HOLDFOR or HOLDUNTIL: one of them.
    Hold,
    MtPriority,
}

/// Reads the parameters of MAIL; `encrypted` says whether REQUIRETLS is known here (RFC 8689 section 4.2.1).
pub(super) fn of_mail(parameters: &[u8], encrypted: bool) -> Result<Mail, Refusal> {
    let (mut mail, mut seen) = (Mail::default(), 0_u16);
    for (keyword, value) in split(parameters) {
        let is = |name: &str| keyword.eq_ignore_ascii_case(name.as_bytes());
        let parameter = match () {
            () if is("SIZE") => OfMail::Size,
            () if is("BODY") => OfMail::Body,
            () if is("SMTPUTF8") => OfMail::Smtputf8,
            () if is("REQUIRETLS") && encrypted => OfMail::RequireTls,
            () if is("RET") => OfMail::Ret,
            () if is("ENVID") => OfMail::Envid,
            () if is("HOLDFOR") || is("HOLDUNTIL") => OfMail::Hold,
            () if is("MT-PRIORITY") => OfMail::MtPriority,
            () => return Err(BAD_PARAMETER),
        };
        once(&mut seen, parameter as u8)?;
        let good = match parameter {
            OfMail::Size => {
                mail.size = value.and_then(number);
                mail.size.is_some()
            }
            OfMail::Body => {
                mail.binary = is_word(value, &["BINARYMIME"]);
                mail.binary || is_word(value, &["8BITMIME", "7BIT"])
            }
            OfMail::Smtputf8 => {
                mail.utf8 = true;
                value.is_none()
            }
            OfMail::RequireTls => value.is_none(),
            OfMail::Ret => is_word(value, &["FULL", "HDRS"]),
            OfMail::Envid => {
                value.is_some_and(|id| !id.is_empty() && id.len() <= ENVID_MAX && is_xtext(id))
            }
            OfMail::Hold if is("HOLDFOR") => {
                value.is_some_and(|digits| digits.len() <= HOLD_DIGITS && number(digits).is_some())
            }
            OfMail::Hold => value.and_then(packed_utc).is_some(),
            OfMail::MtPriority => value.is_some_and(is_priority),
        };
        if !good {
            return Err(BAD_ARGUMENT);
        }
    }
    Ok(mail)
}

/// Checks the parameters of RCPT; `utf8` is what MAIL said.
pub(super) fn of_rcpt(parameters: &[u8], utf8: bool) -> Result<(), Refusal> {
    let mut seen = 0;
    for (keyword, value) in split(parameters) {
        let notify = keyword.eq_ignore_ascii_case(b"NOTIFY");
        if !notify && !keyword.eq_ignore_ascii_case(b"ORCPT") {
            return Err(BAD_PARAMETER);
        }
        once(&mut seen, u8::from(notify))?;
        let value = value.unwrap_or_default();
        if !(if notify { is_notify(value) } else { is_original_recipient(value, utf8) }) {
            return Err(BAD_ARGUMENT);
        }
    }
    Ok(())
}

/// Refuses a parameter that was there already.
fn once(seen: &mut u16, parameter: u8) -> Result<(), Refusal> {
    let before = *seen;
    *seen |= 1 << parameter;
    if before == *seen { Err(BAD_PARAMETER) } else { Ok(()) }
}

/// Keywords with their values.
fn split(parameters: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    let words = parameters.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    words.map(|word| match memchr::memchr(b'=', word) {
        Some(at) => (&word[..at], Some(&word[at + 1..])),
        None => (word, None),
    })
}

fn is_word(value: Option<&[u8]>, words: &[&str]) -> bool {
    value.is_some_and(|value| words.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes())))
}

/// Digits that fit; RFC 1870 section 3 allows up to 20 of them.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    digits
        .iter()
        .try_fold(0_u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

/// -9 to 9 (RFC 6710 section 3).
fn is_priority(value: &[u8]) -> bool {
    matches!(value, [b'0'..=b'9'] | [b'-', b'1'..=b'9'])
}

/// `NEVER`, or some of the other words, each once (RFC 3461 section 4.1).
fn is_notify(value: &[u8]) -> bool {
    let mut seen = 0;
    value.eq_ignore_ascii_case(b"NEVER")
        || value.split(|byte| *byte == b',').all(|word| {
            let known = ["SUCCESS", "FAILURE", "DELAY"];
            let at = known.iter().position(|known| word.eq_ignore_ascii_case(known.as_bytes()));
            at.and_then(|at| u8::try_from(at).ok()).is_some_and(|at| once(&mut seen, at).is_ok())
        })
}

/// A type and an address: xtext (RFC 3461 section 4.2), or UTF-8 in one of the forms of RFC 6533 section 3.
fn is_original_recipient(value: &[u8], utf8: bool) -> bool {
    let Some(at) = memchr::memchr(b';', value).filter(|_| value.len() <= ORCPT_MAX) else {
        return false;
    };
    let (kind, address) = (&value[..at], &value[at + 1..]);
    let named =
        !kind.is_empty() && kind.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    let written = if kind.eq_ignore_ascii_case(b"utf-8") {
        is_utf8_address(address) && (utf8 || address.is_ascii())
    } else {
        is_xtext(address)
    };
    named && !address.is_empty() && written
}

/// UTF-8 without what has to be written as `\x{…}`, which is a hexadecimal number of up to six digits.
fn is_utf8_address(address: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(address) else { return false };
    let mut pieces = text.split('\\');
    let plain = |text: &str| !text.contains(|c: char| c <= ' ' || "+=\x7f".contains(c));
    pieces.next().is_some_and(plain)
        && pieces.all(|piece| {
            let number = piece.strip_prefix("x{").and_then(|rest| rest.split_once('}'));
            number.is_some_and(|(digits, rest)| {
                let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
                hex && (2..=6).contains(&digits.len()) && plain(rest)
            })
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check_mail(parameters: &str, want: Result<Mail, Refusal>) {
        assert_eq!(of_mail(parameters.as_bytes(), false), want, "{parameters:?}");
    }

    #[test]
    fn parameters_of_mail() {
        let ok = |size, utf8, binary| Ok(Mail { size, utf8, binary });
        check_mail(" SIZE=10", ok(Some(10), false, false));
        check_mail("  size=10   body=8bitmime  SMTPUTF8 ", ok(Some(10), true, false));
        check_mail(" BODY=7BIT", ok(None, false, false));
        check_mail(" BODY=BinaryMIME", ok(None, false, true));
        check_mail(" SIZE=18446744073709551615", ok(Some(u64::MAX), false, false));
        for good in [
            " RET=full ENVID=a+2Bb",
            " HOLDFOR=999999999",
            " HOLDUNTIL=2030-01-31T12:00:00Z",
            " MT-PRIORITY=-9",
            " MT-PRIORITY=0",
        ] {
            check_mail(good, Ok(Mail::default()));
        }
        for bad in [
            " SIZE",
            " SIZE=",
            " SIZE=-1",
            " SIZE=1e3",
            " SIZE=18446744073709551616",
            " SMTPUTF8=1",
            " BODY",
            " BODY=x",
            " RET=HALF",
            " ENVID=",
            " ENVID=a=b",
            " ENVID=+zz",
            " HOLDFOR=1000000000",
            " HOLDFOR=1m",
            " HOLDUNTIL=2030-01-31",
            " MT-PRIORITY=10",
            " MT-PRIORITY=+1",
            " MT-PRIORITY=-0",
            " MT-PRIORITY",
        ] {
            check_mail(bad, Err(BAD_ARGUMENT));
        }
        check_mail(&format!(" ENVID={}", "x".repeat(101)), Err(BAD_ARGUMENT));
        for unknown in [
            " X",
            " REQUIRETLS",
            " SIZE=1 SIZE=2",
            " =",
            " BODY=7BIT BODY=7BIT",
            " HOLDFOR=1 HOLDUNTIL=2030-01-31T12:00:00Z",
            " NOTIFY=NEVER",
        ] {
            check_mail(unknown, Err(BAD_PARAMETER));
        }
    }

    #[test]
    fn requiretls_is_known_under_tls() {
        assert_eq!(of_mail(b" REQUIRETLS", true), Ok(Mail::default()));
        assert_eq!(of_mail(b" REQUIRETLS=1", true), Err(BAD_ARGUMENT));
    }

    #[test]
    fn parameters_of_rcpt() {
        let check = |parameters: &str, utf8, want| {
            assert_eq!(of_rcpt(parameters.as_bytes(), utf8), want, "{parameters:?}");
        };
        for good in [
            " NOTIFY=NEVER",
            " notify=success,DELAY ORCPT=rfc822;a+2Bb@c",
            " ORCPT=x-net;1-2-3",
            " ORCPT=utf-8;\\x{FC}@b.test",
        ] {
            check(good, false, Ok(()));
        }
        check(" ORCPT=utf-8;ü@b.test", true, Ok(()));
        for bad in [
            " NOTIFY",
            " NOTIFY=",
            " NOTIFY=NEVER,DELAY",
            " NOTIFY=DELAY,DELAY",
            " NOTIFY=SOON",
            " ORCPT=a@b",
            " ORCPT=rfc822;",
            " ORCPT=;a",
            " ORCPT=rfc822;a+b",
            " ORCPT=utf-8;ü@b.test",
            " ORCPT=utf-8;\\u{FC}@b.test",
            " ORCPT=utf-8;\\x{}@b.test",
        ] {
            check(bad, false, Err(BAD_ARGUMENT));
        }
        check(&format!(" ORCPT=rfc822;{}", "x".repeat(500)), false, Err(BAD_ARGUMENT));
        check(" ORCPT=a;b ORCPT=a;b", false, Err(BAD_PARAMETER));
        check(" SIZE=1", false, Err(BAD_PARAMETER));
    }

    proptest! {
        #[test]
        fn what_the_client_encodes_is_good(address in "[^\u{0}]{1,40}") {
            let mut line = b"RCPT TO:<".to_vec();
            let path = address.replace(['<', '>', '"', ' ', '\r', '\n'], "");
            line.extend_from_slice(format!("a{path}>").as_bytes());
            let mut added = line.clone();
            crate::smtp::parameters::Parameters::of(&mut added, 0).unwrap().add_original_recipient();
            prop_assert_eq!(of_rcpt(&added[line.len()..], false), Ok(()));
        }

        #[test]
        fn any_bytes_are_looked_at(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            for start in [&b""[..], b" ORCPT=utf-8;", b" NOTIFY=", b" HOLDUNTIL=", b" ENVID="] {
                let parameters = [start, &bytes].concat();
                let _ = (of_mail(&parameters, true), of_rcpt(&parameters, true));
            }
        }
    }
}
