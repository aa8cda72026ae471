//! Connections to a target: TCP over IPv4 and IPv6, and UNIX sockets.

use std::io::{self, ErrorKind, IoSlice};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::task::{Context, Poll};

#[cfg(target_os = "linux")]
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use crate::measure::outcome::Failure;
use crate::net::ring::{Ring, RingStream};
use crate::net::tls::{self, Secured, TlsClient};
use crate::plan::Address;

/// An open connection, in clear text.
#[derive(Debug)]
pub enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    Ring(RingStream),
}

/// An open connection.
#[derive(Debug)]
pub enum Stream {
    Clear(Socket),
    Tls(Box<TlsStream<Socket>>),
}

/// Connects to `address`, from `source` where there is one (TCP only); through `ring`, where there is one and it goes through
/// that. Has no time limit of its own.
///
/// # Errors
/// As the operating system gives them; [`classify`] sorts them.
pub async fn connect(
    address: &Address,
    source: Option<IpAddr>,
    ring: Option<&Ring>,
) -> io::Result<Stream> {
    let socket = match (address, ring) {
        (Address::Tcp(address), Some(ring)) => Socket::Ring(ring.connect(*address, source).await?),
        (Address::Tcp(address), None) => {
            let socket = socket(*address, source)?;
            socket.set_nonblocking(true)?;
            Socket::Tcp(TcpSocket::from_std_stream(socket.into()).connect(*address).await?)
        }
        (Address::Unix(path), _) => Socket::Unix(UnixStream::connect(path).await?),
    };
    Ok(Stream::Clear(socket))
}

/// A TCP socket that is to be connected to `peer`, from `source` where there is one.
///
/// # Errors
/// As the operating system gives them.
pub(super) fn socket(peer: SocketAddr, source: Option<IpAddr>) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(Domain::for_address(peer), Type::STREAM, None)?;
    // Small writes must not wait for the peer's delayed acknowledgement: 40 ms of our own making.
    socket.set_tcp_nodelay(true)?;
    if let Some(source) = source {
        // The port is then chosen on connecting, so that one is used again for another address of the target. A kernel
        // without it (Linux before 4.2) chooses one for all of them.
        #[cfg(target_os = "linux")]
        let _ = setsockopt(&socket, sockopt::IpBindAddressNoPort, &true);
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    Ok(socket)
}

/// Whether connections can come from `source`: it is an address of this machine.
///
/// # Errors
/// As the operating system gives them.
pub fn check_source(source: IpAddr) -> io::Result<()> {
    UdpSocket::bind(SocketAddr::new(source, 0)).map(drop)
}

/// What an error of connecting, reading or writing means, and on whose side it lies.
#[must_use]
pub fn classify(error: &io::Error) -> Failure {
    use rustix::io::Errno;
    if let Some(failure) = tls::classify(error) {
        return failure;
    }
    match Errno::from_io_error(error) {
        Some(Errno::MFILE | Errno::NFILE) => return Failure::NoDescriptors,
        Some(Errno::NOBUFS | Errno::NOMEM) => return Failure::Internal,
        // A full listen queue of a UNIX socket.
        Some(Errno::AGAIN) => return Failure::Refused,
        _ => {}
    }
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::NotFound | ErrorKind::PermissionDenied => {
            Failure::Refused
        }
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            Failure::Reset
        }
        ErrorKind::AddrNotAvailable | ErrorKind::AddrInUse => Failure::NoPorts,
        ErrorKind::TimedOut => Failure::TimedOut,
        ErrorKind::UnexpectedEof => Failure::Closed,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
            Failure::Unreachable
        }
        _ => Failure::Internal,
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Ring(stream) => {
                let read = std::task::ready!(stream.poll_read(cx, buffer.initialize_unfilled()))?;
                buffer.advance(read);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Ring(stream) => stream.poll_write(cx, &[IoSlice::new(bytes)]),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Self::Ring(stream) => stream.poll_write(cx, bytes),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            // What is queued goes out first, with the close.
            Self::Ring(_) => Poll::Ready(Ok(())),
        }
    }
}

impl Stream {
    /// Goes over to TLS.
    ///
    /// # Errors
    /// As the handshake gives them; [`classify`] sorts them.
    pub async fn secure(
        self,
        client: &TlsClient,
        host: Option<&str>,
    ) -> io::Result<(Self, Secured)> {
        match self {
            Self::Clear(socket) => {
                let (stream, secured) = client.secure(socket, host).await?;
                Ok((Self::Tls(Box::new(stream)), secured))
            }
            Self::Tls(_) => Err(io::Error::other("the connection speaks TLS already")),
        }
    }

