//! A DNS server on loopback, over UDP and TCP, with a made-up zone.
//!
//! A zone is a list of records, one a line:
//!
//! ```text
//! example.test MX 10 mx.test      records: A, AAAA, CNAME and MX, with the host . for the root
//! broken.test SERVFAIL            every question about it fails
//! mute.test SILENT                no question about it is answered
//! many.test TRUNCATED             over UDP its answers are cut to nothing
//! ```
//!
//! Other names do not exist. A CNAME is answered as it stands; to follow it is the client's business.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX};
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// How long a read waits before it looks whether the test is over.
const POLL: Duration = Duration::from_millis(20);

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct DnsServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    over: AtomicBool,
    entries: Vec<(Name, Entry)>,
    asked: Mutex<Vec<String>>,
}

#[derive(Debug)]
enum Entry {
    Record(RData),
    Fails,
    Silent,
    Truncated,
}

impl DnsServer {
    /// Serves `zone`.
    ///
    /// # Panics
    /// When a line of it is faulty.
    #[track_caller]
    pub(crate) fn serve(zone: &str) -> Self {
        let entries = zone.lines().map(str::trim).filter(|line| !line.is_empty()).map(entry);
        let shared = Arc::new(Shared {
            over: AtomicBool::new(false),
            entries: entries.collect(),
            asked: Mutex::default(),
        });
        // The same port for both; another process may have one of the two.
        let (udp, tcp) = (0..50)
            .find_map(|_| {
                let udp = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
                let tcp = TcpListener::bind(udp.local_addr().unwrap()).ok()?;
                Some((udp, tcp))
            })
            .expect("a port that is free for both");
        let address = udp.local_addr().unwrap();
        udp.set_read_timeout(Some(POLL)).unwrap();
        let (for_udp, for_tcp) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            thread::spawn(move || over_udp(&udp, &for_udp)),
            thread::spawn(move || over_tcp(&tcp, &for_tcp)),
        ];
        Self { address, shared, threads }
    }

    /// What to give to `--dns`.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// The questions so far, each as `udp example.test MX`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap().clone()
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        // Wakes the one that accepts.
        let _ = TcpStream::connect(self.address);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[track_caller]
fn entry(line: &str) -> (Name, Entry) {
    let name = |text: &str| {
        let mut name = Name::from_ascii(text).unwrap();
        name.set_fqdn(true);
        name
    };
    let words: Vec<&str> = line.split_whitespace().collect();
    let entry = match words[1..] {
        ["A", address] => Entry::Record(RData::A(A(address.parse().unwrap()))),
        ["AAAA", address] => Entry::Record(RData::AAAA(AAAA(address.parse().unwrap()))),
        ["CNAME", host] => Entry::Record(RData::CNAME(CNAME(name(host)))),
        ["MX", preference, host] => {
            Entry::Record(RData::MX(MX::new(preference.parse().unwrap(), name(host))))
        }
        ["SERVFAIL"] => Entry::Fails,
        ["SILENT"] => Entry::Silent,
        ["TRUNCATED"] => Entry::Truncated,
        _ => panic!("no such record: {line}"),
    };
    (name(words[0]), entry)
}

fn over_udp(socket: &UdpSocket, shared: &Shared) {
    let mut bytes = [0; 4096];
    while !shared.over.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut bytes) else { continue };
        if let Some(answer) = answer(shared, &bytes[..length], true) {
            let _ = socket.send_to(&answer, from);
        }
    }
}

fn over_tcp(listener: &TcpListener, shared: &Shared) {
    for stream in listener.incoming() {
        if shared.over.load(Ordering::Relaxed) {
            break;
        }
        // A client that goes away is no fault of the test.
        let _ = stream.and_then(|stream| over_stream(stream, shared));
    }
}

/// Questions of one connection, each behind its length (RFC 1035 section 4.2.2).
fn over_stream(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut length = [0; 2];
    while stream.read_exact(&mut length).is_ok() {
        let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut bytes)?;
        if let Some(answer) = answer(shared, &bytes, false) {
            let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
            stream.write_all(&[&length, answer.as_slice()].concat())?;
        }
    }
    Ok(())
}

fn answer(shared: &Shared, bytes: &[u8], udp: bool) -> Option<Vec<u8>> {
    let question = Message::from_vec(bytes).ok()?;
    let query = question.queries.first()?.clone();
    let (name, kind) = (query.name().to_lowercase(), query.query_type());
    let how = if udp { "udp" } else { "tcp" };
    let asked = format!("{how} {} {kind}", name.to_ascii().trim_end_matches('.'));
    shared.asked.lock().unwrap().push(asked);
    let mut answer = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
    answer.metadata.recursion_desired = question.metadata.recursion_desired;
    answer.metadata.recursion_available = true;
    answer.metadata.response_code = ResponseCode::NXDomain;
    answer.add_query(query);
    for (_, entry) in shared.entries.iter().filter(|(known, _)| *known == name) {
        let code = &mut answer.metadata.response_code;
        match entry {
            Entry::Silent => return None,
            Entry::Fails => *code = ResponseCode::ServFail,
            Entry::Truncated => {
                *code = ResponseCode::NoError;
                if udp {
                    answer.metadata.truncation = true;
                    answer.answers.clear();
                    break;
                }
            }
            Entry::Record(data) => {
                *code = ResponseCode::NoError;
                if data.record_type() == kind || data.record_type() == RecordType::CNAME {
                    answer.add_answer(Record::from_rdata(name.clone(), 60, data.clone()));
                }
            }
        }
    }
    answer.to_vec().ok()
}
