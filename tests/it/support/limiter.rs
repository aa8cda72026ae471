//! A server that takes so many messages a second and defers the others, on average from the first of its sessions to
//! the last: a client that stalls may catch up, so that a busy machine changes nothing.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use smtpbench::clock::{self, Instant};

/// Messages that may come at once.
const BURST: f64 = 10.0;

/// A running server; it ends with the test program.
#[derive(Debug)]
pub(crate) struct Limiter {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    per_s: f64,
    open: u32,
    since: Option<Instant>,
    taken: f64,
    connections: u64,
}

impl Limiter {
    /// Takes so many messages a second; 0 takes none at all.
    pub(crate) fn start(per_s: f64) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { per_s, open: 0, since: None, taken: 0.0, connections: 0 };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                shared.lock().unwrap().enter();
                thread::spawn(move || {
                    // A client that goes away is no fault of the test.
                    let _ = serve(&stream, &shared);
                    shared.lock().unwrap().leave();
                });
            }
        });
        Self { address, state }
    }

    /// What to give to `--target`.
    pub(crate) fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> u64 {
        self.state.lock().unwrap().connections
    }
}

impl State {
    fn enter(&mut self) {
        self.open += 1;
        self.connections += 1;
    }

    /// With the last session a trial is over.
    fn leave(&mut self) {
        self.open -= 1;
        if self.open == 0 {
            (self.since, self.taken) = (None, 0.0);
        }
    }

    fn admits(&mut self) -> bool {
        if self.per_s == 0.0 {
            return false;
        }
        let now = clock::now();
        let since = *self.since.get_or_insert(now);
        let admits = self.taken < BURST + self.per_s * (now - since).as_secs_f64();
        self.taken += f64::from(u8::from(admits));
        admits
    }
}

fn serve(stream: &TcpStream, state: &Mutex<State>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut lines, mut out) = (BufReader::new(stream).lines(), stream);
    out.write_all(b"220 limiter.test\r\n")?;
    while let Some(line) = lines.next().transpose()? {
        let verb = line.get(..4).unwrap_or(&line).to_ascii_uppercase();
        let reply: &[u8] = match verb.as_str() {
            "EHLO" => b"250 limiter.test\r\n",
            "DATA" => {
                out.write_all(b"354 go\r\n")?;
                for line in lines.by_ref() {
                    if line? == "." {
                        break;
                    }
                }
                match state.lock().unwrap().admits() {
                    true => b"250 2.0.0 taken\r\n",
                    false => b"451 4.7.1 slow down\r\n",
                }
            }
            "QUIT" => b"221 bye\r\n",
            _ => b"250 ok\r\n",
        };
        out.write_all(reply)?;
        if verb == "QUIT" {
            break;
        }
    }
    Ok(())
}
