//! Takes out of a text what differs from run to run, so that the rest can be held to the letter.

use std::path::Path;

/// `folder` becomes `[DIR]`, a port of loopback `[PORT]`, a time with its unit `[TIME]`, and a UTC time as in
/// names of folders `[UTC]`.
pub(crate) fn redact(text: &str, folder: &Path) -> String {
    let text = text.replace(&*folder.to_string_lossy(), "[DIR]");
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        if let Some((length, name)) = recognise(rest, &out) {
            out.push_str(name);
            rest = &rest[length..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// The length of what is replaced at the start of `rest`, and its replacement.
fn recognise(rest: &str, before: &str) -> Option<(usize, &'static str)> {
    let inside_word = |c: char| c.is_ascii_alphanumeric() || c == '.';
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    if digits == 0 {
        return None;
    }
    if before.ends_with("127.0.0.1:") || before.ends_with("[::1]:") {
        return Some((digits, "[PORT]"));
    }
    if before.ends_with(inside_word) {
        return None;
    }
    // 20261124T000102Z
    let stamp = rest.get(..16).filter(|stamp| {
        stamp.bytes().enumerate().all(|(index, byte)| match index {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        })
    });
    if stamp.is_some() {
        return Some((16, "[UTC]"));
    }
    let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let after = &rest[number..];
    let unit = after.strip_prefix(' ').unwrap_or(after);
    let unit = &unit[..unit.find(|c: char| !c.is_alphabetic()).unwrap_or(unit.len())];
    let spaces = after.len() - after.strip_prefix(' ').unwrap_or(after).len();
    matches!(unit, "us" | "µs" | "ms" | "s" | "m" | "h")
        .then_some((number + spaces + unit.len(), "[TIME]"))
}

#[test]
fn times_ports_and_paths_go_and_all_else_stays() {
    let check = |text: &str, want: &str| {
        assert_eq!(redact(text, Path::new("/tmp/.x1")), want, "{text:?}");
    };
    check("results: /tmp/.x1/out", "results: [DIR]/out");
    check("smtp://127.0.0.1:40001 took 1.25ms", "smtp://127.0.0.1:[PORT] took [TIME]");
    check("p99 12 ms, 250 2.1.5 ok, 3 sessions", "p99 [TIME], 250 2.1.5 ok, 3 sessions");
    check("results/quick-20261124T000102Z", "results/quick-[UTC]");
    check("line 3:14 of size 4KiB é", "line 3:14 of size 4KiB é");
}
