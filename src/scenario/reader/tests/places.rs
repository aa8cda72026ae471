//! Faults stand where they are, whatever the file looks like around them.

use super::*;
use crate::scenario::SCENARIO_BYTES_MAX;

fn rendered(text: &str) -> String {
    read_over(text, &Overrides::default()).unwrap_err().render(false)
}

#[test]
fn several_faults_come_at_once_and_in_order() {
    check(
        "seed = -1\npreflight = \"no\"\n[load]\nsessions = 0\nfor = \"0s\"\nmessages = 0\n\
         [sink]\nreply = { rcpt = \"999 x\" }\n[timeouts]\nmial = \"5s\"\n",
        &[
            "1:8: `seed` is -1, not from 0 to 18446744073709551615",
            "2:13: `preflight` needs true or false, not text",
            "4:12: `sessions` is 0, not from 1 to 1000000",
            "5:7: `for` is zero",
            "6:12: `messages` is 0, not from 1 to 1000000000000",
            "8:18: `999` is no reply code from 200 to 599",
            "10:1: no step is named `mial`",
        ],
    );
}

#[test]
fn rendering_shows_line_column_text_and_hint() {
    expect_test::expect![[r#"
        error: unknown key `nam` in the top level
         --> the scenario:2:2
          |
        2 |     nam = "x"
          |     ^^^
          |
          = help: did you mean `name`?

        error: [load] has neither `for` nor `messages`
         --> the scenario:3:1
          |
        3 | [load]
          | ^^^^^^
          |
          = help: write for = "10s" or messages = 1000, or give --for or --messages

        2 faults in the scenario
    "#]]
    .assert_eq(&rendered("# ü\n\tnam = \"x\"\n[load]\nsessions = 1\n"));
}

#[test]
fn columns_count_characters() {
    check_part("# größe\n[[messages]]\nname = \"ü\"\nsize = 1\n", &["6:8: `ü` is not a name"]);
    check_part(
        "[data.\"größe\"]\ncsv = 1\n",
        &[
            "4:7: `größe` is not a name for a table",
            "5:7: `csv` needs text in quotes, not a whole number",
        ],
    );
    check_part("\tdrain =\t1\n", &["4:10: duration `1` has no unit"]);
}

#[test]
fn a_fault_in_a_script_is_at_its_word() {
    let at = |script: &str, want: &str| {
        let text = format!("{LOAD}[[scripts]]\nname = \"a\"\nsteps = {script}\n");
        check(&text, &[want]);
        let text = text.replace('\n', "\r\n");
        check(&text, &[want]);
    };
    at("'''\nNOOP\n  wrong # x\n'''", "8:3: unknown control word `wrong`");
    at("'''NOOP\n  wrong # x\n'''", "7:3: unknown control word `wrong`");
    at("'''XÜ {{wrong}}'''", "6:17: unknown value `wrong`");
    at("\"\"\"\nNOOP\nwrong\"\"\"", "8:1: unknown control word `wrong`");
    at("'wrong'", "6:10: unknown control word `wrong`");
    at("\"wrong\"", "6:10: unknown control word `wrong`");
}

#[test]
fn syntax_faults_come_with_the_others() {
    let report = read_over("name = \nseed = -1\n[load\nsessions = 0\n", &Overrides::default());
    let found = lines(report);
    assert!(found.len() >= 3, "{found:?}");
    assert!(found[0].starts_with("1:"), "{found:?}");
    assert!(found.iter().any(|line| line.starts_with("2:8: `seed`")), "{found:?}");
    assert!(!found.iter().any(|line| line.contains("has no")), "{found:?}");
}

#[test]
fn an_empty_file_lacks_a_load() {
    check("", &["1:1: there is no [load]"]);
    check("\u{feff}", &["1:1: there is no [load]"]);
    assert!(rendered("").contains("1 fault in the flags"), "{}", rendered(""));
    assert!(rendered("# x").contains("there is no [load]"));
}

#[test]
fn a_byte_order_mark_moves_nothing() {
    check(
        &format!("\u{feff}seed = -1\n{LOAD}"),
        &["1:9: `seed` is -1, not from 0 to 18446744073709551615"],
    );
}

#[test]
fn control_characters_are_shown_as_such() {
    let text = format!("{LOAD}[target]\nurl = \"x\\u001b[31m\\u202e\"\n");
    let shown = rendered(&text);
    assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
    let shown = rendered("a\u{1b}b = \u{202e}\n\0\n");
    assert!(!shown.contains(['\u{1b}', '\u{202e}', '\0']), "{shown:?}");
}

#[test]
fn a_file_over_the_limit_is_not_read() {
    let mut text = LOAD.to_owned();
    text.push_str(&"#".repeat(SCENARIO_BYTES_MAX - LOAD.len()));
    check(&text, &[]);
    text.push('#');
    check(&text, &["the scenario: the scenario is over 4 MiB large"]);
}

#[test]
fn deep_nesting_is_refused() {
    for part in ["[", "a=[", "{", "a={a=", "[[", "a.", "\",\".", "a.a=1\n", "[a.a]\n"] {
        let text = part.repeat(100_000);
        assert!(!lines(read_over(&text, &Overrides::default())).is_empty());
        let text = format!("{text}a = 1\n{LOAD}");
        assert!(!lines(read_over(&text, &Overrides::default())).is_empty());
    }
}

#[test]
fn faults_are_bounded() {
    let text = "x = 1\n".repeat(1000);
    let report = read_over(&text, &Overrides::default()).unwrap_err();
    assert_eq!(report.faults().len(), 100);
    assert!(report.render(false).ends_with("100 faults or more in the scenario\n"));
}

#[test]
fn a_fault_in_an_endless_line_is_shown_without_it() {
    let items = |count: usize| {
        format!("client = {{ source = [{}] }}\n{LOAD}", "\"nowhere\", ".repeat(count))
    };
    assert!(rendered(&items(10)).contains("^^^^"));
    let shown = rendered(&items(100_000));
    assert!(shown.contains("--> the scenario:1:22\n"), "{}", &shown[..200]);
    assert!(shown.len() < 20_000, "{}", shown.len());
}
