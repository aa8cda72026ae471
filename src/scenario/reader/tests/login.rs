//! `auth`, `user` and `password` of a target.

use std::fs;

use super::*;
use crate::message::template::{Part, Template, Value};
use crate::scenario::login::{Login, Method};
use crate::scenario::script::Op;
use crate::smtp::sasl::Mechanism;

const TARGET: &str = "[target]\nurl = \"embedded:\"\n";

fn environment(name: &str) -> Option<OsString> {
    match name {
        "PASSWORD" => Some("tanstaaf".into()),
        "EMPTY" => Some("".into()),
        _ => None,
    }
}

fn read_login(text: &str, overrides: &Overrides) -> Result<Option<Login>, FaultReport> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("users.csv", b"name,password,odd\ntim,tanstaaf,\ntom,x y,z\n");
    write("secret", b"hunter2\r\n");
    write("two", b"hunter2\nhunter3\n");
    let path = folder.path().join("scenario.toml");
    let text = format!(
        "{TARGET}{text}\n[load]\nsessions = 1\nfor = \"1s\"\n[data.users]\ncsv = \"users.csv\"\n"
    );
    let source = Source { path: Some(path), text };
    read(&source, overrides, Form::File, &environment)
        .map(|scenario| scenario.targets[0].login.clone())
}

#[track_caller]
fn login(text: &str) -> Option<Login> {
    read_login(text, &Overrides::default()).unwrap_or_else(|report| panic!("{report}"))
}

#[track_caller]
fn faults(text: &str, want: &[&str]) {
    let report = read_login(text, &Overrides::default()).unwrap_err();
    let lines: Vec<String> = report
        .faults()
        .iter()
        .map(|fault| {
            let line = fault.line(&format!("{TARGET}{text}"));
            line.rsplit('/').next().unwrap_or_default().to_owned()
        })
        .collect();
    assert_eq!(lines, want, "{text}");
    let shown = format!("{report}{}", report.render(false));
    assert!(!shown.contains("tanstaaf") && !shown.contains("hunter"), "{shown}");
}

#[test]
fn a_login_is_read_whole() {
    let found = login(
        "auth = \"scram-sha-256\"\nuser = \"{{users.name}}@a.test\"\npassword = \"{{users.password}}\"\n\
         initial_response = false",
    )
    .unwrap();
    let column = |column| Part::Value(Value::Column { table: 0, column });
    assert_eq!(found.method, Method::Named(Mechanism::ScramSha256));
    let user = vec![column(0), Part::Text(b"@a.test".as_slice().into())];
    assert_eq!(found.user, Template::new(user));
    assert_eq!(found.password.expose(), &Template::new(vec![column(1)]));
    assert!(!found.initial_response);
}

#[test]
fn a_user_means_the_best_mechanism() {
    assert_eq!(login(""), None);
    assert_eq!(login("auth = \"none\""), None);
    let found = login("user = \"tim\"\npassword = \"${PASSWORD}\"").unwrap();
    assert_eq!((found.method, found.initial_response), (Method::Best, true));
    assert_eq!(found.password.expose(), &Template::text("tanstaaf"));
    assert!(!format!("{found:?}").contains("tanstaaf"));
    let found = login("auth = \"none\"\nuser = \"tim\"\npassword_file = \"secret\"").unwrap();
    assert_eq!(found.method, Method::None);
    assert_eq!(found.password.expose(), &Template::text("hunter2"));
}

#[test]
fn flags_come_before_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    fs::write(&path, "from the flag").unwrap();
    let overrides = Overrides {
        auth: Some(Method::Named(Mechanism::XOauth2)),
        user: Some("tom".to_owned()),
        password_file: Some(path),
        ..Overrides::default()
    };
    for text in ["", "auth = \"plain\"\nuser = \"tim\"\npassword = \"${PASSWORD}\""] {
        let found = read_login(text, &overrides).unwrap().unwrap();
        assert_eq!(found.method, Method::Named(Mechanism::XOauth2));
        assert_eq!(found.user, Template::text("tom"));
        assert_eq!(found.password.expose(), &Template::text("from the flag"));
    }
}

#[test]
fn a_password_is_never_in_the_file() {
    faults("user = \"tim\"\npassword = \"hunter2\"", &["4:12: a password in the scenario file"]);
    faults(
        "[[scripts]]\nname = \"a\"\nsteps = '''\nhello\nAUTH plain tim hunter2 => 535\n'''",
        &["7:16: a password in a script"],
    );
    // What cannot be read is not shown either.
    let report =
        read_over("[target]\nurl = \"embedded:\"\npassword = \"hunter2\n", &Overrides::default());
    let shown = report.unwrap_err().render(false);
    assert!(!shown.contains("hunter2"), "{shown}");
    let with_variable =
        "[[scripts]]\nname = \"a\"\nsteps = '''\nhello\nAUTH plain tim ${PASSWORD}\n'''";
    assert_eq!(login(with_variable), None);
}

