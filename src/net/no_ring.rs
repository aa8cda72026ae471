//! In place of `ring` where that is left out or the system has no io_uring: there is never one.

use std::io::{self, ErrorKind, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

use socket2::Socket;

/// There is none.
#[derive(Clone, Debug)]
pub enum Ring {}

/// There is none.
#[derive(Debug)]
pub enum RingStream {}

impl Ring {
    /// # Errors
    /// Always.
    pub fn new() -> io::Result<Self> {
        Err(ErrorKind::Unsupported.into())
    }

    pub async fn run(self) {
        match self {}
    }

    /// # Errors
    /// Never, as there is no ring.
    pub async fn connect(&self, _: SocketAddr, _: Option<IpAddr>) -> io::Result<RingStream> {
        match *self {}
    }
}

impl RingStream {
    pub fn poll_read(&self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        match *self {}
    }

    pub fn poll_write(&self, _: &mut Context<'_>, _: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match *self {}
    }

    pub fn with_socket<T>(&self, _: impl FnOnce(&Socket) -> T) -> T {
        match *self {}
    }
}
