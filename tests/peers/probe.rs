//! A tiny SMTP client, to prove the servers of the tests without the program that they are to prove.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Longer than any server here takes for a reply.
const LIMIT: Duration = Duration::from_secs(20);

/// One session.
pub(crate) struct Probe {
    stream: BufReader<TcpStream>,
}

impl Probe {
    /// Connects, reads the greeting and says EHLO.
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        let mut probe = Self { stream: BufReader::new(stream) };
        probe.reply("220")?;
        probe.command("EHLO probe.test", "250")?;
        Ok(probe)
    }

    /// Sends a line and reads its reply, which has to start with `want`; gives its last line.
    pub(crate) fn command(&mut self, line: &str, want: &str) -> io::Result<String> {
        self.write(format!("{line}\r\n").as_bytes())?;
        self.reply(want)
    }

    /// Sends bytes as they are.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Sends a message; `content` ends with CRLF and has its transparency already.
    pub(crate) fn message(&mut self, recipient: &str, content: &[u8]) -> io::Result<()> {
        self.command("MAIL FROM:<probe@sender.test>", "250")?;
        self.command(&format!("RCPT TO:<{recipient}>"), "250")?;
        self.command("DATA", "354")?;
        self.write(&[content, b".\r\n"].concat())?;
        self.reply("250").map(drop)
    }

    /// Says QUIT.
    pub(crate) fn quit(mut self) -> io::Result<()> {
        self.command("QUIT", "221").map(drop)
    }

    fn reply(&mut self, want: &str) -> io::Result<String> {
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if !line.starts_with(want) {
                return Err(io::Error::other(format!("{want} was due: {line:?}")));
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line);
            }
        }
    }
}

/// Whether a server greets at `address`. Says QUIT, so that its log holds no lost connection.
pub(crate) fn greets(address: SocketAddr) -> bool {
    Probe::open(address).and_then(Probe::quit).is_ok()
}

/// A free port on loopback. Another process may take it before the server does: the server then says so and
/// the test fails, rather than measuring a stranger.
pub(crate) fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}
