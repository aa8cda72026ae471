//! A root of its own for a server: what apt installs and what the server writes never reach the machine.
//!
//! The root is an overlay over `/` whose upper layer lies on a tmpfs, inside a mount and a process namespace
//! of its own. The first process of that namespace ends when its standard input does, and the kernel then ends
//! everything in it and drops the mounts: also when the test panics or is killed.
//! What was installed is kept as one archive in the build tree and unpacked again by the next test.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use smtpbench::clock;
use tempfile::TempDir;

/// An installation downloads packages; more than this is a network that does not answer.
const INSTALL_LIMIT: Duration = Duration::from_secs(300);
/// How long the namespace may take to end once it is told to.
const END_LIMIT: Duration = Duration::from_secs(10);
/// How often something is looked at that gives no sign.
pub(crate) const POLL: Duration = Duration::from_millis(20);

/// Why a server is not here.
#[derive(Debug)]
pub(crate) struct Missing(pub(crate) String);

impl From<io::Error> for Missing {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// The server, or `None` after a line that says why the test is skipped.
///
/// # Panics
/// Where the peers are required (`SMTPBENCH_PEERS=required`) and this one is missing.
#[track_caller]
pub(crate) fn here<T>(name: &str, started: Result<T, Missing>) -> Option<T> {
    match started {
        Ok(server) => Some(server),
        Err(Missing(why))
            if std::env::var_os("SMTPBENCH_PEERS").is_some_and(|v| v == "required") =>
        {
            panic!("the peer {name} is required and missing: {why}")
        }
        Err(Missing(why)) => {
            // Past the capture of the test harness: a skipped test has to be seen.
            let line = format!("skipped: {name}: {why}\n");
            let _ = io::Write::write_all(&mut io::stderr(), line.as_bytes());
            None
        }
    }
}

/// The folder in the build tree where everything of the peers lies.
pub(crate) fn folder() -> io::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Packages to install in a root.
pub(crate) struct Recipe<'a> {
    /// Names the archive.
    pub(crate) name: &'a str,
    /// Debian's names.
    pub(crate) packages: &'a [&'a str],
    /// Lines for debconf-set-selections.
    pub(crate) answers: &'a str,
}

/// Mounts the root below the folder `$1`, from the archive `$2` where there is one, with `$3` as its `/peer`.
/// Paths stay relative, because the options of an overlay mount have no way to quote a comma or a colon.
const ENTER: &str = r#"
set -eu
mount -t tmpfs -o mode=755 tmpfs "$1"
cd "$1"
mkdir upper work root
[ -z "$2" ] || tar --xattrs --xattrs-include='*' -xpf "$2" -C upper
mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work overlay root
mkdir -p root/peer
mount --bind "$3" root/peer
mount -t proc proc root/proc
mount --rbind /dev root/dev
"#;

/// Installs the packages `$4` and on, with no service started, and packs the upper layer as `/peer/root.tar`.
const INSTALL: &str = r#"
printf '#!/bin/sh\nexit 101\n' >root/usr/sbin/policy-rc.d
chmod 755 root/usr/sbin/policy-rc.d
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
chroot root debconf-set-selections /peer/answers
shared=$3
shift 3
apt() { chroot root apt-get -o Acquire::http::Timeout=30 -o Acquire::Retries=2 "$@"; }
apt install --yes --no-install-recommends "$@" || {
    apt update
    apt install --yes --no-install-recommends "$@"
}
apt clean
umount -l root/dev root/proc root/peer
umount root
rm -rf upper/peer upper/tmp upper/var/log upper/var/lib/apt/lists
tar --xattrs --xattrs-include='*' -cf "$shared/root.tar" -C upper .
"#;

/// Starts what `/peer/start` says and waits for the end of standard input.
const SERVE: &str = r#"
chroot root /bin/sh /peer/start </dev/null >"$3/console" 2>&1 &
read -r _ || :
"#;

/// A root with packages in it, as an archive.
#[derive(Debug)]
pub(crate) struct Root {
    name: String,
    archive: PathBuf,
}

impl Root {
    /// The root of `recipe`: the archive of an earlier run, or a new one.
    pub(crate) fn install(recipe: &Recipe<'_>) -> Result<Self, Missing> {
        privileged()?;
        let folder = folder()?;
        let archive = folder.join(format!("{}-{}.tar", recipe.name, key(recipe)));
        // One installation at a time, also among test programs that run side by side.
        let lock = File::create(folder.join(format!("{}.lock", recipe.name)))?;
        lock.lock()?;
        if !archive.exists() {
            install(recipe, &archive)?;
        }
        Ok(Self { name: recipe.name.to_owned(), archive })
    }

