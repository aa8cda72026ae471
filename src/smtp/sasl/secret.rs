//! Text that must not be shown.

use std::fmt;

/// A password or token. Prints as `***` in every build, also in a panic.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps `text`.
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself: for the wire, and for nothing that is kept or printed.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether these bytes are it.
    pub(super) fn is(&self, bytes: &[u8]) -> bool {
        self.0.as_bytes() == bytes
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
