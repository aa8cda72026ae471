//! AUTH lines, and the logins that `hello` and EHLO stand for.

use expect_test::expect;

use super::*;
use crate::scenario::login::Method;
use crate::smtp::sasl::Mechanism;

fn compile(login: Option<Method>, text: &str, variables: &[&str]) -> Result<Script, String> {
    let (mut steps, mut faults) = (StepNames::default(), Faults::default());
    let part = |name: &&str| {
        let at = text.find(name).unwrap();
        OFFSET + at..OFFSET + at + name.len()
    };
    let variables: Vec<_> = variables.iter().map(part).collect();
    let setting = Setting { login, variables: &variables };
    let names = names();
    let script =
        parse_script_for(setting, text, OFFSET, "test", 1, &names, &mut steps, &mut faults);
    script.ok_or_else(|| {
        let told = faults.iter().map(|fault| {
            let Place::Scenario(span) = &fault.place else { panic!("{fault:?}") };
            format!("{:?}: {}", &text[span.start - OFFSET..span.end - OFFSET], fault.message)
        });
        told.collect::<Vec<_>>().join("\n")
    })
}

/// The operations as words, after a good compilation.
#[track_caller]
fn check_ops(login: Option<Method>, text: &str, want: &[&str]) {
    let script = compile(login, text, &[]).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(script.verify_shape(), Ok(()));
    let word = |op: &Op| match op {
        Op::Command(command) => format!("{:?}", command.verb),
        Op::Auth(auth) if auth.implied => "login".to_owned(),
        Op::Auth(_) => "AUTH".to_owned(),
        other => format!("{other:?}").split([' ', '(']).next().unwrap_or_default().to_owned(),
    };
    assert_eq!(script.ops.iter().map(word).collect::<Vec<_>>(), want, "{text}");
}

const BEST: Option<Method> = Some(Method::Best);

#[test]
fn hello_logs_in_where_the_target_asks() {
    check_ops(None, "hello", &["Ehlo", "Quit"]);
    check_ops(Some(Method::None), "hello", &["Ehlo", "Quit"]);
    check_ops(BEST, "hello\nNOOP", &["Ehlo", "login", "Other", "Quit"]);
    check_ops(
        BEST,
        "EHLO a\nrepeat 2\nhello\nend",
        &["Ehlo", "RepeatStart", "Ehlo", "login", "RepeatEnd", "Quit"],
    );
    // Jumps lead to where their partners are now.
    check_ops(
        BEST,
        "hello\nrepeat 2\nNOOP\nend\ntransaction\nMAIL FROM:<>\nRSET\nend",
        &[
            "Ehlo",
            "login",
            "RepeatStart",
            "Other",
            "RepeatEnd",
            "TransactionStart",
            "Mail",
            "Rset",
            "TransactionEnd",
            "Quit",
        ],
    );
}

#[test]
fn a_script_without_hello_logs_in_behind_its_first_ehlo() {
    check_ops(BEST, "EHLO a\nEHLO b", &["Ehlo", "login", "Ehlo", "Quit"]);
    check_ops(BEST, "HELO a", &["Helo", "Quit"]);
    // What was said before STARTTLS is forgotten.
    check_ops(
        BEST,
        "EHLO a\nSTARTTLS\nEHLO a\nEHLO b",
        &["Ehlo", "Starttls", "Ehlo", "login", "Ehlo", "Quit"],
    );
    check_ops(BEST, "hello\nSTARTTLS\nEHLO a", &["Ehlo", "Starttls", "Ehlo", "login", "Quit"]);
}

#[test]
fn a_script_with_an_auth_line_logs_in_there() {
    check_ops(BEST, "hello\nNOOP\nAUTH", &["Ehlo", "Other", "AUTH", "Quit"]);
    check_ops(
        None,
        "hello\nauth scram-sha-256 {{ users.name }} {{users.name}} => 535",
        &["Ehlo", "AUTH", "Quit"],
    );
}

#[test]
fn an_auth_line_says_who_and_how() {
    let auth = |login, text: &str, variables: &[&str]| {
        let script = compile(login, text, variables).unwrap_or_else(|faults| panic!("{faults}"));
        script.ops.into_iter().find_map(|op| match op {
            Op::Auth(auth) => Some(auth),
            _ => None,
        })
    };
    let found = auth(None, "AUTH PLAIN tim se cret", &["se cret"]).unwrap();
    assert_eq!(found.method, Some(Method::Named(Mechanism::Plain)));
    let (user, password) = found.credentials.clone().unwrap();
    assert_eq!(user, Template::text("tim"));
    assert_eq!(password.expose(), &Template::text("se cret"));
    assert!(found.expect.accepts(ReplyCode::new(235).unwrap()));
    assert!(!found.expect.accepts(ReplyCode::new(250).unwrap()));
    assert!(!format!("{found:?}").contains("cret"), "{found:?}");
    // A user from a variable may hold a space.
    let found = auth(None, "AUTH best t im pass", &["t im", "pass"]).unwrap();
    assert_eq!(found.credentials.unwrap().0, Template::text("t im"));
    let found = auth(BEST, "AUTH", &[]).unwrap();
    assert_eq!((found.method, found.credentials), (None, None));
    let found = auth(Some(Method::None), "AUTH login", &[]).unwrap();
    assert_eq!(found.method, Some(Method::Named(Mechanism::Login)));
}

#[test]
fn logins_have_their_place() {
    let faults = |login, text: &str| compile(login, text, &[]).unwrap_err();
    let mut told = String::new();
    for (login, text) in [
        (None, "AUTH"),
        (None, "AUTH plain"),
        (Some(Method::None), "AUTH"),
        (BEST, "AUTH plane"),
        (BEST, "AUTH none"),
        (BEST, "AUTH plain tim"),
        (None, "AUTH plain tim tanstaaf"),
        (None, "AUTH plain {{users.nam}} {{1..9}}"),
        (BEST, "pipeline\nAUTH\nend"),
        (BEST, "transaction\nMAIL FROM:<>\nAUTH\nend"),
        (BEST, "pipeline\nhello\nNOOP\nend"),
        (BEST, "AUTH => 1xx"),
        (BEST, "EHLO a\nSTARTTLS\nNOOP"),
    ] {
        told += &format!("{}\n", faults(login, text));
    }
    expect![[r#"
        "AUTH": AUTH without user and password
        "AUTH": AUTH without user and password
        "AUTH": AUTH without a mechanism
        "plane": unknown mechanism `plane`
        "none": unknown mechanism `none`
        "tim": AUTH with a user and no password
        "tanstaaf": a password in a script
        "users.nam": table `users` has no column `nam`
        "1..9": `{{1..9}}` has no meaning in a login
        "AUTH": AUTH in a pipeline
        "AUTH": AUTH in a transaction
        "hello": no login can follow here, and the target asks for one
        "1xx": `1xx` is not a reply code
        "EHLO": no login can follow here: STARTTLS comes first, and no EHLO behind it
    "#]]
    .assert_eq(&told);
}

#[test]
fn the_preflight_logs_in() {
    let script = compile(BEST, "hello\ntransaction\nMAIL FROM:<>\nRSET\nend", &[]).unwrap();
    let logins = script.preflight().ops.into_iter().filter(|op| matches!(op, Op::Auth(_)));
    assert_eq!(logins.count(), 1);
}
