//! Does what a [`Dialogue`] says on a real connection. The only part of a session that knows tokio.
//!
//! Reads go through one buffer of the worker, not one a session; commands go out from the worker's buffer at once,
//! and only what the socket did not take is copied aside.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io::IoSlice;
use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::time::Sleep;

use crate::clock::{self, Duration, Instant};
use crate::engine::desk::Desk;
use crate::engine::dialogue::{Action, Dialogue, Ends};
use crate::engine::pool::{Pool, Seat, Work};
use crate::engine::transcript::Transcript;
use crate::engine::upload::UploadPart;
use crate::measure::outcome::Failure;
use crate::net::connect::{self, Stream};
use crate::net::ring::Ring;
use crate::net::timers::Timers;
use crate::net::tls::{self, TlsClient};
use crate::plan::{Address, Destination, Plan, Target};
use crate::scenario::step::StepId;

/// Bytes that one read may take: larger than any reply that is not hostile.
pub const READ_BYTES: usize = 64 * 1024;
/// Slices of one `writev`.
const SLICES: usize = 16;

/// What a session borrows from its worker.
#[derive(Debug)]
pub struct Bench {
    pub plan: std::sync::Arc<Plan>,
    pub desk: RefCell<Desk>,
    pub read_buffer: RefCell<Vec<u8>>,
    /// For pauses, which may be shorter than the runtime's millisecond.
    pub timers: Timers,
    /// For targets with TLS.
    pub tls: Option<TlsClient>,
    /// For TCP, where the system has one.
    pub ring: Option<Ring>,
    /// Wakes pauses and waits of a load when it drains.
    pub draining: Vec<tokio::sync::Notify>,
}

/// A time limit that costs nothing while replies are in time: the timer is armed for the earliest limit and looked
/// at again when it fires, instead of being set anew for every command.
#[derive(Debug, Default)]
pub struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: Option<Instant>,
}

impl Timer {
    /// Ready once `deadline` has passed.
    fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        loop {
            let late = self.armed.is_none_or(|armed| deadline < armed);
            let sleep = self
                .sleep
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.into())));
            if late {
                sleep.as_mut().reset(deadline.into());
                self.armed = Some(deadline);
            }
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.armed = None;
            if clock::now() >= deadline {
                return Poll::Ready(());
            }
        }
    }
}

/// One session, from connecting to the close.
pub struct SessionRun<'a> {
    pub bench: &'a Bench,
    pub dialogue: &'a RefCell<Dialogue>,
    pub timer: &'a mut Timer,
    /// Where it waits for messages of an open load.
    pub seat: Option<&'a Rc<Seat>>,
    /// Where what is said is written down, if anywhere.
    pub transcript: Option<&'a RefCell<Transcript>>,
}

