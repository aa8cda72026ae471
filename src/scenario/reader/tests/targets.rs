//! `[target]`, `[targets.NAME]` and `--target`.

use super::*;
use crate::scenario::TargetChoice;
use crate::scenario::security::TlsUse;

const TWO: &str = "[targets.a]\nurl = \"smtp://127.0.0.1:1\"\ntls = \"starttls\"\n\
                   [targets.b-2]\nurl = \"lmtp://127.0.0.1:2\"\n";

fn choose(text: &str, target: &str) -> Result<Scenario, FaultReport> {
    let targets = target.split(' ').map(|target| TargetChoice::parse(target).unwrap()).collect();
    read_over(&format!("{LOAD}{text}"), &Overrides { targets, ..Overrides::default() })
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
        let targets = vec![TargetChoice::parse(target).unwrap()];
        let overrides = Overrides { targets, ..Overrides::default() };
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

#[test]
fn several_flags_name_several_targets() {
    targets(TWO, Some("b-2 a"), &["b-2 lmtp://127.0.0.1:2 none", "a smtp://127.0.0.1:1 starttls"]);
    let over = "a=smtp://127.0.0.1:9 smtp://h.test";
    targets(TWO, Some(over), &["a smtp://127.0.0.1:9 starttls", "h.test smtp://h.test:25 none"]);
    let names = "smtp://127.0.0.1:1 smtp://127.0.0.1:2";
    let want = ["127.0.0.1-1 smtp://127.0.0.1:1 none", "127.0.0.1-2 smtp://127.0.0.1:2 none"];
    targets("", Some(names), &want);
    targets("", Some("a=embedded:"), &["a embedded: none"]);
    // What [target] says holds for each.
    let one = "[target]\nurl = \"smtp://127.0.0.1:1\"\ntls = \"starttls\"";
    let want = ["target smtp://127.0.0.1:1 starttls", "x smtp://127.0.0.1:2 starttls"];
    targets(one, Some("target x=smtp://127.0.0.1:2"), &want);
}

#[test]
fn targets_of_flags_have_names_of_their_own() {
    let report = choose("", "a=embedded: a=smtp://h").unwrap_err();
    assert_eq!(report.lines(), ["--target: the target `a` stands twice"]);
    let report = choose(TWO, "a c").unwrap_err();
    assert_eq!(report.lines(), ["--target: the scenario has no target `c`"]);
    let report = choose("", "a=embedded: b").unwrap_err();
    assert_eq!(report.lines(), ["--target: the scenario has no target `b`"]);
}

#[test]
fn rules_narrow_to_targets_that_flags_name() {
    let rules = "['accepted{target=\"x\"} > 1%', 'accepted{target=\"h.test\"} > 1%']";
    let targets = ["x=embedded:", "smtp://h.test"].map(|text| TargetChoice::parse(text).unwrap());
    let overrides = Overrides { targets: targets.to_vec(), ..Overrides::default() };
    let found = lines(read_over(&format!("thresholds = {rules}\n{LOAD}"), &overrides));
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_cap_counts_messages() {
    let rate = |text: &str| {
        let scenario = good(&format!("{LOAD}[target]\nurl = \"embedded:\"\nmax_rate = {text}"));
        scenario.targets[0].max_rate
    };
    assert_eq!(rate("\"14 messages/s\""), Some(14.0));
    assert_eq!(rate("\"30 messages/m\""), Some(0.5));
    let check = |text: &str, want: &str| {
        check_part(&format!("[target]\nurl = \"embedded:\"\nmax_rate = {text}"), &[want]);
    };
    check("\"1 sessions/s\"", "6:12: `max_rate` counts messages");
    check("\"0 messages/s\"", "6:12: `max_rate` is zero");
    check("14", "6:12: rate `14` does not say what arrives and how often");
}

#[test]
fn a_server_to_start_is_read_in_words() {
    let own = |more: &str| {
        let text = format!("{LOAD}[target]\nurl = \"smtp://127.0.0.1:{{port}}\"\n{more}");
        good(&text).targets.remove(0)
    };
    let launch = own("start = '''./mtad -p {port} \"two words\"'''").launch.unwrap();
    assert_eq!(launch.start.words, ["./mtad", "-p", "{port}", "two words"]);
    assert_eq!((launch.ready.as_str(), launch.prepare, launch.any_port), ("220", None, true));
    let more = "start = \"x {port}\"\nprepare = \"rm -rf spool\"\nready = \"220 up\"";
    let launch = own(more).launch.unwrap();
    assert_eq!(launch.prepare.unwrap().words, ["rm", "-rf", "spool"]);
    assert_eq!(launch.ready, "220 up");
    // Another URL is somebody else's server.
    let text = "[target]\nurl = \"smtp://127.0.0.1:{port}\"\nstart = \"x {port}\"";
    assert_eq!(choose(text, "smtp://127.0.0.9").unwrap().targets[0].launch, None);
    assert!(choose(text, "target").unwrap().targets[0].launch.is_some());
}

#[test]
fn faults_of_servers_to_start() {
    let check = |more: &str, want: &[&str]| check_part(&format!("[target]\n{more}"), want);
    let url = "url = \"smtp://h:25\"\n";
    check(
        "url = \"smtp://127.0.0.1:{port}\"",
        &["5:7: {port} is chosen for a target that is started"],
    );
    check(
        &format!("{url}start = \"x -p {{port}}\""),
        &["6:9: `start` has a {port}, and `url` has not"],
    );
    check(&format!("{url}start = \" \""), &["6:9: `start` is empty"]);
    check(&format!("{url}start = \"x 'y\""), &["6:9: `start` has a quote without its end"]);
    check(
        &format!("{url}ready = \"220\"\nprepare = \"x\""),
        &[
            "6:1: `ready` means something only beside `start`",
            "7:1: `prepare` means something only beside `start`",
        ],
    );
    check(
        "url = \"embedded:\"\nstart = \"x\"",
        &["6:9: `start` beside embedded:, which is started anyway"],
    );
}

#[test]
fn blocks_are_whole_seconds() {
    let block =
        |text: &str| good(&format!("{text}{LOAD}{TWO}")).block().map(|block| block.as_secs());
    assert_eq!(block("interleave = \"5s\"\n"), Some(5));
    // A closed load takes turns anyway: ten seconds have eight blocks at least.
    assert_eq!(block(""), Some(1));
    assert_eq!(good(&format!("interleave = \"5s\"\n{LOAD}")).block(), None);
    check(&format!("interleave = \"1500ms\"\n{LOAD}"), &["1:14: blocks are whole seconds, from 1"]);
    check(&format!("interleave = \"0s\"\n{LOAD}"), &["1:14: `interleave` is zero"]);
    let open = "[load]\nrate = \"5 messages/s\"\nfor = \"10s\"\n";
    assert_eq!(good(&format!("{open}{TWO}")).block(), None);
    let interleave = Some(std::time::Duration::from_secs(3));
    let overrides = Overrides { interleave, ..Overrides::default() };
    let scenario = read_over(&format!("{open}{TWO}"), &overrides).unwrap();
    assert_eq!(scenario.block().map(|block| block.as_secs()), Some(3));
}

#[test]
fn several_targets_warm_up_for_one_time() {
    check(
        &format!("[load]\nsessions = 1\nfor = \"1s\"\nwarmup = \"steady\"\n{TWO}"),
        &["1:1: several targets, and a warm-up that each would end at another time"],
    );
}
