//! Listening sockets.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::units::UnitError;

/// Connections that may wait to be taken. The kernel lowers it to its own limit (`net.core.somaxconn`).
const BACKLOG: i32 = 16 * 1024;

/// Connections that may wait to be taken, as the kernel has it.
#[must_use]
pub fn backlog() -> u64 {
    let asked = u64::try_from(BACKLOG).unwrap_or_default();
    let limit = std::fs::read_to_string("/proc/sys/net/core/somaxconn").ok();
    limit.and_then(|limit| limit.trim().parse().ok()).unwrap_or(asked).min(asked)
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// An address and port; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// The path of a UNIX socket.
    Unix(PathBuf),
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(path.into()));
        }
        if text.starts_with('/') {
            return Ok(Self::Unix(text.into()));
        }
        text.parse().map(Self::Tcp).map_err(|_| UnitError {
            message: format!("`{}` is no address to listen at", text.escape_debug()),
            hint: "write 127.0.0.1:2525, [::1]:2525 or unix:/path/to/socket".into(),
        })
    }
}

/// Binds and listens, non-blocking. Accepted connections have Nagle's algorithm off.
///
/// # Errors
/// When the address cannot be bound: in use, not here, or not permitted.
pub fn listen(address: &ListenAddress) -> io::Result<Socket> {
    let socket = match address {
        ListenAddress::Tcp(address) => {
            let socket = Socket::new(Domain::for_address(*address), Type::STREAM, None)?;
            socket.set_reuse_address(true)?;
            // Accepted sockets inherit it, which saves a system call for each.
            socket.set_tcp_nodelay(true)?;
            socket.bind(&SockAddr::from(*address))?;
            socket
        }
        ListenAddress::Unix(path) => {
            remove_stale(path)?;
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            socket.bind(&SockAddr::unix(path)?)?;
            socket
        }
    };
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The address that `socket` was bound to at `asked`, with the port that the system chose.
///
/// # Errors
/// When the system does not say.
pub fn bound_address(socket: &Socket, asked: &ListenAddress) -> io::Result<ListenAddress> {
    Ok(match asked {
        ListenAddress::Tcp(address) => {
            ListenAddress::Tcp(socket.local_addr()?.as_socket().unwrap_or(*address))
        }
        ListenAddress::Unix(path) => ListenAddress::Unix(path.clone()),
    })
}

/// Removes a socket that nobody listens at any more; anything else at `path` is left for `bind` to stumble over.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket =
        std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    if !is_socket {
        return Ok(());
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_and_print() {
        for text in ["127.0.0.1:2525", "[::1]:0", "unix:/tmp/sink"] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
        }
        assert_eq!("/a".parse(), Ok(ListenAddress::Unix("/a".into())));
        for bad in ["", "2525", "localhost:25", "::1:25", "unix:", "127.0.0.1", "127.0.0.1:99999"] {
            assert!(bad.parse::<ListenAddress>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let address = ListenAddress::Unix(folder.path().join("s"));
        let first = listen(&address).unwrap();
        assert_eq!(listen(&address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        listen(&address).unwrap();
    }

    #[test]
    fn a_file_in_the_way_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        std::fs::write(&path, "mine").unwrap();
        assert!(listen(&ListenAddress::Unix(path.clone())).is_err());
        assert_eq!(std::fs::read(path).unwrap(), b"mine");
    }

    #[test]
    fn accepted_connections_do_not_wait_for_full_segments() {
        let address = ListenAddress::Tcp("127.0.0.1:0".parse().unwrap());
        let listener = listen(&address).unwrap();
        let ListenAddress::Tcp(bound) = bound_address(&listener, &address).unwrap() else {
            panic!("a TCP address")
        };
        let _client = std::net::TcpStream::connect(bound).unwrap();
        listener.set_nonblocking(false).unwrap();
        assert!(listener.accept().unwrap().0.tcp_nodelay().unwrap());
    }
}
