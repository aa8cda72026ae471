//! Sockets and timers: where tokio comes in.

mod alarm;
pub mod connect;
pub mod dns;
pub mod limits;
pub mod listen;
pub mod resolve;
#[cfg(all(feature = "io-uring", target_os = "linux"))]
pub mod ring;
#[cfg(not(all(feature = "io-uring", target_os = "linux")))]
#[path = "no_ring.rs"]
pub mod ring;
pub mod timers;
pub mod tls;

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Watches a descriptor for input, in the runtime that this is called in.
///
/// # Errors
/// When the event loop cannot take it.
pub fn watch(descriptor: impl Into<OwnedFd>) -> io::Result<AsyncFd<OwnedFd>> {
    #[expect(
        deprecated,
        reason = "the other constructor is unsafe, for types that could change their descriptor; an OwnedFd cannot"
    )]
    AsyncFd::with_interest(descriptor.into(), Interest::READABLE)
}