    /// Starts `files["start"]`, a shell script, in a fresh copy of this root, with all of `files` in `/peer`.
    pub(crate) fn start(&self, files: &[(&str, &str)]) -> Result<Running, Missing> {
        let folder =
            tempfile::Builder::new().prefix(&format!("{}-", self.name)).tempdir_in(folder()?)?;
        let (mount, shared) = (folder.path().join("mount"), folder.path().join("peer"));
        fs::create_dir(&mount)?;
        fs::create_dir(&shared)?;
        for (name, text) in files {
            fs::write(shared.join(name), text)?;
        }
        let child = namespace(&[ENTER, SERVE])
            .args([&mount, &self.archive, &shared])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(File::create(folder.path().join("errors"))?)
            .spawn()?;
        Ok(Running { child, shared, folder })
    }
}

/// A server in its root. Dropping it ends every process of it.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    shared: PathBuf,
    /// Removed after the processes have ended: fields are dropped after `drop`.
    folder: TempDir,
}

impl Running {
    /// The folder that the server sees as `/peer`.
    pub(crate) fn shared(&self) -> &Path {
        &self.shared
    }

    /// What the server has written to its standard streams and what went wrong around it.
    pub(crate) fn console(&self) -> String {
        let read = |path: PathBuf| fs::read(path).unwrap_or_default();
        let mut text = read(self.folder.path().join("errors"));
        text.extend(read(self.shared.join("console")));
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Waits until `ready` says so.
    pub(crate) fn wait(
        &mut self,
        limit: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> Result<(), Missing> {
        let start = clock::now();
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                return Err(Missing(format!("its root ended, {status}:\n{}", self.console())));
            }
            if start.elapsed() > limit {
                return Err(Missing(format!("not ready in {limit:?}:\n{}", self.console())));
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Ends the server: its namespace ends with its standard input, and every process with the namespace.
    pub(crate) fn end(&mut self) {
        drop(self.child.stdin.take());
        let start = clock::now();
        while let Ok(None) = self.child.try_wait() {
            if start.elapsed() > END_LIMIT {
                // unshare passes its own end on to the namespace (--kill-child).
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            thread::sleep(POLL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// A shell with `scripts` as the first process of a namespace of its own; its arguments are to follow.
fn namespace(scripts: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child=KILL"])
        .args(["/bin/sh", "-c", &scripts.concat(), "peer"]);
    command
}

/// Whether this process may make namespaces and mounts, and has what the scripts call.
fn privileged() -> Result<(), Missing> {
    let probe =
        namespace(&["mount -t tmpfs tmpfs /mnt && chroot / tar --version && apt-get --version"])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| Missing(format!("unshare: {error}")))?;
    if probe.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&probe.stderr);
    Err(Missing(format!("needs root, CAP_SYS_ADMIN and apt-get: {}", why.trim())))
}

/// Tells archives of other packages, scripts or systems apart.
fn key(recipe: &Recipe<'_>) -> String {
    let mut hash = Sha256::new();
    for part in [ENTER, INSTALL, recipe.answers] {
        hash.update(part);
    }
    hash.update(recipe.packages.join(" "));
    hash.update(fs::read("/etc/os-release").unwrap_or_default());
    // What is installed on the machine lies below the archive and must fit it.
    hash.update(fs::read("/var/lib/dpkg/status").unwrap_or_default());
    hash.finalize().iter().take(6).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Installs and packs into `archive`.
fn install(recipe: &Recipe<'_>, archive: &Path) -> Result<(), Missing> {
    let folder = tempfile::Builder::new().prefix("install-").tempdir_in(folder()?)?;
    let (mount, shared) = (folder.path().join("mount"), folder.path().join("peer"));
    fs::create_dir(&mount)?;
    fs::create_dir(&shared)?;
    fs::write(shared.join("answers"), recipe.answers)?;
    let log_path = folder.path().join("log");
    let log = File::create(&log_path)?;
    let mut child = namespace(&[ENTER, INSTALL])
        .args([mount.as_os_str(), "".as_ref(), shared.as_os_str()])
        .args(recipe.packages)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    let start = clock::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() > INSTALL_LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            return Err(Missing(format!("apt-get took more than {INSTALL_LIMIT:?}")));
        }
        thread::sleep(POLL);
    };
    if status.success() {
        return Ok(fs::rename(shared.join("root.tar"), archive)?);
    }
    let log = fs::read(&log_path).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let last: Vec<&str> = log.lines().rev().take(8).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    Err(Missing(format!("cannot be installed, {status}:\n{}", last.join("\n"))))
}
