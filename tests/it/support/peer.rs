//! A server that does what a script says, however wrong.
//!
//! A script is a dialogue, one step a line, played from its start on every connection:
//!
//! ```text
//! S: 220 peer.test          a line to the client; lines that follow each other go out in one write
//! C: EHLO                   a line from the client, which has to start so (in any case)
//! C: .                      mail data up to its end
//! raw 250 \x01\r\n          bytes as they are, with the escapes \r \n \xNN
//! scram r=Nx,s=QUJD,i=1   a challenge of a login, with the client's nonce for N (RFC 5802)
//! drip 250 slowly           a line to the client, byte by byte
//! lines 200 250 text        a reply of so many lines
//! long 100000 250 x         a reply line of at least so many bytes
//! messages 3                so many messages are taken as a good server takes them
//! serve                     all else is answered as a good server does
//! stall                     nothing more is said; the connection stays
//! close, reset              the connection ends, in order or with RST
//! ```
//!
//! A client that says something else than the script expects is closed on. The end of a script closes.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use smtpbench::smtp::sasl;
use socket2::SockRef;

/// Connections at once; a client that opens more is out of control, and is closed on.
const OPEN_MAX: usize = 500;
/// Bytes of one line or one message that are kept.
const INPUT_MAX: usize = 1 << 20;
/// How long a read waits before it looks whether the test is over.
const POLL: Duration = Duration::from_millis(20);
/// Between two bytes of `drip`.
const DRIP: Duration = Duration::from_millis(1);

/// A running peer. Dropping it ends every connection.
#[derive(Debug)]
pub(crate) struct Peer {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    over: AtomicBool,
    accepted: AtomicUsize,
    open: AtomicUsize,
}

impl Peer {
    /// Plays `script` on every connection to a free port of loopback.
    ///
    /// # Panics
    /// When the script has an unknown step.
    #[track_caller]
    pub(crate) fn play(script: &str) -> Self {
        Self::play_on(TcpListener::bind(("127.0.0.1", 0)).unwrap(), script)
    }

    /// Plays `script` on every connection to `listener`.
    ///
    /// # Panics
    /// When the script has an unknown step.
    #[track_caller]
    pub(crate) fn play_on(listener: TcpListener, script: &str) -> Self {
        Self::play_slowly(listener, script, Duration::ZERO)
    }