impl SessionRun<'_> {
    /// Runs it to its end, as connection number `turn` to `target`: to the first of its addresses that takes a
    /// connection. What became of it is in the dialogue and in the recorder.
    pub async fn run(&mut self, target: &Target, turn: usize) {
        // What is rare is boxed: a session's memory is that of its largest wait.
        let connected = Box::pin(self.connect(target, turn)).await;
        let Some((destination, mut stream)) = connected else { return };
        loop {
            let action = self.with_dialogue(|dialogue, plan, desk, now| {
                desk.out.clear();
                dialogue.next(plan, desk, now)
            });
            if self.transcript.is_some()
                && let Some(remark) = self.dialogue.borrow_mut().take_remark()
            {
                self.note(|| remark);
            }
            match action {
                Action::Read => self.read(&mut stream).await,
                Action::Write(part) => self.write(&mut stream, part).await,
                Action::Sleep(length) => Box::pin(self.sleep(&mut stream, length)).await,
                Action::Await => self.wait_for_message(&mut stream).await,
                Action::Hold => Box::pin(self.hold(&mut stream)).await,
                Action::Handshake => match Box::pin(self.secure(stream, destination)).await {
                    Some(secured) => stream = secured,
                    None => return,
                },
                Action::Close { reset } => {
                    if reset {
                        stream.reset_on_close();
                    } else {
                        poll_fn(|cx| {
                            stream.poll_farewell(cx);
                            Poll::Ready(())
                        })
                        .await;
                    }
                    self.note(|| {
                        if reset { "connection reset by us" } else { "connection closed" }
                            .to_owned()
                    });
                    return;
                }
            }
        }
    }

    fn with_dialogue<T>(
        &self,
        run: impl FnOnce(&mut Dialogue, &Plan, &mut Desk, Instant) -> T,
    ) -> T {
        let mut desk = self.bench.desk.borrow_mut();
        run(&mut self.dialogue.borrow_mut(), &self.bench.plan, &mut desk, clock::now())
    }

    fn note(&self, text: impl FnOnce() -> String) {
        if let Some(transcript) = self.transcript {
            transcript.borrow_mut().note(clock::now(), &text());
        }
    }

    fn fail(&self, failure: Failure, detail: &str) {
        self.note(|| format!("{}: {detail}", failure.name()));
        self.with_dialogue(|dialogue, plan, desk, now| {
            dialogue.handle_failure(plan, desk, now, failure, detail);
        });
    }

    async fn connect<'t>(
        &mut self,
        target: &'t Target,
        turn: usize,
    ) -> Option<(&'t Destination, Stream)> {
        let limit = self.bench.plan.scenario.timeouts.limit(StepId::CONNECT);
        self.with_dialogue(|dialogue, plan, desk, now| dialogue.start(plan, desk, now));
        let mut last = (Failure::Internal, "the target has no address".to_owned());
        for (index, turn) in target.attempts(turn) {
            let destination = &target.addresses[index];
            let address = &destination.address;
            let source = self.bench.plan.source(address, turn);
            self.with_dialogue(|dialogue, _, _, now| dialogue.connecting(index, now));
            let connecting = connect::connect(address, source, self.bench.ring.as_ref());
            last = match tokio::time::timeout(limit, connecting).await {
                Ok(Ok(stream)) => {
                    self.note(|| format!("connected to {destination}"));
                    self.note_ends(&stream, address);
                    self.with_dialogue(|dialogue, plan, desk, now| {
                        dialogue.connected(plan, desk, now);
                    });
                    return Some((destination, stream));
                }
                Ok(Err(error)) => (connect::classify(&error), error.to_string()),
                Err(_) => (Failure::TimedOut, String::new()),
            };
            self.note(|| format!("no connection to {destination}: {} {}", last.0.name(), last.1));
            self.with_dialogue(|dialogue, _, desk, now| dialogue.address_failed(desk, now, last.0));
            // A name often has an address that nobody listens on, such as ::1 beside 127.0.0.1.
            if !matches!(last.0, Failure::Refused | Failure::Unreachable | Failure::TimedOut) {
                break;
            }
        }
        let (failure, detail) = last;
        self.with_dialogue(|dialogue, plan, desk, now| {
            dialogue.not_connected(plan, desk, now, failure, &detail);
        });
        None
    }

    /// Goes over to TLS; `None` where that failed, with the connection gone.
    async fn secure(&self, stream: Stream, destination: &Destination) -> Option<Stream> {
        let deadline = self.dialogue.borrow().deadline();
        let left = deadline.map(|at| at.saturating_duration_since(clock::now()));
        let handshake = async {
            let client = self.bench.tls.as_ref().ok_or(std::io::ErrorKind::InvalidInput)?;
            stream.secure(client, destination.host.as_deref()).await
        };
        match tokio::time::timeout(left.unwrap_or(Duration::MAX), handshake).await {
            Ok(Ok((stream, secured))) => {
                let facts = &secured.facts;
                self.note(|| {
                    let (version, suite, group) =
                        (facts.version, &facts.cipher_suite, &facts.group);
                    let how = if facts.resumed { ", resumed" } else { "" };
                    let subject = &facts.certificate.subject;
                    format!("{version} {suite} {group}{how}, certificate of {subject}")
                });
                self.with_dialogue(|dialogue, plan, desk, now| {
                    dialogue.secured(plan, desk, now, &secured);
                });
                return Some(stream);
            }
            Ok(Err(error)) => {
                self.fail(connect::classify(&error), &tls::words(&error));
            }
            Err(_) => self.time_out(),
        }
        None
    }

    /// Tells the dialogue between whom the connection is, where that will be said to the server.
    fn note_ends(&self, stream: &Stream, address: &Address) {
        if self.bench.plan.scenario.via.is_some() {
            let peer = match address {
                Address::Tcp(peer) => Some(*peer),
                Address::Unix(_) => None,
            };
            let ends = Ends { local: stream.local_address(), peer };
            self.dialogue.borrow_mut().note_ends(ends);
        }
    }

    /// Waits, and listens meanwhile: a server that hangs up in a pause did so then, not at the next command.
    async fn sleep(&mut self, stream: &mut Stream, length: Duration) {
        // A transaction under way is what the drain is for: its pauses are as long as the script says.
        let whole = self.dialogue.borrow().has_message();
        let load = usize::from(self.dialogue.borrow().load());
        let (bench, dialogue, transcript) = (self.bench, self.dialogue, self.transcript);
        let input = poll_fn(|cx| poll_end(bench, dialogue, transcript, stream, cx));
        let end = tokio::select! {
            () = bench.timers.sleep_until(clock::now() + length) => Ok(()),
            () = bench.draining[load].notified(), if !whole => Ok(()),
            end = input => end,
        };
        if let Err((failure, detail)) = end {
            self.fail(failure, &detail);
        }
    }

    /// Waits for the next message of an open load, and listens meanwhile.
    async fn wait_for_message(&mut self, stream: &mut Stream) {
        let (bench, dialogue, transcript) = (self.bench, self.dialogue, self.transcript);
        let Some(seat) = self.seat else {
            return self.fail(Failure::Internal, "a session outside a pool waits for a message");
        };
        let load = usize::from(dialogue.borrow().load());
        self.with_pool(load, |pool| pool.wait_for_message(seat));
        let end = poll_fn(|cx| {
            if let Poll::Ready(end) = poll_end(bench, dialogue, transcript, stream, cx) {
                return Poll::Ready(Err(end));
            }
            seat.poll(cx).map(Ok)
        })
        .await;
        match end {
            Ok(Work::Arrival(start)) => dialogue.borrow_mut().hand(start),
            Ok(Work::Open | Work::Leave) => {}
            Err(end) => {
                self.with_pool(load, |pool| {
                    pool.stop_waiting(seat);
                    // Given to it in the same moment, and not begun.
                    if let Some(Work::Arrival(start)) = seat.take() {
                        pool.give_back(start);
                    }
                });
                if let Err((failure, detail)) = end {
                    self.fail(failure, &detail);
                }
            }
        }
    }

    fn with_pool(&self, load: usize, run: impl FnOnce(&mut Pool)) {
        if let Some(pool) = &mut self.bench.desk.borrow_mut().loads[load].pool {
            run(pool);
        }
    }

    /// Stays as it is until the load ends, and listens.
    async fn hold(&mut self, stream: &mut Stream) {
        let (bench, dialogue, transcript) = (self.bench, self.dialogue, self.transcript);
        let load = dialogue.borrow().load();
        let drained = bench.draining[usize::from(load)].notified();
        let end = tokio::select! {
            () = drained, if !bench.desk.borrow().is_draining(load) => Ok(()),
            end = poll_fn(|cx| poll_end(bench, dialogue, transcript, stream, cx)) => end,
        };
        if let Err((failure, detail)) = end {
            self.fail(failure, &detail);
        }
    }

    async fn read(&mut self, stream: &mut Stream) {
        let deadline = self.dialogue.borrow().deadline();
        let dialogue = self.dialogue;
        let (bench, transcript) = (self.bench, self.transcript);
        let timer = &mut *self.timer;
        let end = poll_fn(|cx| {
            if let Poll::Ready(end) = poll_input(bench, dialogue, transcript, stream, cx) {
                return Poll::Ready(Some(end));
            }
            match deadline {
                Some(deadline) => timer.poll(cx, deadline).map(|()| None),
                None => Poll::Pending,
            }
        })
        .await;
        match end {
            Some(Ok(())) => {}
            Some(Err((failure, detail))) => self.fail(failure, &detail),
            None => self.time_out(),
        }
    }

    fn time_out(&self) {
        self.note(|| "no reply within the time limit".to_owned());
        self.with_dialogue(|dialogue, plan, desk, now| dialogue.handle_timeout(plan, desk, now));
    }

    async fn write(&mut self, stream: &mut Stream, part: Option<UploadPart>) {
        let bench = self.bench;
        if let Some(transcript) = self.transcript {
            transcribe(
                &bench.plan,
                &bench.desk.borrow(),
                part.as_ref(),
                &mut transcript.borrow_mut(),
            );
        }
        let mut outgoing = Outgoing::new(part);
        let limit = bench.plan.scenario.timeouts.limit(StepId::UPLOAD);
        let mut deadline = None;
        let (dialogue, transcript) = (self.dialogue, self.transcript);
        let timer = &mut *self.timer;
        // Whether all went out; not where what was read meanwhile ended the session.
        let result: Result<bool, Option<(Failure, String)>> = poll_fn(|cx| {
            loop {
                match outgoing.poll(&bench.plan, &bench.desk, stream, cx) {
                    Poll::Ready(Ok(true)) => return Poll::Ready(Ok(true)),
                    Poll::Ready(Ok(false)) => deadline = None,
                    Poll::Ready(Err(error)) => {
                        // What the peer said before it closed may still be there to read.
                        while let Poll::Ready(Ok(())) =
                            poll_input(bench, dialogue, transcript, stream, cx)
                        {
                            if dialogue.borrow().is_over() {
                                return Poll::Ready(Ok(false));
                            }
                        }
                        let failure = connect::classify(&error);
                        return Poll::Ready(Err(Some((failure, error.to_string()))));
                    }
                    Poll::Pending => break,
                }
            }
            // The peer may answer before it has read everything; what it says must not fill the buffers between us.
            while let Poll::Ready(end) = poll_input(bench, dialogue, transcript, stream, cx) {
                match end {
                    Ok(()) if dialogue.borrow().is_over() => return Poll::Ready(Ok(false)),
                    Ok(()) => {}
                    Err(end) => return Poll::Ready(Err(Some(end))),
                }
            }
            // The limit counts from the last progress (RFC 5321 section 4.5.3.2.5).
            let deadline = *deadline.get_or_insert_with(|| clock::now() + limit);
            timer.poll(cx, deadline).map(|()| Err(None))
        })
        .await;
        match result {
            Ok(true) => {
                self.with_dialogue(|dialogue, plan, desk, now| dialogue.written(plan, desk, now));
            }
            Ok(false) => {
                self.with_dialogue(|dialogue, plan, desk, now| {
                    dialogue.not_written(plan, desk, now);
                });
            }
            Err(Some((failure, detail))) => self.fail(failure, &detail),
            Err(None) => self.time_out(),
        }
    }
}

