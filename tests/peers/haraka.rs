//! Haraka, from npm: a plugin writes down each message that it took.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use smtpbench::clock;
use tempfile::TempDir;

use crate::probe;
use crate::root::{Missing, POLL, folder, here};
use crate::ways::{Certificate, MESSAGES, PASSWORD, Sending, Tls, USER, offers, send, way};

/// Pinned, so that a run today and one next year ask the same server. Needs Node.js 18 or later.
const PACKAGE: &str = "Haraka@3.1.1";
const START_LIMIT: Duration = Duration::from_secs(30);
const COUNT_LIMIT: Duration = Duration::from_secs(20);
const PLUGIN: &str = include_str!("haraka_count.js");

/// Its own values: it does not start without them.
const CONNECTION: &str = "\
[haproxy]
hosts[] =
[max]
bytes=26214400
line_length=512
data_line_length=992
mime_parts=1000
[headers]
max_lines=1000
max_received=100
[message]
helo=hello
close=closing
[uuid]
banner_chars=6
deny_chars=0
";

struct Haraka {
    clear: SocketAddr,
    implicit: SocketAddr,
    authority: String,
    child: Child,
    folder: TempDir,
}

impl Haraka {
    /// Installs it where that was not done yet, and starts it on free ports of loopback.
    fn start() -> Result<Self, Missing> {
        let program = install()?;
        let folder = tempfile::Builder::new().prefix("haraka-").tempdir_in(folder()?)?;
        let certificate = Certificate::make();
        let [clear, implicit] = [(); 2].map(|()| probe::free_address().unwrap());
        let (config, plugins) = (folder.path().join("config"), folder.path().join("plugins"));
        fs::create_dir(&config)?;
        fs::create_dir(&plugins)?;
        fs::write(plugins.join("count.js"), PLUGIN)?;
        let smtp = format!("listen={clear},{implicit}\nsmtps_port={}\nnodes=0\n", implicit.port());
        let auth = format!("[core]\nmethods=PLAIN,LOGIN,CRAM-MD5\n[users]\n{USER}={PASSWORD}\n");
        for (name, text) in [
            ("smtp.ini", &*smtp),
            ("connection.ini", CONNECTION),
            ("auth_flat_file.ini", &auth),
            ("plugins", "tls\nauth/flat_file\ncount\n"),
            ("me", "peer.test\n"),
            ("tls.ini", "key=tls_key.pem\ncert=tls_cert.pem\n"),
            ("tls_key.pem", &certificate.key),
            ("tls_cert.pem", &certificate.certificate),
            ("loglevel", "WARN\n"),
        ] {
            fs::write(config.join(name), text)?;
        }
        let log = File::create(folder.path().join("log"))?;
        let child = Command::new("node")
            .arg(program)
            .arg("-c")
            .arg(folder.path())
            .env("TAKEN", folder.path().join("taken"))
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let authority = certificate.authority;
        let mut server = Self { clear, implicit, authority, child, folder };
        let start = clock::now();
        while !probe::greets(clear) {
            let ended = server.child.try_wait()?.is_some();
            if ended || start.elapsed() > START_LIMIT {
                return Err(Missing(server.log()));
            }
            thread::sleep(POLL);
        }
        Ok(server)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Messages that it took, once there are so many.
    fn settled(&self, messages: u64) -> u64 {
        let start = clock::now();
        loop {
            let taken = fs::read_to_string(self.folder.path().join("taken")).unwrap_or_default();
            let count = taken.lines().count() as u64;
            if count >= messages || start.elapsed() > COUNT_LIMIT {
                return count;
            }
            thread::sleep(POLL);
        }
    }
}

impl Drop for Haraka {
    fn drop(&mut self) {
        // It is gone already, or goes now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Its program, installed in the build tree.
fn install() -> Result<PathBuf, Missing> {
    let home = folder()?.join(PACKAGE.replace('@', "-"));
    let lock = File::create(home.with_extension("lock"))?;
    lock.lock()?;
    let program = home.join("node_modules/Haraka/bin/haraka");
    let done = home.join("installed");
    if !done.exists() {
        fs::create_dir_all(&home)?;
        let output = Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--omit=optional"])
            .args(["--no-save", "--prefix"])
            .args([home.as_os_str(), PACKAGE.as_ref()])
            .output()
            .map_err(|error: io::Error| Missing(format!("npm: {error}")))?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Missing(format!("npm could not install {PACKAGE}:\n{why}")));
        }
        File::create(done)?;
    }
    Ok(program)
}

/// Haraka 3.1: PIPELINING, no CHUNKING.
const OFFERS: &[&str] = &[
    "8BITMIME",
    "AUTH PLAIN LOGIN CRAM-MD5",
    "PIPELINING",
    "SIZE 26214400",
    "SMTPUTF8",
    "STARTTLS",
];

#[test]
fn haraka_takes_what_is_sent_in_every_way_it_offers() {
    let Some(haraka) = here("haraka", Haraka::start()) else { return };
    let got = offers(haraka.clear, way(Tls::Starttls, None, Sending::Data), &haraka.authority);
    assert_eq!(got[0], OFFERS, "{}", haraka.log());
    let under_tls =
        ["8BITMIME", "AUTH PLAIN LOGIN CRAM-MD5", "PIPELINING", "SIZE 26214400", "SMTPUTF8"];
    assert_eq!(got[1], under_tls);
    use Sending::{Data, PipelinedData};
    let ways = [
        way(Tls::Clear, None, Data),
        way(Tls::Clear, None, PipelinedData),
        way(Tls::Starttls, None, PipelinedData),
        way(Tls::Implicit, None, Data),
        way(Tls::Clear, Some("cram-md5"), PipelinedData),
        way(Tls::Starttls, Some("plain"), PipelinedData),
        way(Tls::Starttls, Some("login"), Data),
        way(Tls::Implicit, Some("best"), PipelinedData),
    ];
    let mut count = 0;
    for way in ways {
        let address = if way.tls == Tls::Implicit { haraka.implicit } else { haraka.clear };
        send(address, way, &haraka.authority, "somebody@recipient.test");
        count += MESSAGES;
        assert_eq!(haraka.settled(count), count, "{way:?}\n{}", haraka.log());
    }
}
