//! TCP through one io_uring a worker, for kernels that have it (Linux 6.1): what many sessions send goes out, and what came
//! for them comes in, with one system call.
//!
//! A write is copied and queued, and counts as written then, as it does once the system has taken it otherwise; large mail
//! data is not copied but written at once. Reads are asked for once a connection (multishot) and land in buffers that all of
//! them share. [`Ring::run`] is the one task that enters the kernel: woken by the first of a batch of sessions, it comes
//! behind them in the runtime's queue, so their writes are together by then.

#![allow(unsafe_code, reason = "the kernel reads and writes memory that it was told of")]

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::rc::Rc;
use std::task::{Context, Poll};

use io_uring::opcode;
use io_uring::types::{CancelBuilder, Fd};
use rustix::event::EventfdFlags;
use socket2::Socket;

use super::connect;

mod buffers;
mod state;

use buffers::Buffers;
use state::{Operation, State, is_ours, wait};

/// So many queued operations one large write is as good as, to what waits behind it.
const LARGE_WRITE: usize = 8;
/// Larger writes are not copied: for them, copying costs more than a system call.
const COPY_MAX: usize = 4096;
/// `MSG_DONTWAIT`, `MSG_NOSIGNAL` and `MSG_WAITALL`: the last makes the kernel go on after a part.
const AT_ONCE: i32 = 0x40 | 0x4000;
const WHOLE: i32 = 0x4000 | 0x100;
/// `POLLOUT`.
const WRITABLE: u32 = 4;

/// The io_uring of one worker.
#[derive(Clone)]
pub struct Ring(Rc<RefCell<State>>);

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ring")
    }
}