    /// The same, by a server that rests for so long before it takes each connection.
    ///
    /// # Panics
    /// When the script has an unknown step.
    #[track_caller]
    pub(crate) fn play_slowly(listener: TcpListener, script: &str, rest: Duration) -> Self {
        let lines = script.lines().map(str::trim).filter(|line| !line.is_empty());
        let steps: Arc<[Step]> = lines.map(Step::parse).collect();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let acceptor = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || accept(&listener, &steps, &shared, rest))
        };
        Self { address, shared, acceptor: Some(acceptor) }
    }

    /// A good server.
    pub(crate) fn good() -> Self {
        Self::play("S: 220 peer.test ESMTP\nserve")
    }

    /// A good server on each of these addresses of loopback, all on one port.
    pub(crate) fn good_on(addresses: &[&str]) -> (Vec<Self>, u16) {
        for _ in 0..50 {
            let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
            let bound = addresses.iter().map(|address| TcpListener::bind((*address, port)));
            if let Ok(listeners) = bound.collect::<Result<Vec<_>, _>>() {
                let serve = |listener| Self::play_on(listener, "S: 220 peer.test ESMTP\nserve");
                return (listeners.into_iter().map(serve).collect(), port);
            }
        }
        panic!("no port is free on all of {addresses:?}");
    }

    /// What to give to `--target`.
    pub(crate) fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// How many connections were made so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        // Wakes the acceptor.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn accept(listener: &TcpListener, steps: &Arc<[Step]>, shared: &Arc<Shared>, rest: Duration) {
    let mut connections = Vec::new();
    loop {
        thread::sleep(rest);
        let stream = listener.accept().map(|(stream, _)| stream);
        if shared.over.load(Ordering::Relaxed) {
            break;
        }
        let Ok(stream) = stream else { continue };
        shared.accepted.fetch_add(1, Ordering::Relaxed);
        if shared.open.fetch_add(1, Ordering::Relaxed) >= OPEN_MAX {
            shared.open.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (steps, shared) = (Arc::clone(steps), Arc::clone(shared));
        connections.push(thread::spawn(move || {
            // What goes wrong on one connection is the client's doing, and the client's report is looked at.
            let _ = Connection::new(stream, &shared).and_then(|mut it| it.play(&steps));
            shared.open.fetch_sub(1, Ordering::Relaxed);
        }));
        connections.retain(|connection| !connection.is_finished());
    }
    for connection in connections {
        let _ = connection.join();
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Say(Vec<u8>),
    Drip(Vec<u8>),
    Hear(String),
    Scram(String),
    Data,
    Messages(usize),
    Serve,
    Stall,
    Close,
    Reset,
}

impl Step {
    #[track_caller]
    fn parse(line: &str) -> Self {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let counted = || {
            let (count, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            (count.parse::<usize>().unwrap(), rest)
        };
        match word {
            "S:" => Self::Say(format!("{rest}\r\n").into_bytes()),
            "C:" if rest == "." => Self::Data,
            "C:" => Self::Hear(rest.to_ascii_uppercase()),
            "raw" => Self::Say(unescape(rest)),
            "drip" => Self::Drip(format!("{rest}\r\n").into_bytes()),
            "scram" => Self::Scram(rest.to_owned()),
            "lines" => {
                let (count, rest) = counted();
                let (code, text) = rest.split_once(' ').unwrap();
                let mut reply = format!("{code}-{text}\r\n").repeat(count - 1);
                reply.push_str(&format!("{code} {text}\r\n"));
                Self::Say(reply.into_bytes())
            }
            "long" => {
                let (count, rest) = counted();
                Self::Say(format!("{rest}{}\r\n", "x".repeat(count)).into_bytes())
            }
            "messages" => Self::Messages(counted().0),
            "serve" => Self::Serve,
            "stall" => Self::Stall,
            "close" => Self::Close,
            "reset" => Self::Reset,
            _ => panic!("no such step: {line}"),
        }
    }
}

/// `\r`, `\n`, `\\` and `\xNN`.
fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, (c == '\\').then(|| chars.next()).flatten()) {
            ('\\', Some('r')) => out.push(b'\r'),
            ('\\', Some('n')) => out.push(b'\n'),
            ('\\', Some('x')) => {
                let digits: String = chars.by_ref().take(2).collect();
                out.push(u8::from_str_radix(&digits, 16).unwrap());
            }
            ('\\', other) => panic!("no such escape: {other:?}"),
            _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out
}

struct Connection<'a> {
    stream: TcpStream,
    shared: &'a Shared,
    /// What came and was not used yet.
    input: Vec<u8>,
    /// The last line that the script heard.
    heard: Vec<u8>,
    /// The nonce of a SCRAM login.
    nonce: String,
}

impl<'a> Connection<'a> {
    fn new(stream: TcpStream, shared: &'a Shared) -> io::Result<Self> {
        stream.set_read_timeout(Some(POLL))?;
        stream.set_write_timeout(Some(Duration::from_secs(5)))?;
        stream.set_nodelay(true)?;
        let (input, heard, nonce) = (Vec::new(), Vec::new(), String::new());
        Ok(Self { stream, shared, input, heard, nonce })
    }

