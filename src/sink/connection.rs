//! A connection as a task: moves bytes between a socket and a [`SinkSession`].
//!
//! Buffers belong to the worker. A session owns input only while a line is cut, and output only while its peer does
//! not read; that peer alone waits.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::session::{Close, Service, SinkSession};
use super::stream::SinkStream;
use crate::clock;
use crate::net::timers::{TimerKey, Timers};

/// Read at once. A pipelined group or most of a message fits.
const INPUT_MAX: usize = 64 * 1024;

/// How long a peer that was hung up on may keep sending: closing on unread bytes resets the connection, and a reset
/// takes the last reply away from it.
const LINGER_MAX: Duration = Duration::from_secs(1);

/// What the connections of a worker share.
pub(super) struct Worker {
    pub(super) service: Arc<Service>,
    pub(super) timers: Timers,
    buffers: RefCell<Buffers>,
}

struct Buffers {
    input: Box<[u8]>,
    output: Vec<u8>,
}

impl Worker {
    pub(super) fn new(service: Arc<Service>, timers: Timers) -> Self {
        let buffers = Buffers { input: vec![0; INPUT_MAX].into(), output: Vec::new() };
        Self { service, timers, buffers: RefCell::new(buffers) }
    }
}

/// One connection; ready when it is closed.
pub(super) struct Connection<S> {
    stream: SinkStream<S>,
    session: SinkSession,
    worker: Rc<Worker>,
    /// Replies that the socket did not take yet.
    unsent: Vec<u8>,
    timer: Option<TimerKey>,
    /// Until when input is read and thrown away before closing.
    linger: Option<Instant>,
    /// Our side of it is closed.
    shut: bool,
    started: bool,
}

impl<S: AsyncRead + AsyncWrite + AsFd + Unpin> Connection<S> {
    /// The `number`th connection of the sink, from `peer`, where that is known and anybody asks.
    pub(super) fn new(stream: S, peer: Option<IpAddr>, number: u64, worker: Rc<Worker>) -> Self {
        let now = clock::now();
        let session = SinkSession::new(Arc::clone(&worker.service), now);
        Self {
            stream: SinkStream::Clear(stream),
            session: session.with_peer(peer, now).numbered(number, now),
            worker,
            unsent: Vec::new(),
            timer: None,
            linger: None,
            shut: false,
            started: false,
        }
    }