    fn socket(&self) -> &Socket {
        match self {
            Self::Clear(socket) => socket,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    /// Makes the close a reset (TCP only; a UNIX socket knows none).
    pub fn reset_on_close(&self) {
        // A socket that refuses the option is closed in the ordinary way, which the peer sees as a drop.
        let linger = Some(std::time::Duration::ZERO);
        let _ = match self.socket() {
            Socket::Tcp(stream) => socket2::SockRef::from(stream).set_linger(linger),
            Socket::Ring(stream) => stream.with_socket(|socket| socket.set_linger(linger)),
            Socket::Unix(_) => Ok(()),
        };
    }

    /// Says goodbye in TLS (RFC 8446 section 6.1), as far as that goes without waiting.
    pub fn poll_farewell(&mut self, cx: &mut Context<'_>) {
        if let Self::Tls(stream) = self {
            // The connection is over: nobody is left who would act on a failure.
            let _ = Pin::new(stream).poll_shutdown(cx);
        }
    }

    /// Our end of it; `None` of a UNIX socket, and under TLS.
    #[must_use]
    pub fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Clear(Socket::Tcp(stream)) => stream.local_addr().ok(),
            Self::Clear(Socket::Ring(stream)) => {
                stream.with_socket(|socket| socket.local_addr().ok()?.as_socket())
            }
            Self::Clear(Socket::Unix(_)) | Self::Tls(_) => None,
        }
    }

    /// Reads what is there; 0 bytes at the end of the stream.
    ///
    /// # Errors
    /// As the operating system or TLS gives them.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        let result = match self {
            Self::Clear(socket) => Pin::new(socket).poll_read(cx, &mut buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
        };
        result.map_ok(|()| buffer.filled().len())
    }

    /// Writes as much as goes at once. It may wait here for [`Stream::poll_flush`].
    ///
    /// # Errors
    /// As the operating system or TLS gives them.
    pub fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A command is one slice, and `send` is cheaper than `writev`.
        match (self, bytes) {
            (Self::Clear(socket), [bytes]) => Pin::new(socket).poll_write(cx, bytes),
            (Self::Clear(socket), bytes) => Pin::new(socket).poll_write_vectored(cx, bytes),
            (Self::Tls(stream), bytes) => Pin::new(stream).poll_write_vectored(cx, bytes),
        }
    }

    /// Ready once the operating system has all that was written.
    ///
    /// # Errors
    /// As the operating system gives them.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Clear(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_address_shares_its_ports_between_targets() {
        for (listen, source) in [("127.0.0.1:0", "127.0.0.2"), ("[::1]:0", "::1")] {
            let listener = std::net::TcpListener::bind(listen).unwrap();
            let address = Address::Tcp(listener.local_addr().unwrap());
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let source: IpAddr = source.parse().unwrap();
            let stream = runtime.block_on(connect(&address, Some(source), None)).unwrap();
            let Stream::Clear(Socket::Tcp(stream)) = &stream else { panic!("TCP") };
            assert_eq!(stream.local_addr().unwrap().ip(), source);
            let option = nix::sys::socket::getsockopt(stream, sockopt::IpBindAddressNoPort);
            assert_eq!(option, Ok(true), "{listen}");
        }
    }

    #[test]
    fn our_own_limits_are_never_the_targets_fault() {
        use crate::measure::outcome::Fault;
        let check = |error: io::Error, want: Failure| {
            assert_eq!(classify(&error), want, "{error}");
        };
        let raw = |errno: rustix::io::Errno| io::Error::from_raw_os_error(errno.raw_os_error());
        check(raw(rustix::io::Errno::MFILE), Failure::NoDescriptors);
        check(raw(rustix::io::Errno::ADDRNOTAVAIL), Failure::NoPorts);
        check(raw(rustix::io::Errno::CONNREFUSED), Failure::Refused);
        check(raw(rustix::io::Errno::PIPE), Failure::Reset);
        check(raw(rustix::io::Errno::NETUNREACH), Failure::Unreachable);
        check(raw(rustix::io::Errno::TIMEDOUT), Failure::TimedOut);
        assert_eq!(Failure::NoPorts.fault(), Fault::Generator);
        assert_eq!(Failure::NoDescriptors.fault(), Fault::Generator);
    }
}
