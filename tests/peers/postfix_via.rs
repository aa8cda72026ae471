//! Sessions that speak for other clients, against Postfix: the client that it logs with each message is the one that
//! the table gave the session.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use tempfile::TempDir;

use crate::postfix::Postfix;
use crate::probe;
use crate::program::Smtpbench;
use crate::root::{Missing, here};
use crate::table::Table;

const MESSAGES: u64 = 500;
const CLIENTS: usize = 100;
const LIMIT: Duration = Duration::from_secs(180);

/// Everybody may send, whoever he says he is.
const MAIN: &str = "\
inet_protocols = all
mynetworks = 0.0.0.0/0, [::]/0
smtpd_authorized_xclient_hosts = 127.0.0.0/8
";

/// Postfix with a second port that expects a PROXY header.
fn start() -> Result<(Postfix, SocketAddr), Missing> {
    let proxied = probe::free_address()?;
    let service =
        format!("{proxied} inet n - n - - smtpd -o smtpd_upstream_proxy_protocol=haproxy\n");
    Ok((Postfix::start_with(MAIN, &service)?, proxied))
}

/// The address of client `n`: every third one is IPv6, as Postfix writes it.
fn address(n: usize) -> String {
    match n % 3 {
        0 => format!("2001:db8::{:x}", n + 1),
        _ => format!("192.0.2.{n}"),
    }
}

/// Sends [`MESSAGES`], one a session, with the row's own user in the reverse-path.
fn send(target: SocketAddr, client: &str) -> Table {
    let folder = TempDir::new().unwrap();
    let (scenario, out) = (folder.path().join("via.toml"), folder.path().join("out"));
    let mut table = "ip,user\n".to_owned();
    for n in 0..CLIENTS {
        writeln!(table, "{},user{n}", address(n)).unwrap();
    }
    fs::write(folder.path().join("clients.csv"), table).unwrap();
    let text = format!(
        r#"
name = "via"

[target]
url = "smtp://{target}"

[load]
sessions = 10
messages = {MESSAGES}
messages_per_session = 1

[data.clients]
csv = "clients.csv"

[client]
address = "{{{{clients.ip}}}}"
{client}

[[scripts]]
name = "submit"
steps = '''
hello
transaction
  MAIL FROM:<{{{{clients.user}}}}@sender.test>
  RCPT TO:<{{{{recipient}}}}>
  DATA
end
'''
"#
    );
    fs::write(&scenario, text).unwrap();
    let finished = Smtpbench::new(&["run", "--quiet"])
        .arg(&scenario)
        .arg("--out")
        .arg(&out)
        .limit(LIMIT)
        .run()
        .code(&[0]);
    let outcomes = Table::read(&out, "outcomes.csv");
    let accepted = [("unit", "message"), ("outcome", "accepted")];
    assert_eq!(outcomes.sum("count", &accepted), MESSAGES, "{finished}");
    Table::read(&out, "latency.csv")
}

/// What a log says of each message that was queued: the client, and the local part of its reverse-path.
fn clients(log: &str) -> Vec<(String, String)> {
    let mut by_id = HashMap::new();
    let mut messages = BTreeMap::new();
    for (id, text) in log.lines().filter_map(|line| line.split_once("]: ")?.1.split_once(": ")) {
        if let Some(client) = text.strip_prefix("client=") {
            by_id.insert(id, client.to_owned());
        } else if let Some(rest) = text.strip_prefix("from=<")
            && text.contains(", nrcpt=")
            && let Some((user, _)) = rest.split_once('@')
        {
            messages.insert(id, user.to_owned());
        }
    }
    let client = |id| by_id.get(id).cloned().unwrap_or_default();
    messages.into_iter().map(|(id, user)| (client(id), user)).collect()
}

/// Every message of the log from `begin` on has the client of its row; `shown` is how Postfix writes row `n`.
#[track_caller]
fn check(postfix: &Postfix, begin: usize, already: u64, shown: impl Fn(usize) -> String) {
    let counts = postfix.settled(already + MESSAGES);
    assert_eq!(counts.messages, already + MESSAGES);
    let log = postfix.log();
    let logged = clients(&log[begin..]);
    assert_eq!(logged.len() as u64, MESSAGES);
    let mut seen = vec![0; CLIENTS];
    for (client, user) in logged {
        let n: usize = user.strip_prefix("user").unwrap().parse().unwrap();
        assert_eq!(client, shown(n), "of {user}");
        seen[n] += 1;
    }
    assert!(seen.iter().all(|count| *count > 0), "clients without a message: {seen:?}");
}

