//! Text of the scenario with the way back to where each of its bytes stands in the file, so that a fault in a
//! script or a pattern is underlined where it is, whatever TOML and `${ENV}` did to the text in between.

use std::ffi::OsString;
use std::ops::Range;

use crate::scenario::fault::{Fault, Faults, Place};

/// Longest value of an environment variable that is put in, in bytes.
pub(super) const ENVIRONMENT_VALUE_MAX: usize = 64 << 10;

/// Looks up an environment variable.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// A text that the user wrote, with `${ENV}` put in.
#[derive(Clone)]
pub(super) struct Text {
    /// What is used.
    pub(super) value: String,
    /// What may be shown: names of variables in place of their values.
    pub(super) shown: String,
    origin: Origin,
    /// Values of variables in `value`, with their names. Never shown.
    secrets: Vec<(String, String)>,
    /// Bytes of `value` that stand for variables which have none.
    gaps: Vec<Range<usize>>,
}

/// What stands in `Text::value` for a variable that has no value, so that the rest can be looked at.
const GAP: &str = "unset";

#[derive(Clone)]
enum Origin {
    Flag(&'static str),
    /// `pieces` cover `Text::value` in order.
    Scenario {
        span: Range<usize>,
        pieces: Vec<Piece>,
    },
}

/// A run of bytes with one origin.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    /// Bytes of the value.
    at: Range<usize>,
    /// Bytes of the file. As many where the piece is a copy; otherwise it belongs there as a whole.
    from: Range<usize>,
    /// Whether it is a copy.
    copy: bool,
}

impl Text {
    /// What was given with a flag.
    pub(super) fn flag(flag: &'static str, value: &str) -> Self {
        let (value, shown) = (value.to_owned(), value.to_owned());
        Self { value, shown, origin: Origin::Flag(flag), secrets: Vec::new(), gaps: Vec::new() }
    }

    /// The TOML string at `span` of `source`, which TOML reads as `decoded`. Faulty variables are added to
    /// `faults`, and leave [`GAP`] where they stand.
    pub(super) fn scenario(
        source: &str,
        span: Range<usize>,
        decoded: &str,
        environment: Environment<'_>,
        faults: &mut Faults,
    ) -> Self {
        let pieces = pieces_of(source, &span, decoded);
        let mut text = Self {
            value: String::with_capacity(decoded.len()),
            shown: decoded.to_owned(),
            origin: Origin::Flag(""),
            secrets: Vec::new(),
            gaps: Vec::new(),
        };
        let mut out = Vec::new();
        let mut done = 0;
        while let Some(found) = decoded[done..].find("${").map(|at| at + done) {
            // `$${` is a literal `${`.
            let literal = decoded[done..found].ends_with('$');
            let end = decoded[found..].find('}').map_or(decoded.len(), |at| at + found + 1);
            let from = if literal { found - 1..found + 2 } else { found..end };
            text.copy(&mut out, &pieces, decoded, done..from.start);
            let place = source_range(&pieces, &span, from.clone());
            let start = text.value.len();
            if literal {
                text.value.push_str("${");
            } else {
                match look_up(&decoded[from.clone()], environment) {
                    Ok((name, value)) => {
                        text.value.push_str(&value);
                        text.secrets.push((name, value));
                    }
                    Err((message, hint)) => {
                        text.value.push_str(GAP);
                        text.gaps.push(start..text.value.len());
                        faults.add(place.clone(), message, hint);
                    }
                }
            }
            out.push(Piece { at: start..text.value.len(), from: place, copy: false });
            done = from.end;
        }
        text.copy(&mut out, &pieces, decoded, done..decoded.len());
        text.origin = Origin::Scenario { span, pieces: out };
        text
    }

    /// Whether every variable has a value.
    pub(super) fn is_whole(&self) -> bool {
        self.gaps.is_empty()
    }

