//! The descriptor limit of this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit on open files, after raising it as far as it goes without being root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescriptorLimit {
    /// What is allowed now; `u64::MAX` for no limit.
    pub allowed: u64,
}

/// Raises the soft limit to the hard one.
#[must_use]
pub fn raise_descriptor_limit() -> DescriptorLimit {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // Failing leaves the lower limit, which is what is read back and reported.
        let _ =
            setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
    DescriptorLimit { allowed: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX) }
}
