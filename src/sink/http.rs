//! What the sink counted and the last messages it kept, over HTTP, for this machine only.
//!
//! A thread of its own with its own event loop, so that who asks holds up no mail. One request a connection.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::counts::SinkCounts;
use super::session::Service;
use super::store::Recent;

/// Longest request with its header; none that is meant for this server comes near it.
const REQUEST_MAX: usize = 8 * 1024;

/// Header fields of a request.
const FIELDS_MAX: usize = 64;

/// How long a request may take, and its answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many messages are told of without `last`.
const LAST: usize = 20;

/// A running server. It ends when it is told to or dropped.
#[derive(Debug)]
pub(super) struct Http {
    pub(super) address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// What it tells of.
#[derive(Clone)]
struct Desk {
    services: Vec<Arc<Service>>,
    recent: Option<Arc<Mutex<Recent>>>,
}

impl Http {
    /// Listens at `address`.
    ///
    /// # Errors
    /// When the address is not of this machine alone or cannot be bound, or no thread is left.
    pub(super) fn start(
        address: SocketAddr,
        services: &[Arc<Service>],
        recent: Option<Arc<Mutex<Recent>>>,
    ) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let address = listener.local_addr()?;
        let desk = Desk { services: services.to_vec(), recent };
        let (stop, stopped) = oneshot::channel();
        let serve = async move {
            tokio::select! {
                () = serve(listener, desk) => {}
                // Told to stop or forgotten: both end it.
                _ = stopped => {}
            }
        };
        let thread = std::thread::Builder::new()
            .name("sink-http".into())
            .spawn(move || runtime.block_on(serve))?;
        Ok(Self { address, stop, thread })
    }

    /// Ends it.
    pub(super) fn stop(self) {
        // A thread that is gone already needs no telling.
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

async fn serve(listener: TcpListener, desk: Desk) {
    loop {
        match listener.accept().await {
            // One after the other: requests are small and few, and a slow one has its time.
            Ok((stream, _)) => _ = timeout(PATIENCE, answer(stream, &desk)).await,
            // No descriptor is left, perhaps.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn answer(mut stream: TcpStream, desk: &Desk) -> io::Result<()> {
    let mut request = Vec::new();
    let (status, body) = loop {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
        match reply(&request, desk) {
            Some(reply) => break reply,
            None if request.len() >= REQUEST_MAX => {
                break ("431 Request Header Fields Too Large", json!({ "error": "too long" }));
            }
            None => {}
        }
    };
    let body = format!("{body:#}\n");
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

/// Status and body; none while the request is not whole.
fn reply(request: &[u8], desk: &Desk) -> Option<(&'static str, Value)> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut parsed = httparse::Request::new(&mut fields);
    match parsed.parse(request) {
        Ok(httparse::Status::Partial) => return None,
        Ok(httparse::Status::Complete(_)) => {}
        Err(error) => return Some(("400 Bad Request", json!({ "error": error.to_string() }))),
    }
    if parsed.method != Some("GET") {
        return Some(("405 Method Not Allowed", json!({ "error": "GET only" })));
    }
    // A page of another site, opened on this machine, has no business here: only names of loopback are answered.
    let host = parsed.headers.iter().find(|field| field.name.eq_ignore_ascii_case("host"));
    let host = host.and_then(|field| std::str::from_utf8(field.value).ok()).unwrap_or_default();
    if !is_loopback_name(host) {
        return Some(("403 Forbidden", json!({ "error": "not a name of this machine" })));
    }
    let target = parsed.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Some(match path {
        "/" => ("200 OK", json!({ "paths": ["/counts", "/messages?last=20"] })),
        "/counts" => ("200 OK", counts(desk)),
        "/messages" => match query.strip_prefix("last=").map(str::parse) {
            None if query.is_empty() => ("200 OK", messages(desk, LAST)),
            Some(Ok(last)) => ("200 OK", messages(desk, last)),
            _ => ("400 Bad Request", json!({ "error": "write last=20" })),
        },
        _ => ("404 Not Found", json!({ "error": "there are /counts and /messages" })),
    })
}

/// Whether a `Host` field names this machine.
fn is_loopback_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn counts(desk: &Desk) -> Value {
    let counts =
        desk.services.iter().fold(SinkCounts::default(), |sum, service| sum + service.counts());
    let mut all: serde_json::Map<String, Value> =
        counts.named().into_iter().map(|(name, count)| (name.to_owned(), json!(count))).collect();
    let rules = desk.services.first().map(|service| service.playbook.hits()).unwrap_or_default();
    all.insert("rules".to_owned(), json!(rules));
    Value::Object(all)
}

fn messages(desk: &Desk, last: usize) -> Value {
    let Some(recent) = &desk.recent else { return json!([]) };
    let recent = recent.lock().unwrap_or_else(PoisonError::into_inner);
    recent.last(last).filter_map(|line| serde_json::from_str::<Value>(line).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behavior::Behavior;
    use crate::smtp::Protocol;

    fn desk() -> Desk {
        let service = Service::new("sink.test", &Behavior::default(), Protocol::Smtp);
        Desk { services: vec![Arc::new(service)], recent: None }
    }

    #[track_caller]
    fn check(request: &str, want: Option<&str>) {
        let got = reply(request.as_bytes(), &desk());
        assert_eq!(got.map(|(status, _)| &status[..3]), want, "{request:?}");
    }

    #[test]
    fn requests_and_what_they_get() {
        let get =
            |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        check(&get("/", "localhost"), Some("200"));
        check(&get("/counts", "127.0.0.1:8025"), Some("200"));
        check(&get("/messages", "[::1]:8025"), Some("200"));
        check(&get("/messages?last=5", "127.0.0.1"), Some("200"));
        check(&get("/messages?last=x", "127.0.0.1"), Some("400"));
        check(&get("/messages?first=5", "127.0.0.1"), Some("400"));
        check(&get("/nothing", "127.0.0.1"), Some("404"));
        check(&get("/counts", "rebound.example.com"), Some("403"));
        check("GET /counts HTTP/1.1\r\n\r\n", Some("403"));
        check("POST /counts HTTP/1.1\r\nHost: localhost\r\n\r\n", Some("405"));
        check("\0\0\0\0 / HTTP/1.1\r\n\r\n", Some("400"));
        check("GET / HTTP/1.1\r\nHost: loc", None);
        check("", None);
    }

    #[test]
    fn every_count_has_its_name() {
        let Value::Object(all) = counts(&desk()) else { panic!("an object") };
        for name in ["connections", "messages", "lost", "duplicated", "altered", "rules"] {
            assert!(all.contains_key(name), "{name}");
        }
    }
}
