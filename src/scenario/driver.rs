//! By what means sessions talk to the system: a property of the machine, not of what is asked of the target.

use std::str::FromStr;

/// What does the engine's TCP. Figures are comparable with one driver only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Driver {
    /// io_uring where the system has it and lets us, else epoll.
    #[default]
    Auto,
    /// A system call for each read and each write.
    Epoll,
    /// One system call for what many sessions read and write (Linux 6.1).
    IoUring,
}

/// The names, as `--driver` takes them.
pub const DRIVER_NAMES: [(&str, Driver); 3] =
    [("auto", Driver::Auto), ("epoll", Driver::Epoll), ("io-uring", Driver::IoUring)];

impl FromStr for Driver {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = DRIVER_NAMES.iter().find(|(name, _)| *name == text);
        known.map(|(_, driver)| *driver).ok_or_else(|| "auto, epoll or io-uring".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        for (name, driver) in DRIVER_NAMES {
            assert_eq!(name.parse(), Ok(driver));
        }
        assert!("select".parse::<Driver>().is_err());
    }
}
