//! Where the generator's own limits are kept from a self-test to later runs: `smtpbench/limits.json` in the user's state
//! folder, unless a flag or variable names another file.

use std::io;
use std::path::{Path, PathBuf};

use super::exit::{Exit, Stop};
use super::say;
use crate::report::generator_limits::{GeneratorLimits, LimitsHost};

/// Largest file that is read: ours has some hundred bytes.
const BYTES_MAX: u64 = 1 << 20;

/// This machine, as limits are kept apart by.
pub(super) fn host() -> LimitsHost {
    let system = rustix::system::uname();
    LimitsHost {
        name: system.nodename().to_string_lossy().into_owned(),
        os: std::env::consts::OS.to_owned(),
        kernel: system.release().to_string_lossy().into_owned(),
        cpu_count: super::cores(),
    }
}

/// The limits that hold here, where somebody measured them; `named` is the user's file. What is wrong with the file is
/// no reason not to run.
pub(super) fn known(named: Option<&Path>) -> Option<GeneratorLimits> {
    let path = named.map(Path::to_owned).or_else(usual)?;
    let bytes = match read(&path) {
        Ok(bytes) => bytes,
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return remark(&path, &error),
    };
    let limits = match GeneratorLimits::read(&bytes) {
        Ok(limits) => limits,
        Err(fault) => return remark(&path, &fault),
    };
    if !limits.hold_for(&host()) {
        return remark(&path, &"measured by another build or on another machine");
    }
    Some(limits)
}

/// Keeps them for later runs.
///
/// # Errors
/// When the file that the user named cannot be written; of the usual one that is said and no fault.
pub(super) fn keep(
    limits: &GeneratorLimits,
    named: Option<&Path>,
) -> Result<Option<PathBuf>, Stop> {
    let Some(path) = named.map(Path::to_owned).or_else(usual) else {
        say(
            "note: no state folder is known (XDG_STATE_HOME, HOME): the limits are not kept; name a file with --limits",
        );
        return Ok(None);
    };
    match write(&path, &limits.bytes()) {
        Ok(()) => Ok(Some(path)),
        Err(error) if named.is_none() => {
            say(&format!("note: the limits are not kept: {}: {error}", path.display()));
            Ok(None)
        }
        Err(error) => {
            let path = path.display();
            let message =
                format!("{path} cannot be written: {error}\nname another file with --limits");
            Err(Stop::new(Exit::Results, message))
        }
    }
}

/// The file in the user's state folder (the XDG Base Directory Specification, which has only absolute ones hold).
fn usual() -> Option<PathBuf> {
    let folder = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")))?;
    Some(state.join("smtpbench/limits.json"))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whoever reads the file sees a whole one.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let unfinished = path.with_added_extension(format!("{}.part", std::process::id()));
    let written = std::fs::write(&unfinished, bytes);
    written.and_then(|()| std::fs::rename(&unfinished, path)).inspect_err(|_| {
        // What is left of it is of no use to anybody.
        let _ = std::fs::remove_file(&unfinished);
    })
}

fn remark(path: &Path, fault: &dyn std::fmt::Display) -> Option<GeneratorLimits> {
    let path = path.display();
    say(&format!("note: {path} is not used: {fault}; `smtpbench selftest` writes it anew"));
    None
}
