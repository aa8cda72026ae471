//! aiosmtpd, a third opinion on bytes: another language's reading of the same transparency.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use smtpbench::clock;
use tempfile::TempDir;

use crate::probe;
use crate::root::{Missing, POLL, folder};

/// Pinned with what it needs, so that a run today and one next year ask the same judge.
const PACKAGES: &[&str] = &["aiosmtpd==1.4.6", "atpublic==9.0.0", "attrs==26.1.0"];
const START_LIMIT: Duration = Duration::from_secs(30);
const ARRIVAL_LIMIT: Duration = Duration::from_secs(10);

/// A message as aiosmtpd saw it, after transparency.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Taken {
    pub(crate) sha256: String,
    pub(crate) size: u64,
    pub(crate) mail_from: String,
    pub(crate) rcpt_tos: Vec<String>,
}

/// A running aiosmtpd.
#[derive(Debug)]
pub(crate) struct Aiosmtpd {
    address: SocketAddr,
    child: Child,
    folder: TempDir,
}

impl Aiosmtpd {
    /// Installs it where that was not done yet, and starts it on a free port of loopback.
    pub(crate) fn start() -> Result<Self, Missing> {
        let python = python("aiosmtpd", PACKAGES)?;
        let folder = tempfile::Builder::new().prefix("aiosmtpd-").tempdir_in(folder()?)?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/aiosmtpd_sink.py");
        let address = probe::free_address()?;
        let child = Command::new(python)
            .arg(script)
            .arg(folder.path().join("taken"))
            .arg(address.port().to_string())
            // Ends with its standard input, that is with this process, however that ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(File::create(folder.path().join("errors"))?)
            .spawn()?;
        let mut server = Self { address, child, folder };
        let start = clock::now();
        while !probe::greets(address) {
            let ended = server.child.try_wait()?.is_some();
            if ended || start.elapsed() > START_LIMIT {
                let why = fs::read(server.folder.path().join("errors"))?;
                return Err(Missing(String::from_utf8_lossy(&why).into_owned()));
            }
            thread::sleep(POLL);
        }
        Ok(server)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it took: waits until there are so many messages or the wait is over.
    pub(crate) fn settled(&self, messages: usize) -> Vec<Taken> {
        let start = clock::now();
        loop {
            let text = fs::read_to_string(self.folder.path().join("taken")).unwrap_or_default();
            let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            let taken: Vec<Taken> = whole.map(|line| serde_json::from_str(line).unwrap()).collect();
            if taken.len() >= messages || start.elapsed() > ARRIVAL_LIMIT {
                return taken;
            }
            thread::sleep(POLL);
        }
    }
}

impl Drop for Aiosmtpd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The digest as `sha256sum` prints it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The Python of a virtual environment in the build tree that has these packages.
pub(crate) fn python(name: &str, packages: &[&str]) -> Result<PathBuf, Missing> {
    let folder = folder()?;
    let lock = File::create(folder.join(format!("{name}.lock")))?;
    lock.lock()?;
    let environment = folder.join(format!("{name}-venv"));
    let python = environment.join("bin/python");
    let stamp = environment.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|text| text == packages.join(" ")) {
        return Ok(python);
    }
    match fs::remove_dir_all(&environment) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    finish(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    let pip = ["-m", "pip", "install", "--quiet", "--no-input", "--timeout", "60"];
    finish(Command::new(&python).args(pip).args(packages))?;
    fs::write(stamp, packages.join(" "))?;
    Ok(python)
}

/// Runs a command to its end.
pub(crate) fn finish(command: &mut Command) -> Result<(), Missing> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Missing(format!("{}: {error}", command.get_program().display())))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(Missing(format!("{command:?}: {}", String::from_utf8_lossy(&text).trim())))
}