/// Reads what is there and hands it to the dialogue; an error is the end of the stream.
fn poll_input(
    bench: &Bench,
    dialogue: &RefCell<Dialogue>,
    transcript: Option<&RefCell<Transcript>>,
    stream: &mut Stream,
    cx: &mut Context<'_>,
) -> Poll<Result<(), (Failure, String)>> {
    let mut buffer = bench.read_buffer.borrow_mut();
    let result = std::task::ready!(stream.poll_read(cx, &mut buffer));
    Poll::Ready(match result {
        Ok(0) => Err((Failure::Closed, String::new())),
        Ok(bytes) => {
            let now = clock::now();
            if let Some(transcript) = transcript {
                transcript.borrow_mut().received(now, &buffer[..bytes]);
            }
            let mut desk = bench.desk.borrow_mut();
            dialogue.borrow_mut().handle_input(&bench.plan, &mut desk, now, &buffer[..bytes]);
            Ok(())
        }
        Err(error) => Err((connect::classify(&error), error.to_string())),
    })
}

/// Reads until the session is over or the stream is at its end.
fn poll_end(
    bench: &Bench,
    dialogue: &RefCell<Dialogue>,
    transcript: Option<&RefCell<Transcript>>,
    stream: &mut Stream,
    cx: &mut Context<'_>,
) -> Poll<Result<(), (Failure, String)>> {
    loop {
        match std::task::ready!(poll_input(bench, dialogue, transcript, stream, cx)) {
            Ok(()) if !dialogue.borrow().is_over() => {}
            end => return Poll::Ready(end),
        }
    }
}

