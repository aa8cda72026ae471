//! TCP through one io_uring a worker, for kernels that have it (Linux 6.1): what many sessions send goes out, and what came
//! for them comes in, with one system call.
//!
//! A write is copied and queued, and counts as written then, as it does once the system has taken it otherwise; large mail
//! data is not copied but written at once. Reads are asked for once a connection (multishot) and land in buffers that all of
//! them share. [`Ring::run`] is the one task that enters the kernel: woken by the first of a batch of sessions, it comes
//! behind them in the runtime's queue, so their writes are together by then.

#![allow(unsafe_code, reason = "the kernel reads and writes memory that it was told of")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::rc::Rc;
use std::sync::atomic::{self, Ordering};
use std::task::{Context, Poll, Waker};

use io_uring::types::{CancelBuilder, Fd};
use io_uring::{IoUring, cqueue, opcode, squeue};
use rustix::event::EventfdFlags;
use rustix::io::Errno;
use slab::Slab;
use socket2::{SockAddr, Socket};

use super::connect;

mod buffers;

use buffers::{Buffers, Chunk};

/// Operations that wait to be submitted; more are submitted early.
const SUBMISSIONS: u32 = 1024;
/// Completions that fit; the kernel keeps more, at a price.
const COMPLETIONS: u32 = 8192;
/// Larger writes are not copied: for them, copying costs more than a system call.
const COPY_MAX: usize = 4096;
/// `IORING_ENTER_GETEVENTS`: completions that wait for this thread are brought in.
const GET_EVENTS: u32 = 1;
/// `MSG_DONTWAIT`, `MSG_NOSIGNAL` and `MSG_WAITALL`: the last makes the kernel go on after a part.
const AT_ONCE: i32 = 0x40 | 0x4000;
const WHOLE: i32 = 0x4000 | 0x100;
/// `POLLOUT`.
const WRITABLE: u32 = 4;

/// What was asked of the kernel; the low bits of an operation's user data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Connect,
    Receive,
    Send,
    Writable,
    Cancel,
}

const OPERATIONS: [Operation; 5] = [
    Operation::Connect,
    Operation::Receive,
    Operation::Send,
    Operation::Writable,
    Operation::Cancel,
];
const OPERATION_BITS: u32 = 3;

/// The io_uring of one worker.
#[derive(Clone)]
pub struct Ring(Rc<RefCell<State>>);

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ring")
    }
}

struct State {
    uring: IoUring,
    connections: Slab<Connection>,
    buffers: Buffers,
    /// Memory of writes that are over.
    spare: Vec<Vec<u8>>,
    /// The task that enters the kernel, until it is woken.
    idle: Option<Waker>,
    /// What made the ring fail.
    broken: Option<Errno>,
}

