//! As much of Rust's grammar as the rules need: tokens with their lines, paths, and what is a test.

use std::iter::Peekable;
use std::str::Chars;

/// A word, a number, `::`, or a single sign. Comments and text in quotes are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) line: usize,
    pub(super) text: String,
    /// Whether it stands in a test: an item under `#[cfg(test)]` or `#[test]`.
    pub(super) test: bool,
}

/// A path as it is written, braces of `use` opened: `crate::a::B`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) line: usize,
    pub(super) segments: Vec<String>,
    pub(super) test: bool,
    /// How many `mod name { }` of the file stand around it.
    pub(super) depth: usize,
}

/// All tokens of a file.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::new();
    let mut line = 1;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let start = line;
        let text = match c {
            '\n' => {
                line += 1;
                continue;
            }
            c if c.is_whitespace() => continue,
            '/' if chars.peek() == Some(&'/') => {
                while chars.next_if(|c| *c != '\n').is_some() {}
                continue;
            }
            '/' if chars.peek() == Some(&'*') => {
                line += skip_comment(&mut chars);
                continue;
            }
            '"' => {
                line += skip_string(&mut chars);
                "\"".to_owned()
            }
            '\'' => quote(&mut chars),
            c if c.is_alphanumeric() || c == '_' => {
                let mut word = c.to_string();
                while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                    word.push(c);
                }
                let hashes = |chars: &Peekable<Chars<'_>>| {
                    let rest: String = chars.clone().take_while(|c| *c == '#').collect();
                    (chars.clone().nth(rest.len()) == Some('"')).then_some(rest.len())
                };
                match (word.as_str(), hashes(&chars)) {
                    ("r" | "br" | "cr", Some(count)) => {
                        line += skip_raw(&mut chars, count);
                        "\"".to_owned()
                    }
                    _ => word,
                }
            }
            ':' if chars.next_if_eq(&':').is_some() => "::".to_owned(),
            c => c.to_string(),
        };
        out.push(Token { line: start, text, test: false });
    }
    mark_tests(&mut out);
    out
}

/// After `/`: to the end of the comment, which may hold others; gives the line ends in it.
fn skip_comment(chars: &mut Peekable<Chars<'_>>) -> usize {
    chars.next();
    let (mut open, mut lines) = (1, 0);
    while let Some(c) = chars.next() {
        match c {
            '\n' => lines += 1,
            '*' if chars.next_if_eq(&'/').is_some() => open -= 1,
            '/' if chars.next_if_eq(&'*').is_some() => open += 1,
            _ => {}
        }
        if open == 0 {
            break;
        }
    }
    lines
}

/// After `"`: to the end of the text.
fn skip_string(chars: &mut Peekable<Chars<'_>>) -> usize {
    let mut lines = 0;
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\n' => lines += 1,
            '\\' => lines += usize::from(chars.next() == Some('\n')),
            _ => {}
        }
    }
    lines
}

/// After `r`: to the quote that has as many hashes behind it as the first one before it.
fn skip_raw(chars: &mut Peekable<Chars<'_>>, hashes: usize) -> usize {
    let end = format!("\"{}", "#".repeat(hashes));
    let rest: String = chars.clone().skip(hashes + 1).collect();
    let length = rest.find(&end).map_or(rest.len(), |at| at + end.len());
    let inside = &rest[..length];
    let lines = inside.matches('\n').count();
    let count = hashes + 1 + inside.chars().count();
    chars.by_ref().take(count).for_each(drop);
    lines
}

/// After `'`: a character, or a lifetime.
fn quote(chars: &mut Peekable<Chars<'_>>) -> String {
    let next = chars.clone().nth(1);
    if chars.peek() == Some(&'\\') {
        chars.next();
        chars.next();
        while chars.next().is_some_and(|c| c != '\'') {}
    } else if next == Some('\'') {
        chars.next();
        chars.next();
    }
    "'".to_owned()
}

