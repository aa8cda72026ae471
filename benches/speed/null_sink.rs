//! A server that costs less than any generator, so that generators are compared and not servers: it keeps the dialogue, looks at
//! the first letter of a command, answers what it always answers, and throws away what it reads.

use std::io::{self, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;

use memchr::{memchr, memmem};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags};

const END: &[u8] = b"\r\n.\r\n";
const TAKEN: &[u8] = b"250 2.0.0 taken\r\n";
/// What the listener goes by among the sessions.
const LISTENER: u64 = u64::MAX;
/// How many connections may wait to be taken.
const BACKLOG: i32 = 65_535;

#[derive(Clone, Copy)]
enum Place {
    Command,
    /// In mail data, behind so many bytes of its end.
    Data(usize),
    /// In a chunk of BDAT of which so many bytes are left.
    Chunk(usize),
}

struct Session {
    socket: OwnedFd,
    place: Place,
    /// What is there of a command line whose end is not.
    part: Vec<u8>,
}

/// Serves on a port of loopback until it is killed, and says on standard output where.
///
/// # Errors
/// When no port is left, or the system ends it.
pub(crate) fn serve() -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    rustix::net::listen(&listener, BACKLOG)?;
    listener.set_nonblocking(true)?;
    rustix::net::sockopt::set_tcp_nodelay(&listener, true)?;
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;
    let poller = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&poller, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut sessions = Sessions::default();
    let finder = memmem::Finder::new(END);
    let mut events = Vec::with_capacity(512);
    let (mut input, mut output) = (vec![0; 256 * 1024], Vec::new());
    loop {
        epoll::wait(&poller, rustix::buffer::spare_capacity(&mut events), None)?;
        for Event { data, .. } in events.drain(..) {
            if data.u64() == LISTENER {
                sessions.accept(&listener, &poller)?;
                continue;
            }
            let place = usize::try_from(data.u64()).map_err(io::Error::other)?;
            let Some(session) = &mut sessions.all[place] else { continue };
            output.clear();
            let stays = match rustix::net::recv(&session.socket, &mut *input, RecvFlags::empty()) {
                Ok((0, _)) => false,
                Ok((bytes, _)) => session.take(&input[..bytes], &finder, &mut output),
                Err(error) => error == Errno::AGAIN,
            };
            if !output.is_empty() {
                // Who does not read its replies is nobody that is measured here.
                let _ = rustix::net::send(&session.socket, &output, SendFlags::NOSIGNAL);
            }
            if !stays {
                sessions.all[place] = None;
                sessions.free.push(place);
            }
        }
    }
}

#[derive(Default)]
struct Sessions {
    all: Vec<Option<Session>>,
    /// Places without a session.
    free: Vec<usize>,
}

impl Sessions {
    fn accept(&mut self, listener: &TcpListener, poller: &OwnedFd) -> io::Result<()> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        loop {
            let socket = match rustix::net::accept_with(listener, flags) {
                Ok(socket) => socket,
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let place = self.free.pop().unwrap_or_else(|| {
                self.all.push(None);
                self.all.len() - 1
            });
            epoll::add(poller, &socket, EventData::new_u64(place as u64), EventFlags::IN)?;
            let _ = rustix::net::send(&socket, b"220 null.test ESMTP\r\n", SendFlags::NOSIGNAL);
            self.all[place] = Some(Session { socket, place: Place::Command, part: Vec::new() });
        }
    }
}

impl Session {
    /// Answers what was read; false once it said QUIT.
    fn take(&mut self, mut input: &[u8], finder: &memmem::Finder<'_>, out: &mut Vec<u8>) -> bool {
        while !input.is_empty() {
            match self.place {
                Place::Chunk(left) if left > input.len() => {
                    self.place = Place::Chunk(left - input.len());
                    return true;
                }
                Place::Chunk(left) => {
                    input = &input[left..];
                    self.place = Place::Command;
                    out.extend_from_slice(TAKEN);
                }
                Place::Data(seen) => match data_end(input, seen, finder) {
                    Ok(end) => {
                        input = &input[end..];
                        self.place = Place::Command;
                        out.extend_from_slice(TAKEN);
                    }
                    Err(seen) => {
                        self.place = Place::Data(seen);
                        return true;
                    }
                },
                Place::Command => {
                    let Some(end) = memchr(b'\n', input) else {
                        self.part.extend_from_slice(input);
                        return true;
                    };
                    let (line, rest) = input.split_at(end + 1);
                    input = rest;
                    let stays = if self.part.is_empty() {
                        self.command(line, out)
                    } else {
                        let line = [std::mem::take(&mut self.part).as_slice(), line].concat();
                        self.command(&line, out)
                    };
                    if !stays {
                        return false;
                    }
                }
            }
        }
        true
    }

    fn command(&mut self, line: &[u8], out: &mut Vec<u8>) -> bool {
        match line[0].to_ascii_uppercase() {
            b'E' => out.extend_from_slice(
                b"250-null.test\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 SIZE 104857600\r\n",
            ),
            b'D' => {
                out.extend_from_slice(b"354 go on\r\n");
                // An end of data may follow at once: the line end before it is that of DATA.
                self.place = Place::Data(2);
            }
            b'B' => {
                let size = line.iter().skip(5).map_while(|byte| char::from(*byte).to_digit(10));
                match size.fold(0, |size, digit| size * 10 + digit as usize) {
                    0 => out.extend_from_slice(TAKEN),
                    size => self.place = Place::Chunk(size),
                }
            }
            b'Q' => {
                out.extend_from_slice(b"221 2.0.0 bye\r\n");
                return false;
            }
            _ => out.extend_from_slice(b"250 2.0.0 ok\r\n"),
        }
        true
    }
}

/// Where mail data ends in `input`, behind `seen` bytes of its end; or how many of them are at the end of `input`.
fn data_end(input: &[u8], seen: usize, finder: &memmem::Finder<'_>) -> Result<usize, usize> {
    let (mut near, first) = ([0; 2 * END.len()], input.len().min(END.len()));
    near[..seen].copy_from_slice(&END[..seen]);
    near[seen..seen + first].copy_from_slice(&input[..first]);
    let near = &near[..seen + first];
    if let Some(at) = near.windows(END.len()).position(|window| window == END) {
        return Ok(at + END.len() - seen);
    }
    if let Some(at) = finder.find(input) {
        return Ok(at + END.len());
    }
    let end = if input.len() < END.len() { near } else { input };
    Err((0..END.len()).rev().find(|length| end.ends_with(&END[..*length])).unwrap_or(0))
}