    fn play(&mut self, steps: &[Step]) -> io::Result<()> {
        let mut out = Vec::new();
        for step in steps {
            if let Step::Say(bytes) = step {
                out.extend_from_slice(bytes);
                continue;
            }
            self.stream.write_all(&out)?;
            out.clear();
            match step {
                Step::Say(_) => {}
                Step::Drip(bytes) => {
                    for byte in bytes {
                        self.stream.write_all(&[*byte])?;
                        thread::sleep(DRIP);
                    }
                }
                Step::Hear(want) => {
                    self.heard = self.take(b"\n")?;
                    if !self.heard.to_ascii_uppercase().starts_with(want.as_bytes()) {
                        return Err(io::Error::other("another command was due"));
                    }
                }
                Step::Scram(text) => {
                    let message = self.heard.trim_ascii_end().rsplit(|byte| *byte == b' ').next();
                    let message = message.and_then(sasl::decode).unwrap_or_default();
                    if let Some((_, nonce)) = String::from_utf8_lossy(&message).split_once(",r=")
                        && message.starts_with(b"n,")
                    {
                        nonce.clone_into(&mut self.nonce);
                    }
                    let challenge = sasl::encode(text.replace('N', &self.nonce).as_bytes());
                    self.stream.write_all(format!("334 {challenge}\r\n").as_bytes())?;
                }
                Step::Data => drop(self.take(b"\r\n.\r\n")?),
                Step::Messages(count) => self.serve(Some(*count))?,
                Step::Serve => self.serve(None)?,
                Step::Stall => loop {
                    self.more()?;
                    self.input.clear();
                },
                Step::Close => return Ok(()),
                // Without lingering a close throws away what is unsent and sends RST.
                Step::Reset => return SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)),
            }
        }
        self.stream.write_all(&out)
    }

    /// Answers as a good server does: until QUIT, or until so many messages were taken.
    fn serve(&mut self, messages: Option<usize>) -> io::Result<()> {
        let mut taken = 0;
        while messages != Some(taken) {
            let line = self.take(b"\n")?.to_ascii_uppercase();
            let reply: &[u8] = match &line[..line.len().min(4)] {
                b"EHLO" => b"250-peer.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
                b"DATA" => {
                    self.stream.write_all(b"354 go on\r\n")?;
                    self.take(b"\r\n.\r\n")?;
                    taken += 1;
                    b"250 2.0.0 taken\r\n"
                }
                b"QUIT" => return self.stream.write_all(b"221 2.0.0 bye\r\n"),
                _ => b"250 2.0.0 ok\r\n",
            };
            self.stream.write_all(reply)?;
        }
        Ok(())
    }

    /// Takes the input up to and with `end`.
    fn take(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        let mut from = 0;
        loop {
            let found = self.input[from..].windows(end.len()).position(|bytes| bytes == end);
            if let Some(at) = found {
                return Ok(self.input.drain(..from + at + end.len()).collect());
            }
            from = self.input.len().saturating_sub(end.len());
            self.more()?;
            if self.input.len() > INPUT_MAX {
                return Err(io::Error::other("too much"));
            }
        }
    }

    /// Reads on, until something came. The test's end is an error like the client's.
    fn more(&mut self) -> io::Result<()> {
        let mut bytes = [0; 16 * 1024];
        loop {
            if self.shared.over.load(Ordering::Relaxed) {
                return Err(io::Error::other("the test is over"));
            }
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => {
                    self.input.extend_from_slice(&bytes[..length]);
                    return Ok(());
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock
                            | io::ErrorKind::TimedOut
                            | io::ErrorKind::Interrupted
                    ) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[test]
fn the_peer_plays_its_script_and_serves_on() {
    let peer = Peer::play(
        "S: 220-peer.test\nraw 220 \\x01\\r\\n\nC: ehlo\nlines 3 250 x\nmessages 1\nreset",
    );
    let mut stream = TcpStream::connect(peer.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut hear = |want: &[u8]| {
        let mut got = vec![0; want.len()];
        stream.read_exact(&mut got).unwrap();
        assert_eq!(got, want);
        stream.write_all(match want.ends_with(b"go on\r\n") {
            true => b"x\r\n.\r\n",
            false if want.ends_with(b" \x01\r\n") => b"EHLO me\r\n",
            false => b"DATA\r\n",
        })
    };
    hear(b"220-peer.test\r\n220 \x01\r\n").unwrap();
    hear(b"250-x\r\n250-x\r\n250 x\r\n").unwrap();
    hear(b"354 go on\r\n").unwrap();
    let mut last = Vec::new();
    let end = stream.read_to_end(&mut last);
    assert_eq!(end.map_err(|error| error.kind()), Err(io::ErrorKind::ConnectionReset));
    assert_eq!(peer.connections(), 1);
}