/// Bytes on their way out.
struct Outgoing {
    part: Option<UploadPart>,
    /// Bytes of `Desk::out` that are written; all of them count from its start.
    written: u64,
    /// What is left of `Desk::out`, once another session may use that.
    held: Option<Vec<u8>>,
    /// All is written, and may still wait to be encrypted and sent.
    flushing: bool,
}

impl Outgoing {
    fn new(part: Option<UploadPart>) -> Self {
        Self { part, written: 0, held: None, flushing: false }
    }

    /// Writes once; true when all is out, false after some progress.
    fn poll(
        &mut self,
        plan: &Plan,
        desk: &RefCell<Desk>,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<std::io::Result<bool>> {
        let desk = desk.borrow();
        let head = self.held.as_deref().unwrap_or_else(|| desk.out.bytes());
        let total = head.len() as u64 + self.part.as_ref().map_or(0, UploadPart::bytes);
        if self.flushing || self.written == total {
            self.flushing = true;
            return stream.poll_flush(cx).map_ok(|()| true);
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = fill(plan, head, self.part.as_ref(), self.written, &mut slices);
        match stream.poll_write(cx, &slices[..count]) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(std::io::ErrorKind::WriteZero.into())),
            Poll::Ready(Ok(bytes)) => {
                self.written += bytes as u64;
                self.flushing = self.written == total;
                Poll::Ready(Ok(false))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                if self.held.is_none() {
                    self.held = Some(head.to_vec());
                }
                Poll::Pending
            }
        }
    }
}

