//! The arguments of `DATA` and `BDAT`, which are the script's own: the engine writes these commands itself.

use std::ops::RangeInclusive;

use super::expect::data_expect;
use super::line::{Piece, Wrong};
use super::{Bdat, Cut, Data, Expect};
use crate::scenario::names::Names;
use crate::scenario::nearest::hint_nearest;
use crate::units::{parse_range, parse_share, parse_size};

/// Reads `[name] [drop|abort at P%[..P%]]`. No kind of message can be named like the two words.
pub(super) fn parse_data(
    arguments: Piece<'_>,
    codes: &[RangeInclusive<u16>],
    names: &Names,
) -> Result<Data, Wrong> {
    let (mut word, mut rest) = arguments.split_word();
    let mut message = None;
    if !matches!(word.text, "" | "drop" | "abort") {
        message = Some(message_kind(word, names)?);
        (word, rest) = rest.split_word();
    }
    let cut = match word.text {
        "" => None,
        "drop" | "abort" => Some(Cut { abort: word.text == "abort", at: cut_place(word, rest)? }),
        other => {
            let message = format!("`{other}` has no meaning behind DATA");
            return Err(Wrong::new(word.span(), message, "write `DATA name drop at 10%..90%`"));
        }
    };
    let (expect_data, expect_eod) = data_expect(codes);
    Ok(Data { message, expect_data, expect_eod, cut })
}

/// Reads `at P%[..P%]` behind `word`.
fn cut_place(word: Piece<'_>, arguments: Piece<'_>) -> Result<RangeInclusive<f64>, Wrong> {
    let hint = format!("write `{} at 50%` or `{} at 10%..90%`", word.text, word.text);
    let (at, shares) = arguments.split_word();
    if at.text != "at" || shares.text.is_empty() {
        let span = if at.text.is_empty() || at.text == "at" { word.span() } else { at.span() };
        let message = format!("`{}` does not say where it breaks off", word.text);
        return Err(Wrong::new(span, message, hint));
    }
    // A bare number would be a fraction here: 50 is too much, and 0.5 would be read as half a percent.
    if !shares.text.split("..").all(|share| share.trim_end().ends_with('%')) {
        return Err(Wrong::new(
            shares.span(),
            format!("`{}` has no percent sign", shares.text),
            hint,
        ));
    }
    parse_range(shares.text, parse_share)
        .map_err(|error| Wrong::new(shares.span(), error.message, error.hint))
}

/// Reads `[name] [chunk SIZE]`. No kind of message can be named `chunk`.
pub(super) fn parse_bdat(
    arguments: Piece<'_>,
    codes: &[RangeInclusive<u16>],
    names: &Names,
) -> Result<Bdat, Wrong> {
    let (mut word, mut rest) = arguments.split_word();
    let mut message = None;
    if !matches!(word.text, "" | "chunk") {
        message = Some(message_kind(word, names)?);
        (word, rest) = rest.split_word();
    }
    let chunk = match word.text {
        "" => None,
        "chunk" if rest.text.is_empty() => {
            return Err(Wrong::new(word.span(), "`chunk` has no size", "write `chunk 64KiB`"));
        }
        "chunk" => match parse_size(rest.text) {
            Ok(0) => {
                return Err(Wrong::new(rest.span(), "a chunk has at least one byte", ""));
            }
            Ok(size) => Some(size),
            Err(error) => return Err(Wrong::new(rest.span(), error.message, error.hint)),
        },
        other => {
            let message = format!("`{other}` has no meaning behind BDAT");
            return Err(Wrong::new(word.span(), message, "write `BDAT name chunk 64KiB`"));
        }
    };
    let expect = if codes.is_empty() { Expect::codes(&[250]) } else { Expect::ranges(codes) };
    Ok(Bdat { message, chunk, expect })
}

/// The index of the kind of message that `word` names.
fn message_kind(word: Piece<'_>, names: &Names) -> Result<usize, Wrong> {
    names.messages.iter().position(|name| name == word.text).ok_or_else(|| {
        let list = match names.messages.as_slice() {
            [] => "this scenario names no messages".to_owned(),
            known => format!("messages of this scenario: {}", known.join(", ")),
        };
        let hint = hint_nearest(word.text, names.messages.iter().map(String::as_str), &list);
        Wrong::new(word.span(), format!("unknown message `{}`", word.text), hint)
    })
}
