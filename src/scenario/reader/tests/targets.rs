//! `[target]`, `[targets.NAME]` and `--target`.

use super::*;
use crate::scenario::TargetChoice;
use crate::scenario::security::TlsUse;

const TWO: &str = "[targets.a]\nurl = \"smtp://127.0.0.1:1\"\ntls = \"starttls\"\n\
                   [targets.b-2]\nurl = \"lmtp://127.0.0.1:2\"\n";

fn choose(text: &str, target: &str) -> Result<Scenario, FaultReport> {
    let target = Some(TargetChoice::parse(target).unwrap());
    read_over(&format!("{LOAD}{text}"), &Overrides { target, ..Overrides::default() })
}

/// The targets of `text` with `--target`, each as `name url tls`.
#[track_caller]
fn targets(text: &str, target: Option<&str>, want: &[&str]) {
    let scenario = match target {
        None => good(&format!("{LOAD}{text}")),
        Some(target) => choose(text, target).unwrap(),
    };
    let shown = |target: &crate::scenario::TargetSpec| {
        format!("{} {} {}", target.name, target.url, target.security.tls.name())
    };
    assert_eq!(scenario.targets.iter().map(shown).collect::<Vec<_>>(), want, "{target:?}");
    assert_eq!(scenario.target().is_some(), want.len() == 1);
}

#[test]
fn every_target_is_read_with_its_own_keys() {
    targets(TWO, None, &["a smtp://127.0.0.1:1 starttls", "b-2 lmtp://127.0.0.1:2 none"]);
    targets("[targets.x]\nurl = \"embedded:\"", None, &["x embedded: none"]);
}

#[test]
fn a_flag_picks_a_target_or_sends_its_mail_elsewhere() {
    targets(TWO, Some("b-2"), &["b-2 lmtp://127.0.0.1:2 none"]);
    targets(TWO, Some("a=smtp://127.0.0.9:9"), &["a smtp://127.0.0.9:9 starttls"]);
}

#[test]
fn a_url_alone_takes_nothing_from_several_targets() {
    targets(TWO, Some("smtp://127.0.0.9:9"), &["target smtp://127.0.0.9:9 none"]);
    let one = "[target]\nurl = \"smtp://127.0.0.1:1\"\ntls = \"starttls\"";
    targets(one, Some("smtp://127.0.0.9:9"), &["target smtp://127.0.0.9:9 starttls"]);
    targets(one, Some("target"), &["target smtp://127.0.0.1:1 starttls"]);
}

#[test]
fn a_name_that_is_no_target_is_told_with_those_that_are() {
    let report = choose(TWO, "c").unwrap_err();
    assert_eq!(report.lines(), ["--target: the scenario has no target `c`"]);
    assert!(report.render(false).contains("its targets: a, b-2"), "{report}");
    let report = choose("", "localhost").unwrap_err();
    assert_eq!(report.lines(), ["--target: the scenario has no target `localhost`"]);
    assert!(report.render(false).contains("smtp://host:port"), "{report}");
}

#[test]
fn one_target_and_several_do_not_go_together() {
    check_part(
        "[target]\nurl = \"embedded:\"\n[targets.a]\nurl = \"embedded:\"",
        &["6:2: `targets` beside [target]"],
    );
}

#[test]
fn every_fault_of_every_target_is_told() {
    check_part(
        "[targets.a]\nurl = \"ftp://x\"\n[targets.\"b c\"]\nurl = \"embedded:\"\n[targets.d]\ntls = \"yes\"",
        &[
            "5:7: target scheme `ftp://` is not known here",
            "6:10: `b c` is not a name for a target",
            "8:1: [targets.NAME] has no `url`",
            "9:7: `yes` is not a value of `tls`",
        ],
    );
    check_part("[targets]", &["4:2: 0 targets, not from 1 to 100"]);
    check_part("[targets]\nurl = \"embedded:\"", &["5:7: `targets.url` is not a table"]);
}

/// It was taken, and the session then said STARTTLS without a handshake behind it.
#[test]
fn a_written_starttls_needs_a_target_that_asks_for_it() {
    let script = "[[scripts]]\nname = \"s\"\nsteps = '''\nEHLO x\nSTARTTLS\n'''\n";
    let with = |target: &str| format!("{target}\n{script}");
    check_part(
        &with("[target]\nurl = \"smtp://127.0.0.1:1\""),
        &["10:1: STARTTLS, and the target has tls = \"none\""],
    );
    check_part(
        &with("[targets.a]\nurl = \"smtps://127.0.0.1:1\""),
        &["10:1: STARTTLS, and the target's URL is smtps://"],
    );
    // Which target it is, or what it asks for, is not known yet.
    check_part(&with(TWO), &[]);
    check_part(&with(""), &[]);
    assert!(choose(&with(TWO), "b-2").is_err());
    assert_eq!(choose(&with(TWO), "a").unwrap().targets[0].security.tls, TlsUse::Starttls);
}

#[test]
fn every_target_has_a_login_of_its_own_and_a_url_alone_has_none() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "one").unwrap();
    std::fs::write(folder.path().join("b"), "two").unwrap();
    let text = format!(
        "{LOAD}[targets.a]\nurl = \"smtp://127.0.0.1:1\"\nuser = \"tim\"\npassword_file = \"a\"\n\
         [targets.b]\nurl = \"smtp://127.0.0.1:2\"\nauth = \"plain\"\nuser = \"tom\"\npassword_file = \"b\"\n\
         [targets.c]\nurl = \"smtp://127.0.0.1:3\"\n"
    );
    let source = Source { path: Some(folder.path().join("scenario.toml")), text };
    let account = |target: &str| {
        let target = Some(TargetChoice::parse(target).unwrap());
        let overrides = Overrides { target, ..Overrides::default() };
        let scenario = read(&source, &overrides, Form::File, &no_environment).unwrap();
        let login = scenario.target().unwrap().login.clone()?;
        let (user, secret) = login.accounts(&scenario.tables)?.pop()?;
        Some(format!("{user} {}", secret.expose()))
    };
    assert_eq!(account("a").as_deref(), Some("tim one"));
    assert_eq!(account("b").as_deref(), Some("tom two"));
    assert_eq!(account("a=smtp://127.0.0.1:9").as_deref(), Some("tim one"));
    assert_eq!(account("c"), None);
    assert_eq!(account("smtp://127.0.0.1:9"), None);
}
