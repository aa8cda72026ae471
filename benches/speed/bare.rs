//! The yardstick: as little as lock-step SMTP over sockets can cost a generator.
//!
//! One thread, one epoll; a round trip is one send and one recv, of bytes that were made ahead. Nothing is measured, no wait has
//! a limit, and a reply that is not positive ends it.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

/// What it sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bare {
    pub(crate) target: SocketAddr,
    pub(crate) sessions: u64,
    pub(crate) messages: u64,
    /// Bytes of a body.
    pub(crate) size: usize,
    /// Messages of a session; as many as there are without it.
    pub(crate) per_session: Option<u64>,
    /// Twice the work, for a control: it copies what it writes, writes it in two parts, and reads before there is anything.
    pub(crate) slow: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Greeting,
    Ehlo,
    Mail,
    Rcpt,
    Data,
    Body,
    Quit,
}

struct Session {
    socket: OwnedFd,
    step: Step,
    /// Bytes of the current reply line that were seen, up to 4.
    column: u8,
    /// More lines follow the current one.
    more: bool,
    left: u64,
}

struct Run {
    bare: Bare,
    epoll: OwnedFd,
    sessions: Vec<Session>,
    body: Vec<u8>,
    copy: Vec<u8>,
    started: u64,
    closed: u64,
}

/// Sends it all.
///
/// # Errors
/// When a connection fails or a reply is not positive.
pub(crate) fn run(bare: Bare) -> io::Result<()> {
    let mut run = Run {
        bare,
        epoll: epoll::create(CreateFlags::CLOEXEC)?,
        sessions: Vec::new(),
        body: body(bare.size),
        copy: Vec::new(),
        started: 0,
        closed: 0,
    };
    for index in 0..bare.sessions {
        let session = run.open(index)?;
        run.sessions.push(session);
    }
    let mut events = Vec::with_capacity(512);
    let mut input = vec![0; 64 * 1024];
    while run.closed < bare.sessions {
        epoll::wait(&run.epoll, rustix::buffer::spare_capacity(&mut events), None)?;
        for Event { data, .. } in events.drain(..) {
            let index = usize::try_from(data.u64()).map_err(io::Error::other)?;
            match rustix::net::recv(&run.sessions[index].socket, &mut *input, RecvFlags::empty()) {
                Ok((0, _)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok((bytes, _)) => run.take(index, &input[..bytes])?,
                Err(Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Header, lines of 78 characters, and the end of the data.
fn body(size: usize) -> Vec<u8> {
    let mut body =
        b"From: <a@sender.test>\r\nTo: <b@recipient.test>\r\nSubject: bare\r\n\r\n".to_vec();
    let line = [[b'x'; 78].as_slice(), b"\r\n"].concat();
    body.extend(line.iter().cycle().take(size));
    body.extend_from_slice(b"\r\n.\r\n");
    body
}

impl Run {
    fn open(&self, index: u64) -> io::Result<Session> {
        let SocketAddr::V4(target) = self.bare.target else {
            return Err(io::Error::other("the yardstick goes to IPv4"));
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let (family, kind) = (AddressFamily::INET, SocketType::STREAM);
        let socket = rustix::net::socket_with(family, kind, flags, None)?;
        rustix::net::sockopt::set_tcp_nodelay(&socket, true)?;
        match rustix::net::connect(&socket, &target) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let when = EventFlags::IN | EventFlags::ET;
        epoll::add(&self.epoll, &socket, EventData::new_u64(index), when)?;
        let left = self.bare.per_session.unwrap_or(u64::MAX);
        Ok(Session { socket, step: Step::Greeting, column: 0, more: false, left })
    }

    /// Looks for the end of the reply in what was read, and goes on behind it.
    fn take(&mut self, index: usize, input: &[u8]) -> io::Result<()> {
        let session = &mut self.sessions[index];
        let mut whole = false;
        for &byte in input {
            if byte == b'\n' {
                whole = !session.more;
                session.column = 0;
                continue;
            }
            match session.column {
                0 if !matches!(byte, b'2' | b'3') => {
                    return Err(io::Error::other(String::from_utf8_lossy(input).into_owned()));
                }
                3 => session.more = byte == b'-',
                _ => {}
            }
            session.column = (session.column + 1).min(4);
        }
        if whole { self.advance(index) } else { Ok(()) }
    }

    fn advance(&mut self, index: usize) -> io::Result<()> {
        match self.sessions[index].step {
            Step::Greeting => self.write(index, b"EHLO bare.test\r\n", Step::Ehlo),
            Step::Ehlo | Step::Body => self.next_message(index),
            Step::Mail => self.write(index, b"RCPT TO:<b@recipient.test>\r\n", Step::Rcpt),
            Step::Rcpt => self.write(index, b"DATA\r\n", Step::Data),
            Step::Data => {
                let body = std::mem::take(&mut self.body);
                let written = self.write(index, &body, Step::Body);
                self.body = body;
                written
            }
            Step::Quit if self.started < self.bare.messages => {
                self.sessions[index] = self.open(index as u64)?;
                Ok(())
            }
            Step::Quit => {
                self.closed += 1;
                epoll::delete(&self.epoll, &self.sessions[index].socket)?;
                Ok(())
            }
        }
    }

    fn next_message(&mut self, index: usize) -> io::Result<()> {
        let session = &mut self.sessions[index];
        if session.left == 0 || self.started == self.bare.messages {
            return self.write(index, b"QUIT\r\n", Step::Quit);
        }
        session.left -= 1;
        self.started += 1;
        self.write(index, b"MAIL FROM:<a@sender.test>\r\n", Step::Mail)
    }

    fn write(&mut self, index: usize, bytes: &[u8], step: Step) -> io::Result<()> {
        let session = &mut self.sessions[index];
        session.step = step;
        if !self.bare.slow {
            return send(&session.socket, bytes);
        }
        self.copy.clear();
        self.copy.extend_from_slice(bytes);
        let (first, second) = self.copy.split_at(bytes.len() / 2);
        send(&session.socket, first)?;
        send(&session.socket, second)?;
        match rustix::net::recv(&session.socket, &mut [0; 1], RecvFlags::PEEK) {
            Ok(_) | Err(Errno::AGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Sends all of it, and asks again and again where the socket is full: the reader is on the same machine.
fn send(socket: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::net::send(socket, bytes, SendFlags::NOSIGNAL) {
            Ok(sent) => bytes = &bytes[sent..],
            Err(Errno::AGAIN) => std::thread::sleep(std::time::Duration::from_micros(50)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