#[test]
fn half_a_login_is_none() {
    faults("auth = \"plain\"", &["3:8: `auth` without `user` and a password"]);
    faults("user = \"tim\"", &["3:8: `user` without a password"]);
    faults("password_file = \"secret\"", &["3:17: a password without `user`"]);
    faults(
        "user = \"tim\"\npassword = \"${PASSWORD}\"\npassword_file = \"secret\"",
        &["5:1: `password_file` beside `password`"],
    );
    faults(
        "auth = \"plane\"\nuser = \"\"",
        &[
            "3:8: `plane` is not a value of `auth`",
            "4:8: `user` is empty or holds a control character",
        ],
    );
    faults(
        "user = \"tim\"\npassword_file = \"two\"",
        &["two: the password file is not one line of 1 to 8192 bytes of text"],
    );
    faults(
        "user = \"tim\"\npassword_file = \"gone\"",
        &["gone: the password file cannot be read: entity not found"],
    );
    faults(
        "user = \"tim\"\npassword = \"${EMPTY}\"",
        &["4:12: the password is empty or over 8192 bytes long"],
    );
    faults(
        "user = \"{{seq}}\"\npassword = \"{{1..9}}\"",
        &[
            "3:11: `{{seq}}` has no meaning in a login",
            "4:15: `{{1..9}}` has no meaning in a login",
        ],
    );
    faults(
        "user = \"{{users.name}}\"\npassword = \"{{users.odd}}\"",
        &[
            "4:12: row 1 of `users.odd` is no password: empty, too long, or with a character that SASLprep \
           (RFC 4013) forbids",
        ],
    );
}

#[test]
fn accounts_are_those_of_the_rows() {
    let scenario = |text: &str| {
        let path = tempfile::tempdir().unwrap();
        fs::write(path.path().join("users.csv"), "name,password\ntim,a\ntom,b\n").unwrap();
        let text = format!(
            "{TARGET}{text}\n{LOAD}[data.users]\ncsv = \"users.csv\"\n[data.more]\ncsv = \"users.csv\"\n"
        );
        read_in(path.path().to_str().unwrap(), &text).unwrap_or_else(|report| panic!("{report}"))
    };
    let accounts = |text: &str| {
        let scenario = scenario(text);
        let accounts = scenario.targets[0].login.as_ref().unwrap().accounts(&scenario.tables)?;
        let shown = |(user, secret): (String, crate::smtp::sasl::Secret)| {
            format!("{user}:{}", secret.expose())
        };
        Some(accounts.into_iter().map(shown).collect::<Vec<_>>())
    };
    assert_eq!(
        accounts("user = \"{{users.name}}@x\"\npassword = \"{{users.password}}\""),
        Some(vec!["tim@x:a".to_owned(), "tom@x:b".to_owned()])
    );
    assert_eq!(accounts("user = \"{{users.name}}\"\npassword = \"{{more.password}}\""), None);
}

#[test]
fn mechanisms_that_disclose_are_known_beforehand() {
    let discloses = |target: &str, scripts: &str| {
        let text = format!(
            "{TARGET}{target}\nuser = \"tim\"\npassword = \"${{PASSWORD}}\"\n{LOAD}{scripts}"
        );
        let source = Source { path: None, text };
        let read = read(&source, &Overrides::default(), Form::File, &environment);
        let scenario = read.unwrap_or_else(|report| panic!("{report}"));
        assert!(scenario.scripts[0].ops.iter().any(|op| matches!(op, Op::Auth(_))));
        scenario.discloses()
    };
    let line = |line: &str| format!("[[scripts]]\nname = \"a\"\nsteps = '''\nhello\n{line}\n'''");
    assert_eq!(discloses("auth = \"plain\"", ""), Some(Mechanism::Plain));
    assert_eq!(discloses("auth = \"best\"", ""), None);
    assert_eq!(discloses("auth = \"best\"", &line("AUTH xoauth2")), Some(Mechanism::XOauth2));
    assert_eq!(discloses("auth = \"login\"", &line("AUTH")), Some(Mechanism::Login));
    assert_eq!(discloses("auth = \"none\"", &line("AUTH cram-md5")), None);
}
