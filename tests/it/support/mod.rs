//! What the tests of the program share.

pub(crate) mod dns;
pub(crate) mod options;
pub(crate) mod peer;
pub(crate) mod program;
pub(crate) mod redact;
pub(crate) mod results;
pub(crate) mod serving;
pub(crate) mod table;
