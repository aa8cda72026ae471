//! Passwords that a scenario may not hold, and that its faults may not show.

/// `text` with every password that is written into it as stars, byte for byte, so that places stay: the value of
/// `password =` and the last word of an AUTH line, unless it refers to a variable or a column. Works on any text, also
/// on what is no TOML.
pub(super) fn mask(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let from = password_value(line).or_else(|| auth_secret(line));
        let (head, tail) = line.split_at(from.unwrap_or(line.len()));
        out.push_str(head);
        match refers(tail) {
            true => out.push_str(tail),
            false => tail.chars().for_each(|c| match c {
                '\n' | '\r' | '"' | '\'' => out.push(c),
                _ => (0..c.len_utf8()).for_each(|_| out.push('*')),
            }),
        }
    }
    out
}

/// Whether a value stands elsewhere.
fn refers(text: &str) -> bool {
    text.contains("{{") || text.contains("${")
}

/// Where the value of the first `password =` begins.
fn password_value(line: &str) -> Option<usize> {
    const KEY: &str = "password";
    line.match_indices(KEY).find_map(|(at, _)| {
        let behind = &line[at + KEY.len()..];
        let value = behind.trim_start_matches(['"', '\'', ' ', '\t']).strip_prefix('=')?;
        Some(line.len() - value.trim_start().len())
    })
}

/// Where the secret of an AUTH line begins: its third argument, or the second of a line that has no third.
fn auth_secret(line: &str) -> Option<usize> {
    let rest = line.trim_start();
    let verb = rest.get(..4).filter(|verb| verb.eq_ignore_ascii_case("AUTH"))?;
    let mut rest = rest[verb.len()..].strip_prefix([' ', '\t'])?.trim_start();
    for _ in 0..2 {
        let Some((_, behind)) = rest.split_once([' ', '\t']) else { break };
        let behind = behind.trim_start();
        if behind.is_empty() || behind.starts_with("=>") || behind.starts_with('#') {
            break;
        }
        rest = behind;
    }
    Some(line.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_passwords_become_stars() {
        #[track_caller]
        fn check(text: &str, want: &str) {
            assert_eq!(mask(text), want);
            assert_eq!(mask(text).len(), text.len());
        }
        check(
            "password = \"hunter2\"\nuser = \"tim\"\n",
            "password = \"*******\"\nuser = \"tim\"\n",
        );
        check("  password='pä' # x\r\n", "  password='***'****\r\n");
        check("password = \"unclosed", "password = \"********");
        check("t = { user = \"u\", password = \"p\" }", "t = { user = \"u\", password = \"*\"**");
        check("password = \"${PASSWORD}\"\n", "password = \"${PASSWORD}\"\n");
        check("password = \"{{users.password}}\"", "password = \"{{users.password}}\"");
        check("password_file = \"secret\"", "password_file = \"secret\"");
        check("AUTH plain tim hunter2 => 535\n", "AUTH plain tim **************\n");
        check("  auth login {{u.n}} {{u.p}}\n", "  auth login {{u.n}} {{u.p}}\n");
        check("AUTH plain hunter2\n", "AUTH plain *******\n");
        check("MAIL FROM:<>\n", "MAIL FROM:<>\n");
        check("", "");
    }
}
