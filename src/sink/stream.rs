//! What a connection of the sink reads and writes: clear text, or TLS from some point on.

use std::future::Future;
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::Accept;
use tokio_rustls::server::TlsStream;

use crate::net::tls::{TlsServer, exporter};
use crate::smtp::sasl::{BindingKind, ChannelBinding};

/// A connection in clear text, in a handshake, or under TLS.
pub(super) enum SinkStream<S> {
    Clear(S),
    Handshake(Box<Accept<S>>),
    Tls(Box<TlsStream<S>>),
    /// After a handshake that failed.
    Gone,
}

impl<S: AsyncRead + AsyncWrite + Unpin> SinkStream<S> {
    /// Goes over to TLS; ready once it stands.
    pub(super) fn poll_secure(
        &mut self,
        server: &TlsServer,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            *self = match std::mem::replace(self, Self::Gone) {
                Self::Clear(stream) => Self::Handshake(Box::new(server.acceptor().accept(stream))),
                Self::Handshake(mut accept) => match Pin::new(&mut accept).poll(context) {
                    Poll::Pending => {
                        *self = Self::Handshake(accept);
                        return Poll::Pending;
                    }
                    Poll::Ready(stream) => Self::Tls(Box::new(stream?)),
                },
                Self::Tls(stream) => {
                    *self = Self::Tls(stream);
                    return Poll::Ready(Ok(()));
                }
                Self::Gone => return Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            };
        }
    }

    /// Makes the end of the connection a reset.
    pub(super) fn abort(&self) -> io::Result<()>
    where
        S: AsFd,
    {
        let stream = match self {
            Self::Clear(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
            Self::Handshake(_) | Self::Gone => return Ok(()),
        };
        Ok(rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?)
    }

    /// What ties a login to the channel (RFC 5056): the client chooses.
    pub(super) fn bindings(&self, server: &TlsServer) -> Vec<ChannelBinding> {
        let Self::Tls(stream) = self else { return Vec::new() };
        let (_, connection) = stream.get_ref();
        let bound = |kind, data: &[u8]| ChannelBinding { kind, data: data.into() };
        let exporter =
            exporter(connection).map(|material| bound(BindingKind::TlsExporter, &material));
        let end_point = bound(BindingKind::TlsServerEndPoint, server.end_point());
        exporter.into_iter().chain([end_point]).collect()
    }

    /// Whether it is under TLS.
    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls(_))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for SinkStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Handshake(_) | Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for SinkStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => {
                // What was taken has to go out too; where it cannot now, `poll_flush` waits for it.
                let written = ready!(Pin::new(&mut *stream).poll_write(context, bytes))?;
                let _ = Pin::new(stream).poll_flush(context)?;
                Poll::Ready(Ok(written))
            }
            Self::Handshake(_) | Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Handshake(_) | Self::Gone => Poll::Ready(Ok(())),
        }
    }
}