/// One connection; it stays until the kernel is done with it.
struct Connection {
    socket: Socket,
    /// Where to, while it is being connected.
    peer: Option<Box<SockAddr>>,
    connected: Option<Result<(), Errno>>,
    /// What came and was not read yet.
    incoming: VecDeque<Chunk>,
    /// Nothing more comes.
    ended: Option<Result<(), Errno>>,
    outgoing: Option<Vec<u8>>,
    send_failed: Option<Errno>,
    /// Operations that the kernel has not ended.
    under_way: u32,
    receives: bool,
    waits_to_write: bool,
    /// Whoever had it let go of it.
    abandoned: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Ring {
    /// A ring for this thread.
    ///
    /// # Errors
    /// Where the kernel has none, or not all that is needed, or does not let this process have one.
    pub fn new() -> io::Result<Self> {
        let uring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_cqsize(COMPLETIONS)
            .build(SUBMISSIONS)?;
        let buffers = Buffers::register(&uring)?;
        Ok(Self(Rc::new(RefCell::new(State {
            uring,
            connections: Slab::new(),
            buffers,
            spare: Vec::new(),
            idle: None,
            broken: None,
        }))))
    }

    /// Enters the kernel for all connections, for ever. Where the ring fails, all of them do.
    pub async fn run(self) {
        if let Err(error) = self.serve().await {
            self.0.borrow_mut().break_down(Errno::from_io_error(&error).unwrap_or(Errno::IO));
        }
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
        if let Some(ended) = connection.ended {
            // The system tells of a reset once, and then to the write that met it; all that is left to read is the end.
            let reset = connection.send_failed.filter(|error| *error == Errno::CONNRESET);
            let ended = reset.map_or(ended, Err);
            return Poll::Ready(ended.map(|()| 0).map_err(io::Error::from));
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
        let bytes = from.iter().map(|slice| slice.len()).sum();
        let socket = Fd(connection.socket.as_raw_fd());
        if bytes > COPY_MAX {
            let sent = connection.socket.send_vectored_with_flags(from, AT_ONCE);
            return match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
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

impl Connection {
    fn fail(&mut self, error: Errno) {
        self.connected.get_or_insert(Err(error));
        self.ended.get_or_insert(Err(error));
        self.send_failed.get_or_insert(error);
        wake(&mut self.reader);
        wake(&mut self.writer);
    }
}

fn wake(waiting: &mut Option<Waker>) {
    if let Some(waker) = waiting.take() {
        waker.wake();
    }
}

/// Remembers whom to wake.
fn wait(waiting: &mut Option<Waker>, cx: &Context<'_>) {
    match waiting {
        Some(waker) if waker.will_wake(cx.waker()) => {}
        _ => *waiting = Some(cx.waker().clone()),
    }
}

impl State {
    fn open(&mut self, socket: Socket, peer: SocketAddr) -> usize {
        let peer = Box::new(SockAddr::from(peer));
        let connect =
            opcode::Connect::new(Fd(socket.as_raw_fd()), peer.as_ptr().cast(), peer.len()).build();
        let key = self.connections.insert(Connection {
            socket,
            peer: Some(peer),
            connected: None,
            incoming: VecDeque::new(),
            ended: None,
            outgoing: None,
            send_failed: None,
            under_way: 0,
            receives: false,
            waits_to_write: false,
            abandoned: false,
            reader: None,
            writer: None,
        });
        match self.broken {
            Some(error) => self.connections[key].fail(error),
            None => self.push(key, Operation::Connect, connect),
        }
        key
    }

    /// Ends every connection, those to come as well.
    fn break_down(&mut self, error: Errno) {
        self.broken = Some(error);
        for (_, connection) in &mut self.connections {
            connection.fail(error);
        }
    }

    fn close(&mut self, key: usize) {
        let connection = self.connections.remove(key);
        connection.incoming.iter().for_each(|chunk| self.buffers.give_back(chunk));
    }

    /// Queues an operation and wakes the task that submits it.
    fn push(&mut self, key: usize, operation: Operation, entry: squeue::Entry) {
        self.connections[key].under_way += 1;
        let entry = entry.user_data(user_data(key, operation));
        // SAFETY: an operation points to its connection's peer or outgoing bytes, or to nothing; both stay as they are
        // until its completion was seen, and the connection with them. The ring waits for all of them when it ends.
        while unsafe { self.uring.submission().push(&entry) }.is_err() {
            // The queue is full. What is done is taken as well: where too much of it waits, the kernel submits nothing.
            if let Err(error) = self.turn() {
                return self.break_down(Errno::from_io_error(&error).unwrap_or(Errno::IO));
            }
        }
        if let Some(waker) = self.idle.take() {
            waker.wake();
        }
    }

    /// Submits what is queued and brings in what is done.
    fn turn(&mut self) -> io::Result<()> {
        let queued = self.uring.submission().len();
        if queued > 0 || self.has_work() {
            // What is done in this call is seen right after it, and needs no bell.
            self.uring.completion().disable_eventfd();
            let queued = u32::try_from(queued).unwrap_or(u32::MAX);
            // SAFETY: no argument is passed, and what was queued is sound (see `push`).
            let entered =
                unsafe { self.uring.submitter().enter::<()>(queued, 0, GET_EVENTS, None) };
            match entered.as_ref().map_err(|error| error.kind()) {
                // What is left is submitted with the next turn.
                Ok(_) | Err(io::ErrorKind::Interrupted | io::ErrorKind::ResourceBusy) => {}
                Err(_) => return entered.map(drop),
            }
            self.complete();
            self.uring.completion().enable_eventfd();
            // Before anyone looks for what came while the bell was off.
            atomic::fence(Ordering::SeqCst);
        }
        Ok(())
    }

    /// Whether something is done, or waits to be done in this thread.
    fn has_work(&mut self) -> bool {
        let submission = self.uring.submission();
        let waits = submission.taskrun() || submission.cq_overflow();
        drop(submission);
        waits || !self.uring.completion().is_empty()
    }

    fn complete(&mut self) {
        let Self { uring, connections, buffers, spare, .. } = self;
        let mut over = Vec::new();
        for completion in uring.completion() {
            let (key, operation) = parts(completion.user_data());
            let Some(connection) = connections.get_mut(key) else { continue };
            let result = match completion.result() {
                error if error < 0 => Err(Errno::from_raw_os_error(-error)),
                value => Ok(value),
            };
            let more = cqueue::more(completion.flags());
            if !more {
                connection.under_way -= 1;
            }
            match operation {
                Operation::Connect => {
                    connection.peer = None;
                    connection.connected = Some(result.map(drop));
                    wake(&mut connection.writer);
                }
                Operation::Receive => {
                    connection.receives = more;
                    match (result, cqueue::buffer_select(completion.flags())) {
                        (Ok(bytes @ 1..), Some(buffer)) => {
                            connection.incoming.push_back(Chunk::new(buffer, bytes));
                        }
                        // No buffer was left: whoever reads asks again.
                        (Err(Errno::NOBUFS), _) => {}
                        (result, buffer) => {
                            if let Some(buffer) = buffer {
                                buffers.give_back(&Chunk::new(buffer, 0));
                            }
                            connection.ended = Some(result.map(drop));
                        }
                    }
                    wake(&mut connection.reader);
                }
                Operation::Send => {
                    if let Some(mut copy) = connection.outgoing.take() {
                        copy.clear();
                        spare.push(copy);
                    }
                    connection.send_failed = result.err();
                    wake(&mut connection.writer);
                }
                Operation::Writable => {
                    connection.waits_to_write = false;
                    wake(&mut connection.writer);
                }
                Operation::Cancel => {}
            }
            if connection.abandoned && connection.under_way == 0 {
                over.push(key);
            }
        }
        over.into_iter().for_each(|key| self.close(key));
    }
}

impl Drop for State {
    /// Takes back from the kernel what it may still write to or read from.
    fn drop(&mut self) {
        let cancelled = self.uring.submitter().register_sync_cancel(None, CancelBuilder::any());
        if cancelled.is_err_and(|error| error.kind() != io::ErrorKind::NotFound) {
            // Memory that might be written to is better lost than used again.
            std::mem::take(&mut self.connections).into_iter().for_each(std::mem::forget);
            self.buffers.leak();
        }
    }
}

fn user_data(key: usize, operation: Operation) -> u64 {
    (key as u64) << OPERATION_BITS | operation as u64
}

fn parts(user_data: u64) -> (usize, Operation) {
    let operation = user_data & ((1 << OPERATION_BITS) - 1);
    let key = usize::try_from(user_data >> OPERATION_BITS).unwrap_or(usize::MAX);
    let operation = usize::try_from(operation).ok().and_then(|at| OPERATIONS.get(at));
    (key, *operation.unwrap_or(&Operation::Cancel))
}

#[cfg(test)]
mod tests;
