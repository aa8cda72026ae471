//! Behaviours of the sink in files of their own, and ready ones by name.
//!
//! The ready ones act like kinds of receivers, by their public documentation; none of them is a server of that kind.

use std::path::Path;

use super::{FaultReport, Source, reader};
use crate::behavior::Behavior;

/// The ready ones, each as the file that it would be.
pub const READY: &[(&str, &str)] = &[
    ("full-disk", include_str!("behaviors/full-disk.toml")),
    ("greylister", include_str!("behaviors/greylister.toml")),
    ("lossy", include_str!("behaviors/lossy.toml")),
    ("old-server", include_str!("behaviors/old-server.toml")),
    ("slow-filter", include_str!("behaviors/slow-filter.toml")),
    ("strict-provider", include_str!("behaviors/strict-provider.toml")),
    ("tarpit", include_str!("behaviors/tarpit.toml")),
];

/// The ready behaviour of that name.
#[must_use]
pub fn ready(name: &str) -> Option<Behavior> {
    let (_, text) = READY.iter().find(|(known, _)| *known == name)?;
    // A test reads them all.
    read(&Source { path: None, text: (*text).to_owned() }).ok()
}

/// Reads the file of a behaviour.
///
/// # Errors
/// With every fault of it.
pub fn open(path: &Path) -> Result<Behavior, FaultReport> {
    read(&Source::open(path)?)
}

/// Reads the text of such a file.
///
/// # Errors
/// With every fault of it.
pub fn read(source: &Source) -> Result<Behavior, FaultReport> {
    reader::read_behavior(source, &|name| std::env::var_os(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ready_one_reads_and_does_something() {
        for (name, text) in READY {
            let source = Source { path: None, text: (*text).to_owned() };
            let behavior = read(&source).unwrap_or_else(|report| panic!("{name}: {report}"));
            assert_ne!(behavior, Behavior::default(), "{name}");
            assert_eq!(ready(name), Some(behavior));
            assert!(text.starts_with("# "), "{name} says what it is");
        }
        assert_eq!(ready("postfix"), None);
    }
}
