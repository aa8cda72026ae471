//! Mail data on its way out: header from a buffer, body from shared text, no copy of either.

use std::ops::Range;

use crate::message::render::Body;

/// The part of a message that one write sends behind `Desk::out`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadPart {
    /// Whose bytes.
    pub body: Body,
    /// With transparency (DATA) or without (BDAT).
    pub stuffed: bool,
    /// Which bytes of the body.
    pub range: Range<u64>,
    /// What goes behind them: the last dot, or nothing.
    pub end: &'static [u8],
}

impl UploadPart {
    /// Bytes of body and end.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.range.end - self.range.start + self.end.len() as u64
    }
}