/// Marks what stands under an attribute that names `test`.
fn mark_tests(tokens: &mut [Token]) {
    let mut at = 0;
    while at < tokens.len() {
        let inner = tokens.get(at + 1).is_some_and(|token| token.text == "!");
        let open = at + 1 + usize::from(inner);
        let attribute =
            tokens[at].text == "#" && tokens.get(open).is_some_and(|token| token.text == "[");
        if !attribute {
            at += 1;
            continue;
        }
        let close = matching(tokens, open);
        let words: Vec<&str> = tokens[open..close].iter().map(|t| t.text.as_str()).collect();
        let names_test = words.contains(&"test") && !words.contains(&"not");
        let ends_at = match (names_test, inner) {
            (false, _) => close,
            (true, true) => tokens.len(),
            (true, false) => item_end(tokens, close + 1),
        };
        if names_test {
            let end = ends_at.min(tokens.len());
            tokens[at..end].iter_mut().for_each(|token| token.test = true);
        }
        at = ends_at.max(at + 1);
    }
}

/// The index behind the item that starts at `from`: behind its `;` or its braces.
fn item_end(tokens: &[Token], from: usize) -> usize {
    let mut at = from;
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            ";" => return at + 1,
            "{" => return matching(tokens, at) + 1,
            "(" | "[" => at = matching(tokens, at),
            _ => {}
        }
        at += 1;
    }
    at
}

/// The index of the bracket that closes the one at `open`; the last token where none does.
fn matching(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len().saturating_sub(1)
}

fn is_word(token: Option<&Token>) -> bool {
    token.is_some_and(|token| token.text.starts_with(|c: char| c.is_alphabetic() || c == '_'))
}

/// All paths of a file: each leaf of a `use`, and each `a::b` elsewhere.
pub(super) fn paths(tokens: &[Token]) -> Vec<Path> {
    let mut out = Vec::new();
    // Indices of the brackets that close inline modules.
    let mut modules: Vec<usize> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        modules.retain(|end| *end > at);
        let depth = modules.len();
        let text = tokens[at].text.as_str();
        let before = at.checked_sub(1).map_or("", |before| tokens[before].text.as_str());
        if text == "mod" && tokens.get(at + 2).is_some_and(|token| token.text == "{") {
            modules.push(matching(tokens, at + 2));
        } else if text == "use" && matches!(before, "" | ";" | "}" | "{" | "]" | ")" | "pub") {
            at = tree(tokens, at + 1, depth, &[], &mut out);
            continue;
        } else if is_word(tokens.get(at)) && !matches!(before, "::" | ".") {
            let (end, segments) = chain(tokens, at);
            if segments.len() > 1 {
                let Token { line, test, .. } = tokens[at];
                out.push(Path { line, segments, test, depth });
            }
            at = end;
            continue;
        }
        at += 1;
    }
    out
}

/// The words joined by `::` from `at`, and the index behind them.
fn chain(tokens: &[Token], mut at: usize) -> (usize, Vec<String>) {
    let mut segments = vec![tokens[at].text.clone()];
    at += 1;
    while tokens.get(at).is_some_and(|token| token.text == "::") && is_word(tokens.get(at + 1)) {
        segments.push(tokens[at + 1].text.clone());
        at += 2;
    }
    (at, segments)
}

/// Adds the leaves of the `use` tree at `at` under `prefix`; gives the index behind it.
fn tree(
    tokens: &[Token],
    mut at: usize,
    depth: usize,
    prefix: &[String],
    out: &mut Vec<Path>,
) -> usize {
    let mut segments = prefix.to_vec();
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "::" => at += 1,
            "{" => {
                let end = matching(tokens, at);
                at += 1;
                while at < end {
                    at = tree(tokens, at, depth, &segments, out);
                    at += usize::from(tokens.get(at).is_some_and(|token| token.text == ","));
                }
                return end + 1;
            }
            "as" => at += 2,
            "," | ";" | "}" => break,
            word => {
                segments.push(word.to_owned());
                at += 1;
            }
        }
    }
    let last = tokens[..at].last();
    if let (Some(last), true) = (last, segments.len() > prefix.len()) {
        out.push(Path { line: last.line, segments, test: last.test, depth });
    }
    at
}