    /// Goes on until it has to wait (`Pending`) or the connection is over; an error is the peer's going away.
    fn poll_run(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.started, true) {
            self.converse(context, |session, _, out| session.start(clock::now(), out))?;
        }
        loop {
            if !self.unsent.is_empty() {
                ready!(self.poll_flush_unsent(context))?;
            }
            ready!(self.poll_flush_stream(context))?;
            if self.session.wants_handshake() {
                ready!(self.poll_secure(context))?;
                continue;
            }
            if let Some(close) = self.session.close() {
                return self.poll_close(close, context);
            }
            if self.session.is_paused() {
                self.converse(context, |session, _, out| session.resume(clock::now(), out))?;
                continue;
            }
            let passed = self.worker.timers.passed();
            if self.session.poll_timeout() <= passed {
                self.converse(context, |session, _, out| session.handle_timeout(passed, out))?;
                continue;
            }
            if !self.session.takes_input() {
                self.arm(self.session.poll_timeout(), context);
                return Poll::Pending;
            }
            match self.poll_input(context)? {
                Poll::Ready(0) => return Poll::Ready(Ok(())),
                Poll::Ready(_) => {}
                Poll::Pending => {
                    self.arm(self.session.poll_timeout(), context);
                    return Poll::Pending;
                }
            }
        }
    }

    /// Goes over to TLS.
    fn poll_secure(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let service = Arc::clone(&self.worker.service);
        let Some(tls) = service.tls() else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        if self.stream.poll_secure(&tls.server, context)?.is_pending() {
            return self.wait_for_peer(context);
        }
        self.session.bind(self.stream.bindings(&tls.server));
        self.converse(context, |session, _, out| session.secured(clock::now(), out))?;
        Poll::Ready(Ok(()))
    }

    /// Waits until what TLS holds back is out.
    fn poll_flush_stream(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(context)? {
            Poll::Ready(()) => Poll::Ready(Ok(())),
            Poll::Pending => self.wait_for_peer(context),
        }
    }

    /// Pending until the session's time is over, and then an error.
    fn wait_for_peer(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let deadline = self.session.poll_timeout();
        if deadline <= self.worker.timers.passed() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.arm(deadline, context);
        Poll::Pending
    }

    /// Reads once and answers.
    fn poll_input(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let worker = Rc::clone(&self.worker);
        let mut buffers = worker.buffers.borrow_mut();
        let most = self.session.input_max().min(INPUT_MAX);
        let mut input = ReadBuf::new(&mut buffers.input[..most]);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut input))?;
        let length = input.filled().len();
        drop(buffers);
        if length > 0 {
            self.converse(context, |session, input, out| {
                session.handle_input(clock::now(), &input[..length], out);
            })?;
        }
        Poll::Ready(Ok(length))
    }

    /// Lets the session speak and writes what it says, at once and in one write.
    fn converse(
        &mut self,
        context: &mut Context<'_>,
        speak: impl FnOnce(&mut SinkSession, &[u8], &mut Vec<u8>),
    ) -> io::Result<()> {
        let mut buffers = self.worker.buffers.borrow_mut();
        let Buffers { input, output } = &mut *buffers;
        output.clear();
        speak(&mut self.session, input, output);
        if output.is_empty() {
            return Ok(());
        }
        let written = match Pin::new(&mut self.stream)
            .poll_write(context, first_piece(&self.session, output))
        {
            Poll::Ready(written) => written?,
            Poll::Pending => 0,
        };
        self.unsent.extend_from_slice(&output[written..]);
        Ok(())
    }

    fn poll_flush_unsent(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut written = 0;
        while written < self.unsent.len() {
            let piece = first_piece(&self.session, &self.unsent[written..]);
            match Pin::new(&mut self.stream).poll_write(context, piece) {
                Poll::Ready(more) => {
                    written += more?;
                    if self.session.pieces().is_some() && written < self.unsent.len() {
                        // The others get their turn, and the peer a chance to see the piece by itself.
                        self.unsent.drain(..written);
                        context.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
                Poll::Pending => {
                    self.unsent.drain(..written);
                    // A peer that reads nothing is as silent as one that says nothing.
                    return self.wait_for_peer(context);
                }
            }
        }
        self.unsent = Vec::new();
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, close: Close, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if close == Close::Abort {
            return Poll::Ready(self.stream.abort());
        }
        if close == Close::Quit {
            if self.stream.is_encrypted() {
                // The goodbye of TLS, as far as it goes without waiting.
                let _ = Pin::new(&mut self.stream).poll_shutdown(context);
            }
            return Poll::Ready(Ok(()));
        }
        let until = *self.linger.get_or_insert_with(|| clock::now() + LINGER_MAX);
        if !self.shut {
            // Under TLS this writes, and so may have to wait for a peer that does not read.
            match Pin::new(&mut self.stream).poll_shutdown(context)? {
                Poll::Ready(()) => self.shut = true,
                Poll::Pending if self.worker.timers.passed() >= until => {
                    return Poll::Ready(Ok(()));
                }
                Poll::Pending => {
                    self.arm(until, context);
                    return Poll::Pending;
                }
            }
        }
        let worker = Rc::clone(&self.worker);
        let mut buffers = worker.buffers.borrow_mut();
        loop {
            if worker.timers.passed() >= until {
                return Poll::Ready(Ok(()));
            }
            let mut input = ReadBuf::new(&mut buffers.input);
            match Pin::new(&mut self.stream).poll_read(context, &mut input)? {
                Poll::Ready(()) if input.filled().is_empty() => return Poll::Ready(Ok(())),
                Poll::Ready(()) => {}
                Poll::Pending => {
                    self.arm(until, context);
                    return Poll::Pending;
                }
            }
        }
    }

    /// Has the task woken at `deadline` or before. An earlier timer is left to fire and be set anew: a session that
    /// talks moves its idle deadline with every command, and that costs nothing here.
    fn arm(&mut self, deadline: Instant, context: &Context<'_>) {
        let timers = &self.worker.timers;
        if let Some(timer) = self.timer {
            if timer.deadline() > timers.passed() && timer.deadline() <= deadline {
                return;
            }
            timers.remove(timer);
        }
        self.timer = Some(timers.insert(deadline, context.waker().clone()));
    }
}

/// As much of `bytes` as goes out in one write.
fn first_piece<'b>(session: &SinkSession, bytes: &'b [u8]) -> &'b [u8] {
    &bytes[..session.pieces().unwrap_or(usize::MAX).min(bytes.len())]
}

impl<S: AsyncRead + AsyncWrite + AsFd + Unpin> Future for Connection<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.poll_run(context).map(drop)
    }
}

impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            self.worker.timers.remove(timer);
        }
    }
}
