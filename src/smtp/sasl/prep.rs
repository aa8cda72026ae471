//! SASLprep (RFC 4013): one form for user names and passwords that look the same.

use std::borrow::Cow;
use std::fmt;

/// A text that SASLprep does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrepError {
    /// It holds a character that is not allowed.
    Forbidden,
    /// Nothing is left of it.
    Empty,
}

impl fmt::Display for PrepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forbidden => "holds a character that SASLprep (RFC 4013) forbids",
            Self::Empty => "is empty",
        })
    }
}

impl std::error::Error for PrepError {}

/// Prepares `text`. Printable ASCII stays as it is.
///
/// # Errors
/// When it holds a character that is not allowed, or nothing is left (RFC 5802 section 5.1 has a client give up then).
pub fn prepare(text: &str) -> Result<Cow<'_, str>, PrepError> {
    let prepared = stringprep::saslprep(text).map_err(|_| PrepError::Forbidden)?;
    if prepared.is_empty() { Err(PrepError::Empty) } else { Ok(prepared) }
}