/// Fills `slices` with what comes behind the first `written` bytes of head, body and end.
fn fill<'a>(
    plan: &'a Plan,
    head: &'a [u8],
    part: Option<&UploadPart>,
    written: u64,
    slices: &mut [IoSlice<'a>],
) -> usize {
    let mut count = 0;
    let skip = usize::try_from(written).unwrap_or(usize::MAX).min(head.len());
    if skip < head.len() {
        slices[0] = IoSlice::new(&head[skip..]);
        count = 1;
    }
    let Some(part) = part else { return count };
    let behind = written.saturating_sub(head.len() as u64);
    let length = part.range.end - part.range.start;
    let mail = &plan.scenario.mail;
    if behind < length {
        let range: Range<u64> = part.range.start + behind..part.range.end;
        let room = slices.len() - 1;
        let taken =
            mail.body_slices(part.body, part.stuffed, range.clone(), &mut slices[count..room]);
        let bytes: u64 = slices[count..count + taken].iter().map(|slice| slice.len() as u64).sum();
        count += taken;
        if bytes < range.end - range.start {
            // More slices than one write takes: the rest comes with the next.
            return count;
        }
    }
    let skip = usize::try_from(behind.saturating_sub(length)).unwrap_or(usize::MAX);
    if let Some(end) = part.end.get(skip..).filter(|end| !end.is_empty()) {
        slices[count] = IoSlice::new(end);
        count += 1;
    }
    count
}

fn transcribe(plan: &Plan, desk: &Desk, part: Option<&UploadPart>, transcript: &mut Transcript) {
    let now = clock::now();
    let Some(part) = part else { return transcript.sent(now, desk.out.bytes()) };
    let head = desk.out.bytes();
    // Commands before the mail data in one write: BDAT lines and a pipelined envelope end the header's way in.
    let data = match part.stuffed {
        true => 0,
        false => head
            .windows(5)
            .rposition(|window| window == b"BDAT ")
            .and_then(|at| memchr::memchr(b'\n', &head[at..]).map(|end| at + end + 1))
            .unwrap_or(0),
    };
    if data > 0 {
        transcript.sent(now, &head[..data]);
    }
    transcript.sent_data(now, &head[data..]);
    let mut at = head.len() as u64;
    let total = at + part.bytes();
    while at < total {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = fill(plan, head, Some(part), at, &mut slices);
        for slice in &slices[..count] {
            transcript.sent_data(now, slice);
            at += slice.len() as u64;
        }
    }
}