    /// Whether a line of the value that has a part of `part` in it also has a gap: what is wrong there may only follow from
    /// that.
    pub(super) fn has_gap_near(&self, part: &Range<usize>) -> bool {
        let line = |gap: &Range<usize>| {
            let begin = self.value[..gap.start].rfind('\n').map_or(0, |at| at + 1);
            let end = self.value[gap.end..].find('\n').map_or(self.value.len(), |at| gap.end + at);
            begin..end
        };
        self.gaps.iter().map(line).any(|line| part.start <= line.end && line.start <= part.end)
    }

    /// Whether a variable was put in.
    pub(super) fn has_variable(&self) -> bool {
        !self.secrets.is_empty()
    }

    /// The variables that were put in, with their values.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.secrets.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Bytes of the value that variables put in.
    pub(super) fn variable_parts(&self) -> impl Iterator<Item = Range<usize>> {
        let pieces: &[Piece] = match &self.origin {
            Origin::Scenario { pieces, .. } if self.has_variable() => pieces,
            _ => &[],
        };
        pieces.iter().filter(|piece| !piece.copy).map(|piece| piece.at.clone())
    }

    /// Where the whole of it stands.
    pub(super) fn place(&self) -> Place {
        match &self.origin {
            Origin::Flag(flag) => Place::Flag(flag),
            Origin::Scenario { span, .. } => Place::Scenario(span.clone()),
        }
    }

    /// Where a part of the value stands.
    pub(super) fn place_of(&self, part: Range<usize>) -> Place {
        match &self.origin {
            Origin::Flag(flag) => Place::Flag(flag),
            Origin::Scenario { span, pieces } => Place::Scenario(source_range(pieces, span, part)),
        }
    }

    /// A fault of the whole of it.
    pub(super) fn fault(&self, message: impl AsRef<str>, hint: impl AsRef<str>) -> Fault {
        self.fault_at(self.place(), message.as_ref(), hint.as_ref())
    }

    /// Moves faults that were found in the value, with offsets into it, to where they stand in the file.
    pub(super) fn adopt(&self, found: &Faults, faults: &mut Faults) {
        for fault in found.iter() {
            let place = match &fault.place {
                Place::Scenario(part) => self.place_of(part.clone()),
                other => other.clone(),
            };
            faults.push(self.fault_at(place, &fault.message, fault.hint.as_deref().unwrap_or("")));
        }
    }

    fn fault_at(&self, place: Place, message: &str, hint: &str) -> Fault {
        let hint = self.redact_values(hint);
        let message = self.redact_quotes(&self.redact_values(message));
        Fault { place, message, hint: (!hint.is_empty()).then_some(hint) }
    }

    /// Replaces what a message quotes in backticks unless the file itself says it: it may be a part of the value
    /// of a variable.
    fn redact_quotes(&self, message: &str) -> String {
        if self.secrets.is_empty() {
            return message.to_owned();
        }
        let quoted = |(index, part): (usize, &str)| match index % 2 {
            1 if !self.shown.contains(part) => "…".to_owned(),
            _ => part.to_owned(),
        };
        message.split('`').enumerate().map(quoted).collect::<Vec<_>>().join("`")
    }

    fn redact_values(&self, text: &str) -> String {
        // Shorter ones would tear other words apart, and are covered by the quotes.
        const LEAST: usize = 4;
        let mut text = text.to_owned();
        for (name, value) in self.secrets.iter().filter(|(_, value)| value.len() >= LEAST) {
            text = text.replace(value.as_str(), &format!("${{{name}}}"));
        }
        text
    }

    fn copy(&mut self, out: &mut Vec<Piece>, pieces: &[Piece], decoded: &str, part: Range<usize>) {
        let start = self.value.len();
        self.value.push_str(&decoded[part.clone()]);
        let first = pieces.partition_point(|piece| piece.at.end <= part.start);
        for piece in pieces[first..].iter().take_while(|piece| piece.at.start < part.end) {
            let (low, high) = (piece.at.start.max(part.start), piece.at.end.min(part.end));
            let from = if piece.copy {
                piece.from.start + low - piece.at.start..piece.from.start + high - piece.at.start
            } else {
                piece.from.clone()
            };
            let at = low - part.start + start..high - part.start + start;
            out.push(Piece { at, from, copy: piece.copy });
        }
    }
}