#[test]
fn postfix_logs_the_client_that_each_session_speaks_for() {
    let Some((postfix, proxied)) = here("postfix", start()) else { return };
    let xclient = "via = \"xclient\"\nhostname = \"{{clients.user}}.test\"\nhelo = \"h.test\"\n\
                   proto = \"SMTP\"\nport = \"{{1..9}}\"\nlogin = \"{{clients.user}}+x\"";
    let steps = send(postfix.address(), xclient);
    let samples = |step| {
        let row =
            [("step", step), ("script", "all"), ("clock", "service"), ("outcome", "accepted")];
        steps.sum("count", &row)
    };
    // A few sessions more find no message left to send.
    let sessions = samples("greeting");
    assert!(sessions >= MESSAGES);
    assert_eq!((samples("xclient"), samples("ehlo")), (sessions, 2 * sessions));
    check(&postfix, 0, 0, |n| {
        let login = format!("sasl_method=XCLIENT, sasl_username=user{n}+x");
        format!("user{n}.test[{}], {login}", address(n))
    });
    let mut already = MESSAGES;
    for via in ["proxy", "proxy-v1"] {
        let begin = postfix.log().len();
        send(proxied, &format!("via = \"{via}\""));
        check(&postfix, begin, already, |n| format!("unknown[{}]", address(n)));
        already += MESSAGES;
    }
}

#[test]
fn postfix_tells_a_client_without_rights_and_one_without_a_header() {
    let Some(postfix) = here("postfix", Postfix::start()) else { return };
    let folder = TempDir::new().unwrap();
    let scenario = folder.path().join("via.toml");
    let preflight = |via: &str| {
        let text = format!(
            "[target]\nurl = \"smtp://{}\"\n[load]\nsessions = 1\nmessages = 1\n[client]\nvia = \"{via}\"\n\
             address = \"192.0.2.1\"\n",
            postfix.address()
        );
        fs::write(&scenario, text).unwrap();
        let out = folder.path().join(via);
        Smtpbench::new(&["run", "--quiet"]).arg(&scenario).arg("--out").arg(out).run().code(&[69])
    };
    let refused = preflight("xclient");
    assert!(refused.stderr.contains("the server offers no XCLIENT"), "{refused}");
    for via in ["proxy", "proxy-v1"] {
        let refused = preflight(via);
        assert!(refused.stderr.contains("does the server expect PROXY"), "{refused}");
    }
}

#[test]
fn a_log_says_which_client_a_message_came_from() {
    let log = "\
Nov 24 00:00:00 peer postfix/smtpd[9]: connect from unknown[127.0.0.1]
Nov 24 00:00:00 peer postfix/smtpd[9]: 4fZ: client=unknown[192.0.2.1]
Nov 24 00:00:00 peer postfix/smtpd[9]: 4fY: client=b.test[2001:db8::1]
Nov 24 00:00:00 peer postfix/smtpd[9]: 4fX: client=lost[192.0.2.3]
Nov 24 00:00:00 peer postfix/cleanup[10]: 4fZ: message-id=<a@b>
Nov 24 00:00:00 peer postfix/qmgr[8]: 4fZ: from=<user1@b>, size=9, nrcpt=2 (queue active)
Nov 24 00:00:00 peer postfix/qmgr[8]: 4fY: from=<user2@b>, size=9, nrcpt=1 (queue active)
Nov 24 00:00:01 peer postfix/qmgr[8]: 4fZ: from=<user1@b>, size=9, nrcpt=2 (queue active)
";
    let got = clients(log);
    let pair = |client: &str, user: &str| (client.to_owned(), user.to_owned());
    assert_eq!(got, [pair("b.test[2001:db8::1]", "user2"), pair("unknown[192.0.2.1]", "user1")]);
}
