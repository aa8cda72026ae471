//! smtpbench against servers that others wrote: what it says it sent is what they say they took.
//!
//! Postfix with its smtp-sink and Dovecot come from Debian's packages into roots of their own, aiosmtpd from PyPI into a
//! virtual environment in the build tree. What others read of a report is held to them, too: Chromium, and parsers from PyPI. A peer that cannot be had is skipped aloud, or a failure where
//! `SMTPBENCH_PEERS=required`.

#![allow(
    clippy::unwrap_used,
    reason = "a test program: clippy.toml exempts only functions marked as tests"
)]

mod aiosmtpd;
mod dovecot;
mod opensmtpd;
mod postfix;
mod postfix_via;
mod probe;
#[path = "../it/support/program.rs"]
mod program;
mod root;
mod smtp_sink;
mod strace;
#[path = "../it/support/table.rs"]
mod table;
mod ways;

mod accounting;
mod bytes;
mod calls;
mod exim;
mod extensions;
mod haraka;
mod harness;
mod lmtp;
mod readers;
mod submission;