/// The variable that `reference` (`${NAME}`) names, and its value.
fn look_up(
    reference: &str,
    environment: Environment<'_>,
) -> Result<(String, String), (String, &'static str)> {
    let name = reference.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let plain = |name: &&str| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let Some(name) = name.filter(plain) else {
        let message = "`${` without the name of a variable and `}`".to_owned();
        return Err((message, "write ${NAME}, or $${ for the two characters themselves"));
    };
    let Some(value) = environment(name) else {
        return Err((
            format!("the environment variable `{name}` is not set"),
            "set it, or write $${ for the two characters themselves",
        ));
    };
    let wrong = |what: &str| Err((format!("the value of `{name}` {what}"), ""));
    match value.into_string() {
        Err(_) => wrong("is not UTF-8"),
        Ok(value) if value.contains(char::is_control) => wrong("holds a control character"),
        Ok(value) if value.len() > ENVIRONMENT_VALUE_MAX => wrong("is over 64 KiB long"),
        Ok(value) => Ok((name.to_owned(), value)),
    }
}

/// How the bytes of `decoded` lie in the TOML string at `span`.
fn pieces_of(source: &str, span: &Range<usize>, decoded: &str) -> Vec<Piece> {
    let whole = || vec![Piece { at: 0..decoded.len(), from: span.clone(), copy: false }];
    let Some(raw) = source.get(span.clone()) else { return whole() };
    let many = raw.starts_with("'''") || raw.starts_with("\"\"\"");
    let quotes = if many { 3 } else { 1 };
    let Some(mut raw) = raw.get(quotes..raw.len().saturating_sub(quotes)) else { return whole() };
    let mut start = span.start + quotes;
    if many {
        // TOML drops a line end right behind the opening quotes.
        let trimmed = raw.strip_prefix("\r\n").or(raw.strip_prefix('\n')).unwrap_or(raw);
        start += raw.len() - trimmed.len();
        raw = trimmed;
    }
    if raw == decoded {
        let from = start..start + raw.len();
        return vec![Piece { at: 0..decoded.len(), from, copy: true }];
    }
    // TOML may turn CRLF into LF.
    let (mut pieces, mut at) = (Vec::new(), 0);
    for line in raw.split_inclusive('\n') {
        let ended = line.ends_with("\r\n");
        let length = line.len() - usize::from(ended);
        let same = if ended { line.len() - 2 } else { line.len() };
        if decoded.get(at..at + same) != Some(&line[..same]) {
            return whole();
        }
        pieces.push(Piece { at: at..at + same, from: start..start + same, copy: true });
        if ended {
            let from = start + same..start + line.len();
            pieces.push(Piece { at: at + same..at + length, from, copy: false });
        }
        at += length;
        start += line.len();
    }
    if at == decoded.len() { pieces } else { whole() }
}

/// Where `part` of a value of `pieces` stands in the file; at least the whole `span`, where it is not known.
fn source_range(pieces: &[Piece], span: &Range<usize>, part: Range<usize>) -> Range<usize> {
    let position = |offset: usize, end: bool| {
        // The end of a part belongs to the piece of its last byte.
        let byte = if end && part.end > part.start { offset.saturating_sub(1) } else { offset };
        let index = pieces.partition_point(|piece| piece.at.end <= byte);
        let piece = pieces.get(index).or(pieces.last())?;
        Some(match (piece.copy, end) {
            (true, _) => {
                let inside = offset.clamp(piece.at.start, piece.at.end);
                piece.from.start + inside - piece.at.start
            }
            (false, false) => piece.from.start,
            (false, true) => piece.from.end,
        })
    };
    match (position(part.start, false), position(part.end, true)) {
        (Some(start), Some(end)) if start <= end => start..end,
        _ => span.clone(),
    }
}
