//! What a ring knows of its connections, and what goes between it and the kernel.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{self, Ordering};
use std::task::{Context, Waker};

use io_uring::types::{CancelBuilder, Fd};
use io_uring::{IoUring, cqueue, opcode, squeue};
use rustix::io::Errno;
use slab::Slab;
use socket2::{SockAddr, Socket};

use super::buffers::{Buffers, Chunk};

/// Operations that wait to be submitted; more are submitted early.
const SUBMISSIONS: u32 = 1024;
/// Completions that fit; the kernel keeps more, at a price.
const COMPLETIONS: u32 = 8192;
/// Operations that wait before they are submitted at once. A command's clock starts when it is queued: this bounds what it waits
/// for the others of its batch.
const BATCH: usize = 32;
/// Tries to submit before the ring counts as failed.
const TRIES_MAX: u32 = 1000;
/// `IORING_ENTER_GETEVENTS`: completions that wait for this thread are brought in.
const GET_EVENTS: u32 = 1;

/// What was asked of the kernel; the low bits of an operation's user data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
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

/// All of a ring.
pub(super) struct State {
    pub(super) uring: IoUring,
    pub(super) connections: Slab<Connection>,
    pub(super) buffers: Buffers,
    /// Memory of writes that are over.
    pub(super) spare: Vec<Vec<u8>>,
    /// The task that enters the kernel, until it is woken.
    pub(super) idle: Option<Waker>,
    /// Operations, and what is as good as some, since the kernel was entered.
    pub(super) waiting: usize,
    /// What made the ring fail.
    pub(super) broken: Option<Errno>,
}

/// One connection; it stays until the kernel is done with it.
pub(super) struct Connection {
    pub(super) socket: Socket,
    /// Where to, while it is being connected.
    pub(super) peer: Option<Box<SockAddr>>,
    pub(super) connected: Option<Result<(), Errno>>,
    /// What came and was not read yet.
    pub(super) incoming: VecDeque<Chunk>,
    /// Nothing more comes.
    pub(super) ended: Option<Result<(), Errno>>,
    pub(super) outgoing: Option<Vec<u8>>,
    pub(super) send_failed: Option<Errno>,
    /// Operations that the kernel has not ended.
    pub(super) under_way: u32,
    pub(super) receives: bool,
    pub(super) waits_to_write: bool,
    /// A large write has a rest, which is not copied either: it is written once it is the system's.
    pub(super) rest_is_large: bool,
    /// Whoever had it let go of it.
    pub(super) abandoned: bool,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
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

/// Whether it is the fault of this machine and not of the connection.
pub(super) fn is_ours(error: Errno) -> bool {
    matches!(error, Errno::NOMEM | Errno::NOBUFS | Errno::MFILE | Errno::NFILE | Errno::IO)
}

fn wake(waiting: &mut Option<Waker>) {
    if let Some(waker) = waiting.take() {
        waker.wake();
    }
}

/// Remembers whom to wake.
pub(super) fn wait(waiting: &mut Option<Waker>, cx: &Context<'_>) {
    match waiting {
        Some(waker) if waker.will_wake(cx.waker()) => {}
        _ => *waiting = Some(cx.waker().clone()),
    }
}

impl State {
    pub(super) fn new() -> io::Result<Self> {
        let uring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_cqsize(COMPLETIONS)
            .build(SUBMISSIONS)?;
        let buffers = Buffers::register(&uring)?;
        Ok(Self {
            uring,
            connections: Slab::new(),
            buffers,
            spare: Vec::new(),
            idle: None,
            waiting: 0,
            broken: None,
        })
    }

    pub(super) fn open(&mut self, socket: Socket, peer: SocketAddr) -> usize {
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
            rest_is_large: false,
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
    pub(super) fn break_down(&mut self, error: &io::Error) {
        // What the ring met is no answer of any peer, whatever the number means of a socket.
        let error = Errno::from_io_error(error).filter(|error| is_ours(*error));
        let error = error.unwrap_or(Errno::IO);
        self.broken = Some(error);
        for (_, connection) in &mut self.connections {
            connection.fail(error);
        }
    }

    pub(super) fn close(&mut self, key: usize) {
        let connection = self.connections.remove(key);
        connection.incoming.iter().for_each(|chunk| self.buffers.give_back(chunk));
    }

    /// Queues an operation and wakes the task that submits it.
    pub(super) fn push(&mut self, key: usize, operation: Operation, entry: squeue::Entry) {
        self.connections[key].under_way += 1;
        let entry = entry.user_data(user_data(key, operation));
        // SAFETY: an operation points to its connection's peer or outgoing bytes, or to nothing; both stay as they are
        // until its completion was seen, and the connection with them. The ring waits for all of them when it ends.
        let mut tries = 0;
        while unsafe { self.uring.submission().push(&entry) }.is_err() {
            // The queue is full. What is done is taken as well: where too much of it waits, the kernel submits nothing.
            tries += 1;
            let turned = if tries > TRIES_MAX { Err(Errno::NOBUFS.into()) } else { self.turn() };
            if let Err(error) = turned {
                return self.break_down(&error);
            }
        }
        self.waiting += 1;
        if self.waiting >= BATCH
            && let Err(error) = self.turn()
        {
            return self.break_down(&error);
        }
        if let Some(waker) = self.idle.take() {
            waker.wake();
        }
    }

    /// Submits what is queued and brings in what is done.
    pub(super) fn turn(&mut self) -> io::Result<()> {
        self.waiting = 0;
        let queued = self.uring.submission().len();
        if queued > 0 || self.has_work() {
            // What is done in this call is seen right after it, and needs no bell.
            self.uring.completion().disable_eventfd();
            let queued = u32::try_from(queued).unwrap_or(u32::MAX);
            // SAFETY: no argument is passed, and what was queued is sound (see `push`).
            let entered =
                unsafe { self.uring.submitter().enter::<()>(queued, 0, GET_EVENTS, None) };
            match entered.as_ref().map_err(|error| error.kind()) {
                // What is left in the queue is work for the next turn.
                Ok(_)
                | Err(
                    io::ErrorKind::Interrupted
                    | io::ErrorKind::ResourceBusy
                    | io::ErrorKind::WouldBlock,
                ) => {}
                Err(_) => return entered.map(drop),
            }
            self.complete();
            self.uring.completion().enable_eventfd();
            // Before anyone looks for what came while the bell was off.
            atomic::fence(Ordering::SeqCst);
        }
        Ok(())
    }

    /// Whether something is done, or waits to be done in this thread, or could not be submitted.
    pub(super) fn has_work(&mut self) -> bool {
        let submission = self.uring.submission();
        let waits = submission.taskrun() || submission.cq_overflow() || !submission.is_empty();
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
                    let mut copy = connection.outgoing.take().unwrap_or_default();
                    connection.send_failed = match result {
                        // It was to go on to the end, and no longer knows why it could not.
                        Ok(sent) if usize::try_from(sent) != Ok(copy.len()) => Some(Errno::PIPE),
                        result => result.err(),
                    };
                    copy.clear();
                    spare.push(copy);
                    wake(&mut connection.writer);
                    if connection.send_failed.is_some() {
                        wake(&mut connection.reader);
                    }
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
        if self.broken.is_none() {
            // What sessions wrote last, and their closing.
            let _ = self.turn();
        }
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