impl Ring {
    /// A ring for this thread.
    ///
    /// # Errors
    /// Where the kernel has none, or not all that is needed, or does not let this process have one.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Rc::new(RefCell::new(State::new()?))))
    }

    /// Enters the kernel for all connections, for ever. Where the ring fails, all of them do.
    pub async fn run(self) {
        let guard = BreakOnPanic(&self.0);
        if let Err(error) = self.serve().await {
            self.0.borrow_mut().break_down(&error);
        }
        drop(guard);
    }

    async fn serve(&self) -> io::Result<()> {
        // Polling the ring itself tells of what is done, and not of what waits to be done in this thread.
        let bell = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        self.0.borrow().uring.submitter().register_eventfd(bell.as_raw_fd())?;
        let rung = super::watch(bell)?;
        poll_fn(|cx| {
            loop {
                let woken = match rung.poll_read_ready(cx) {
                    Poll::Ready(Ok(mut ready)) => {
                        ready.clear_ready();
                        true
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => false,
                };
                let mut state = self.0.borrow_mut();
                if let Err(error) = state.turn() {
                    return Poll::Ready(Err(error));
                }
                if state.has_work() {
                    // Behind the sessions that were just woken: what they write goes out with the same call.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                if !woken {
                    state.idle = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    /// Connects to `peer`, from `source` where there is one.
    ///
    /// # Errors
    /// As the operating system gives them.
    pub async fn connect(
        &self,
        peer: SocketAddr,
        source: Option<IpAddr>,
    ) -> io::Result<RingStream> {
        let socket = connect::socket(peer, source)?;
        let stream = RingStream { key: self.0.borrow_mut().open(socket, peer), ring: self.clone() };
        poll_fn(|cx| {
            let mut state = self.0.borrow_mut();
            let connection = &mut state.connections[stream.key];
            match connection.connected {
                Some(result) => Poll::Ready(result.map_err(io::Error::from)),
                None => {
                    wait(&mut connection.writer, cx);
                    Poll::Pending
                }
            }
        })
        .await?;
        Ok(stream)
    }
}

/// A bug of ours in the ring's task is a failure of the generator and not silence of the target.
struct BreakOnPanic<'a>(&'a RefCell<State>);

impl Drop for BreakOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Ok(mut state) = self.0.try_borrow_mut()
        {
            state.break_down(&io::ErrorKind::Other.into());
        }
    }
}

/// A connection through a [`Ring`].
#[derive(Debug)]
pub struct RingStream {
    ring: Ring,
    key: usize,
}

impl RingStream {
    /// Reads what is there; 0 bytes at the end of the stream.
    ///
    /// # Errors
    /// As the operating system gives them.
    pub fn poll_read(&self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut state = self.ring.0.borrow_mut();
        let State { connections, buffers, .. } = &mut *state;
        let connection = &mut connections[self.key];
        if let Some(chunk) = connection.incoming.front_mut() {
            let bytes = buffers.take(chunk, into);
            if chunk.is_empty() {
                buffers.give_back(chunk);
                connection.incoming.pop_front();
            }
            return Poll::Ready(Ok(bytes));
        }
        match (connection.ended, connection.send_failed) {
            // The system tells of a reset once, and then to the write that met it; all that is left to read is the end.
            (Some(Ok(())), Some(error)) => return Poll::Ready(Err(error.into())),
            (Some(ended), _) => return Poll::Ready(ended.map(|()| 0).map_err(io::Error::from)),
            // Our own want of memory ends nothing at the peer.
            (None, Some(error)) if is_ours(error) => return Poll::Ready(Err(error.into())),
            _ => {}
        }
        wait(&mut connection.reader, cx);
        if !connection.receives {
            connection.receives = true;
            let socket = Fd(connection.socket.as_raw_fd());
            let receive = opcode::RecvMulti::new(socket, Buffers::GROUP).build();
            state.push(self.key, Operation::Receive, receive);
        }
        Poll::Pending
    }

    /// Writes as much as goes at once.
    ///
    /// # Errors
    /// As the operating system gives them; those of a write that was queued come with the next one.
    pub fn poll_write(
        &self,
        cx: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.ring.0.borrow_mut();
        let State { connections, spare, .. } = &mut *state;
        let connection = &mut connections[self.key];
        if let Some(error) = connection.send_failed {
            return Poll::Ready(Err(error.into()));
        }
        if connection.outgoing.is_some() || connection.waits_to_write {
            wait(&mut connection.writer, cx);
            return Poll::Pending;
        }
        let bytes: usize = from.iter().map(|slice| slice.len()).sum();
        let socket = Fd(connection.socket.as_raw_fd());
        if bytes > COPY_MAX || connection.rest_is_large {
            let sent = connection.socket.send_vectored_with_flags(from, AT_ONCE);
            connection.rest_is_large = !sent.as_ref().is_ok_and(|sent| *sent == bytes);
            state.waiting += LARGE_WRITE;
            return match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let connection = &mut state.connections[self.key];
                    wait(&mut connection.writer, cx);
                    connection.waits_to_write = true;
                    let poll = opcode::PollAdd::new(socket, WRITABLE).build();
                    state.push(self.key, Operation::Writable, poll);
                    Poll::Pending
                }
                sent => Poll::Ready(sent),
            };
        }
        let mut copy = spare.pop().unwrap_or_default();
        from.iter().for_each(|slice| copy.extend_from_slice(slice));
        let length = u32::try_from(copy.len()).unwrap_or(u32::MAX);
        let send = opcode::Send::new(socket, copy.as_ptr(), length).flags(WHOLE).build();
        // Moving a Vec leaves what it owns where it is.
        connection.outgoing = Some(copy);
        state.push(self.key, Operation::Send, send);
        Poll::Ready(Ok(bytes))
    }

    /// Does something with the socket itself.
    pub fn with_socket<T>(&self, run: impl FnOnce(&Socket) -> T) -> T {
        run(&self.ring.0.borrow().connections[self.key].socket)
    }
}

impl Drop for RingStream {
    fn drop(&mut self) {
        let mut state = self.ring.0.borrow_mut();
        let connection = &mut state.connections[self.key];
        connection.abandoned = true;
        if connection.under_way > 0 {
            // What is queued before it is still sent.
            let all = CancelBuilder::fd(Fd(connection.socket.as_raw_fd())).all();
            state.push(self.key, Operation::Cancel, opcode::AsyncCancel2::new(all).build());
        } else {
            state.close(self.key);
        }
    }
}

#[cfg(test)]
mod tests;
