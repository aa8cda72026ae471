//! The threads of a sink.
//!
//! The first worker accepts for all and deals connections out in turn. Ten connections on two workers are five each that
//! way; left to the kernel (SO_REUSEPORT, or one listener in several event loops) they can be nine and one.

use std::cell::Cell;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::net::{SocketFlags, accept_with};
use socket2::{Domain, Socket};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{spawn_local, yield_now};

use super::connection::{Connection, Worker};
use super::session::Service;
use crate::clock;
use crate::net::timers::Timers;
use crate::net::watch;

/// How long accepting rests when no descriptor is left: the listener stays readable, and trying at once would spin.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Connections accepted in a row before the sessions get their turn.
const ACCEPT_BURST: u32 = 64;

/// Connections on their way to a worker. Where one is that far behind, the first worker keeps them.
const HANDOVER_MAX: usize = 1024;

/// A connection as it was accepted, before it belongs to an event loop.
enum Accepted {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

/// A connection with its number among all of the sink, from 1.
type Numbered = (Accepted, u64);

/// A listening socket in the event loop of the first worker.
struct Listener {
    descriptor: AsyncFd<OwnedFd>,
    is_unix: bool,
}

/// What a worker thread begins with.
struct Duty {
    service: Arc<Service>,
    /// Where it accepts; the first worker alone does.
    listeners: Vec<Socket>,
    others: Vec<mpsc::Sender<Numbered>>,
    handed: mpsc::Receiver<Numbered>,
    stop: oneshot::Receiver<()>,
}

/// Starts a thread for each service. A thread ends when its sender sends or is dropped.
pub(super) fn start(
    services: &[Arc<Service>],
    listeners: Vec<Socket>,
) -> io::Result<Vec<(oneshot::Sender<()>, JoinHandle<()>)>> {
    let (others, handed): (Vec<_>, Vec<_>) =
        services.iter().map(|_| mpsc::channel(HANDOVER_MAX)).unzip();
    let mut first = Some((listeners, others.into_iter().skip(1).collect::<Vec<_>>()));
    let mut workers = Vec::new();
    for (service, handed) in services.iter().zip(handed) {
        let (listeners, others) = first.take().unwrap_or_default();
        let (stop_sender, stop) = oneshot::channel();
        let duty = Duty { service: Arc::clone(service), listeners, others, handed, stop };
        // What cannot be made in the thread is an error of the start.
        let (begun_sender, begun) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name(format!("sink-{}", workers.len()))
            .spawn(move || serve(duty, &begun_sender))?;
        begun.recv().map_err(io::Error::other)??;
        workers.push((stop_sender, thread));
    }
    Ok(workers)
}

/// Runs a worker in its own event loop; says first whether that could be made.
fn serve(duty: Duty, begun: &SyncSender<io::Result<()>>) {
    let Duty { service, listeners, others, handed, stop } = duty;
    let made = Builder::new_current_thread().enable_io().build_local(LocalOptions::default());
    let made = made.and_then(|runtime| {
        let inside = runtime.enter();
        let timers = Timers::new()?;
        let listeners = listeners.into_iter().map(Listener::new).collect::<io::Result<Vec<_>>>()?;
        drop(inside);
        Ok((runtime, timers, listeners))
    });
    let (said, made) = match made {
        Ok(made) => (Ok(()), Some(made)),
        Err(error) => (Err(error), None),
    };
    // Whoever starts the sink waits for it.
    let _ = begun.send(said);
    if let Some((runtime, timers, listeners)) = made {
        runtime.block_on(work(
            Rc::new(Worker::new(service, timers)),
            listeners,
            others,
            handed,
            stop,
        ));
    }
}

impl Listener {
    fn new(socket: Socket) -> io::Result<Self> {
        let is_unix = socket.domain()? == Domain::UNIX;
        Ok(Self { descriptor: watch(socket)?, is_unix })
    }

    fn accept(&self, descriptor: &OwnedFd) -> io::Result<Accepted> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = accept_with(descriptor, flags)?;
        Ok(if self.is_unix { Accepted::Unix(socket.into()) } else { Accepted::Tcp(socket.into()) })
    }
}

/// Runs a worker until it is stopped; what it spawned ends with its runtime.
async fn work(
    worker: Rc<Worker>,
    listeners: Vec<Listener>,
    others: Vec<mpsc::Sender<Numbered>>,
    mut handed: mpsc::Receiver<Numbered>,
    stop: oneshot::Receiver<()>,
) {
    let clocked = Rc::clone(&worker);
    spawn_local(async move { clocked.timers.run().await });
    let dealer = Rc::new(Dealer {
        worker: Rc::clone(&worker),
        others,
        turn: Cell::new(0),
        accepted: Cell::new(0),
    });
    for listener in listeners {
        spawn_local(accept(listener, Rc::clone(&dealer)));
    }
    spawn_local(async move {
        while let Some(accepted) = handed.recv().await {
            adopt(&worker, accepted);
        }
    });
    // Told to stop or forgotten by whoever might have: both end it.
    let _ = stop.await;
}

/// Deals connections out to the workers.
struct Dealer {
    worker: Rc<Worker>,
    others: Vec<mpsc::Sender<Numbered>>,
    turn: Cell<usize>,
    /// Connections so far.
    accepted: Cell<u64>,
}

impl Dealer {
    fn deal(&self, accepted: Accepted) {
        let turn = self.turn.get();
        self.turn.set((turn + 1) % (self.others.len() + 1));
        let accepted = (accepted, self.accepted.get() + 1);
        self.accepted.set(accepted.1);
        let kept = match turn.checked_sub(1) {
            Some(index) => match self.others[index].try_send(accepted) {
                Ok(()) => return,
                Err(TrySendError::Full(accepted) | TrySendError::Closed(accepted)) => accepted,
            },
            None => accepted,
        };
        adopt(&self.worker, kept);
    }
}

async fn accept(listener: Listener, dealer: Rc<Dealer>) {
    let mut burst = 0;
    loop {
        let Ok(mut ready) = listener.descriptor.readable().await else {
            return;
        };
        match ready.try_io(|descriptor| listener.accept(descriptor.get_ref())) {
            Ok(Ok(accepted)) => dealer.deal(accepted),
            // Nobody is waiting.
            Err(_) => burst = 0,
            // Gone again before it was taken.
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Ok(Err(_)) => {
                dealer.worker.timers.sleep_until(clock::now() + ACCEPT_REST).await;
            }
        }
        burst += 1;
        if burst >= ACCEPT_BURST {
            burst = 0;
            yield_now().await;
        }
    }
}

/// Makes a connection a task of this worker. One that the event loop cannot take is closed.
fn adopt(worker: &Rc<Worker>, (accepted, number): Numbered) {
    match accepted {
        Accepted::Tcp(stream) => {
            let asked = worker.service.asks_for_peers();
            let peer = asked.then(|| stream.peer_addr().ok().map(|peer| peer.ip())).flatten();
            converse(TcpStream::from_std(stream), peer, number, worker);
        }
        Accepted::Unix(stream) => converse(UnixStream::from_std(stream), None, number, worker),
    }
}

fn converse<S>(stream: io::Result<S>, peer: Option<IpAddr>, number: u64, worker: &Rc<Worker>)
where
    S: AsyncRead + AsyncWrite + AsFd + Unpin + 'static,
{
    if let Ok(stream) = stream {
        spawn_local(Connection::new(stream, peer, number, Rc::clone(worker)));
    }
}
