//! Words in the local part of a recipient that ask for something, without any file: `tempfail@example.test`.

use super::delay::Delay;
use super::effects::{Effects, End, Fate};
use super::reply::Reply;
use super::verb::SinkVerb;

/// Longest word with its argument.
const WORD_MAX: usize = 64;

/// What the word in the local part of `address` asks for, and at which command; none where it is just an address. The
/// local part may go on behind a `+`.
#[must_use]
pub fn word(address: &[u8]) -> Option<(SinkVerb, Effects)> {
    let end = address.iter().position(|byte| matches!(byte, b'@' | b'+'))?;
    let word = std::str::from_utf8(&address[..end]).ok().filter(|word| word.len() <= WORD_MAX)?;
    let word = word.to_ascii_lowercase();
    let fate = |fate| (SinkVerb::Eod, Effects { fate, ..Effects::default() });
    let reply = |text: String| {
        let reply = Some(Reply::parse(&text).ok()?);
        Some((SinkVerb::Rcpt, Effects { reply, ..Effects::default() }))
    };
    match word.as_str() {
        "tempfail" => return reply("450 4.2.0 the address asks for a temporary failure".into()),
        "permfail" => return reply("550 5.1.1 the address asks for a permanent failure".into()),
        "lose" => return Some(fate(Fate { lose: true, ..Fate::default() })),
        "twice" => return Some(fate(Fate { twice: true, ..Fate::default() })),
        "vanish" => return Some(ending(SinkVerb::Eod, End::Drop, false)),
        _ => {}
    }
    if let Some(delay) = word.strip_prefix("delay-") {
        let delay = Some(Delay::parse_simple(delay).ok()?);
        return Some((SinkVerb::Rcpt, Effects { delay, ..Effects::default() }));
    }
    for (prefix, end) in [("drop-at-", End::Drop), ("abort-at-", End::Abort)] {
        if let Some(at) = word.strip_prefix(prefix) {
            let known = [SinkVerb::Rcpt, SinkVerb::Data, SinkVerb::Eod];
            let at = SinkVerb::from_name(at).filter(|at| known.contains(at))?;
            return Some(ending(at, end, at == SinkVerb::Eod));
        }
    }
    let (code, enhanced) = word.split_once('-')?;
    if !matches!(code.as_bytes(), [b'4' | b'5', _, _]) || !is_enhanced(enhanced, code) {
        return None;
    }
    reply(format!("{code} {enhanced} the address asks for it"))
}

/// Whether the argument of a RCPT may have such a word in it: a look at one byte, so that others pay for nothing more.
#[must_use]
pub fn may_have_word(argument: &[u8]) -> bool {
    let first = argument.get(b"TO:<".len()).map(u8::to_ascii_lowercase);
    first.is_some_and(|first| b"tplvda45".contains(&first))
}

fn ending(at: SinkVerb, end: End, lose: bool) -> (SinkVerb, Effects) {
    let fate = Fate { lose, ..Fate::default() };
    (at, Effects { end: Some(end), fate, ..Effects::default() })
}

/// `4.2.1` for a code of the same class (RFC 3463 section 2).
fn is_enhanced(text: &str, code: &str) -> bool {
    let mut parts = text.split('.');
    let number = |part: &str| {
        (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    parts.next() == Some(&code[..1])
        && parts.next().is_some_and(number)
        && parts.next().is_some_and(number)
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_ask_for_what_they_say() {
        let check = |address: &str, at: SinkVerb, is: &dyn Fn(&Effects) -> bool| {
            let (got, effects) = word(address.as_bytes()).unwrap_or_else(|| panic!("{address}"));
            assert!(got == at && is(&effects), "{address}: {got:?} {effects:?}");
            assert!(may_have_word(format!("TO:<{address}>").as_bytes()), "{address}");
        };
        let code = |code| move |effects: &Effects| effects.reply.as_ref().unwrap().code == code;
        check("tempfail@d.test", SinkVerb::Rcpt, &code(450));
        check("PermFail+7@d.test", SinkVerb::Rcpt, &code(550));
        check("452-4.2.2@d.test", SinkVerb::Rcpt, &|effects| {
            effects.reply.as_ref().unwrap().text.starts_with("4.2.2 ")
        });
        check("delay-200ms@d.test", SinkVerb::Rcpt, &|effects| {
            effects.delay == Delay::parse("200ms").ok()
        });
        check("drop-at-data@d.test", SinkVerb::Data, &|effects| effects.end == Some(End::Drop));
        check("abort-at-rcpt@d.test", SinkVerb::Rcpt, &|effects| effects.end == Some(End::Abort));
        check("vanish@d.test", SinkVerb::Eod, &|effects| {
            effects.end == Some(End::Drop) && !effects.fate.lose
        });
        check("drop-at-eod@d.test", SinkVerb::Eod, &|effects| {
            effects.end == Some(End::Drop) && effects.fate.lose
        });
        check("twice@d.test", SinkVerb::Eod, &|effects| effects.fate.twice);
        check("lose+id-1@d.test", SinkVerb::Eod, &|effects| effects.fate.lose);
    }

    #[test]
    fn other_addresses_are_addresses() {
        for address in [
            "user1@d.test",
            "loser@d.test",
            "lose",
            "450@d.test",
            "450-x@d.test",
            "250-2.0.0@d.test",
            "450-5.1.1@d.test",
            "450-4.1@d.test",
            "450-4.1.1.1@d.test",
            "delay@d.test",
            "delay-x@d.test",
            "delay-200@d.test",
            "drop-at-noop@d.test",
            "drop@d.test",
            "@d.test",
            "",
        ] {
            assert_eq!(word(address.as_bytes()), None, "{address}");
        }
        assert!(!may_have_word(b"TO:<user@d.test>") && !may_have_word(b"TO:"));
    }
}
