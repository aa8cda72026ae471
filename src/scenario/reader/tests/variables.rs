//! `${ENV}`: put in before a value is used, shown nowhere.

use super::*;

const SECRET: &str = "hunter2 and more";

/// Reads `text` below a complete load with a few variables set.
fn read_with(text: &str) -> Result<Scenario, FaultReport> {
    let environment = |name: &str| {
        let value = match name {
            "URL" => "smtp://127.0.0.1:2525",
            "TEN" => "10",
            "SECRET" => SECRET,
            "LINES" => "a\r\nb",
            "BRACES" => "{{seq}}",
            "COMMENT" => "a # b",
            "EXPECT" => "a => 250",
            "PASS" => "pa#ss=>",
            "EMPTY" => "",
            _ => return None,
        };
        Some(OsString::from(value))
    };
    let source = Source { path: None, text: format!("{LOAD}{text}") };
    read(&source, &Overrides::default(), Form::File, &environment)
}

#[track_caller]
fn check(text: &str, want: &[&str]) {
    let result = read_with(text);
    if let Err(report) = &result {
        let shown = format!("{}{report}", report.render(true));
        for word in ["hunter2", "and more"] {
            assert!(!shown.contains(word), "{shown}");
        }
    }
    assert_eq!(lines(result), want, "{text}");
}

#[test]
fn values_are_put_in() {
    let scenario =
        read_with("[target]\nurl = \"${URL}\"\n[senders]\npattern = \"${TEN}@x${EMPTY}$${TEN}\"");
    let scenario = scenario.unwrap();
    assert_eq!(scenario.targets[0].url.to_string(), "smtp://127.0.0.1:2525");
    assert!(scenario.text.contains("${URL}"));
    let crate::message::AddressSource::Pattern(pattern) = scenario.mail.senders.source else {
        panic!("a pattern");
    };
    let mut out = Vec::new();
    pattern.render(&mut out, |_, _| {});
    assert_eq!(out, b"10@x${TEN}");
    check("messages = \"${TEN}\"\nmessages_per_session = \"1..${TEN}\"", &[]);
    check("messages = \"10\"", &["4:12: `10` is not a value of `messages`"]);
}

#[test]
fn a_variable_that_is_not_set() {
    check("[target]\nurl = \"x${NOPE}\"", &["5:9: the environment variable `NOPE` is not set"]);
}

#[test]
fn a_reference_that_is_none() {
    for text in ["${", "${}", "${a b}", "${1}", "${TEN"] {
        check(
            &format!("[client]\nname = '{text}x'"),
            &["5:9: `${` without the name of a variable and `}`"],
        );
    }
}

#[test]
fn a_value_with_a_line_end() {
    check(
        "[client]\nname = \"x.${LINES}\"",
        &["5:11: the value of `LINES` holds a control character"],
    );
}

#[test]
fn a_value_that_reads_as_template_or_comment() {
    check(
        "[senders]\npattern = \"${BRACES}\"",
        &["5:11: the value of `BRACES` holds `{{` or `}}`"],
    );
    let script = |line: &str| format!("[[scripts]]\nname = \"a\"\nsteps = '''\n{line}\n'''\n");
    for name in ["COMMENT", "EXPECT"] {
        let want =
            format!("6:9: the value of `{name}` holds a word that begins with `#` or is `=>`");
        check(&script(&format!("XPASS ${{{name}}}")), &[&want]);
    }
    check(&script("XPASS ${PASS}"), &[]);
}

#[test]
fn faults_behind_a_variable_stand_at_their_place() {
    let text =
        "[[scripts]]\nname = \"a\"\nsteps = '''\nX ${SECRET} ${TEN} {{wrong}} $${ wrong2\n'''\n";
    check(text, &["7:22: unknown value `wrong`"]);
    check(&text.replace('\n', "\r\n"), &["7:22: unknown value `wrong`"]);
}

#[test]
fn secrets_are_never_shown() {
    check("[target]\nurl = \"${SECRET}\"", &["5:7: target `${SECRET}` is not a URL"]);
    check(
        "[senders]\naddresses = [\"${SECRET}\"]",
        &["5:14: address `${SECRET}` holds a space outside of quotes"],
    );
    check("[data.x]\ncsv = \"${SECRET}.csv\"", &["5:7: `${SECRET}.csv` does not exist"]);
    check("[timeouts]\nstep = \"${SECRET}\"", &["5:8: `${SECRET}` is not a duration"]);
    check("[[messages]]\nsize = \"${SECRET}..${SECRET}\"", &["5:8: `${SECRET}` is not a size"]);
    check("[[messages]]\nname = \"x${TEN}!\"\nsize = 1", &["5:8: `…` is not a name"]);
}

#[test]
fn a_variable_that_is_not_set_hides_no_other_fault_of_its_script() {
    let script = |lines: &str| format!("[[scripts]]\nname = \"a\"\nsteps = '''\n{lines}\n'''");
    let unset = "8:6: the environment variable `NOPE` is not set";
    check(&script("hello\nVRFY ${NOPE}\nQUIT"), &[unset]);
    // What stands in its own line may only follow from it.
    let number = "9:8: `repeat` takes a whole number from 1 to 1000000";
    let text = script("hello\nVRFY ${NOPE} => many\nrepeat x\nNOOP\nend\nQUIT");
    check(&text, &[unset, number]);
}
