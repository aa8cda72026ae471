//! What this machine allows: open files, local ports, memory.

use std::fs;

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

/// How many local ports the system gives to connections of one address by itself; `None` where it does not say.
#[must_use]
pub fn local_ports() -> Option<u64> {
    ports_in(&fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?)
}

/// Memory that may be used without swapping, in bytes; `None` where the system does not say.
#[must_use]
pub fn free_memory() -> Option<u64> {
    available_in(&fs::read_to_string("/proc/meminfo").ok()?)
}

/// First and last port, the last one too.
fn ports_in(text: &str) -> Option<u64> {
    let mut ends = text.split_ascii_whitespace().map(str::parse::<u64>);
    let (low, high) = (ends.next()?.ok()?, ends.next()?.ok()?);
    high.checked_sub(low)?.checked_add(1)
}

fn available_in(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_read_or_nothing() {
        assert_eq!(ports_in("32768\t60999\n"), Some(28_232));
        assert_eq!(ports_in("5 5"), Some(1));
        for text in ["", "32768", "9 5", "a b", "0 18446744073709551615"] {
            assert_eq!(ports_in(text), None, "{text:?}");
        }
        assert_eq!(available_in("MemTotal: 9 kB\nMemAvailable:   2048 kB\n"), Some(2 << 20));
        for text in ["", "MemAvailable: x kB", "MemAvailable: 18446744073709551615 kB"] {
            assert_eq!(available_in(text), None, "{text:?}");
        }
    }
}
