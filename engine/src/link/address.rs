//! Where a process listens: a unix socket on the same machine, TLS across machines. Plain TCP is for measurements and tests: it
//! asks nobody who he is.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::tls::{Identity, TlsListener};

/// `unix:/path`, `tls:host:port` or `tcp:host:port`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    Unix(PathBuf),
    Tcp(String),
    /// With a certificate of the cluster on both sides.
    Tls(String),
}

/// A text that is no address.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not an address; it has to be unix:/path, tls:host:port or tcp:host:port")]
pub struct AddressError(String);

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match text.split_once(':') {
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(("tcp", host)) if host.contains(':') => Ok(Self::Tcp(host.to_owned())),
            Some(("tls", host)) if host.contains(':') => Ok(Self::Tls(host.to_owned())),
            _ => Err(AddressError(text.to_owned())),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
            Self::Tcp(host) => write!(formatter, "tcp:{host}"),
            Self::Tls(host) => write!(formatter, "tls:{host}"),
        }
    }
}

impl Address {
    /// Opens a stream to it, as the member of the cluster that this process is.
    pub async fn connect(&self) -> io::Result<Stream> {
        self.connect_as(None).await
    }

    /// The same as another member.
    pub async fn connect_as(&self, member: Option<&Identity>) -> io::Result<Stream> {
        match self {
            Self::Tls(host) => match member {
                Some(member) => member.connect(host).await,
                None => Identity::own()?.connect(host).await,
            },
            Self::Unix(path) => UnixStream::connect(path).await.map(Stream::Unix),
            Self::Tcp(host) => {
                let stream = TcpStream::connect(host).await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
        }
    }

    /// Listens on it. A socket file that nobody listens on any more is replaced; a live one is an error.
    pub async fn listen(&self) -> io::Result<Listener> {
        match self {
            Self::Tls(host) => {
                let identity = Arc::clone(Identity::own()?);
                TlsListener::start(TcpListener::bind(host).await?, identity).map(Listener::Tls)
            }
            Self::Tcp(host) => TcpListener::bind(host).await.map(Listener::Tcp),
            Self::Unix(path) => {
                if path.exists() {
                    if UnixStream::connect(path).await.is_ok() {
                        let message = format!("{} is in use by a running process", path.display());
                        return Err(io::Error::new(io::ErrorKind::AddrInUse, message));
                    }
                    std::fs::remove_file(path)?;
                }
                UnixListener::bind(path).map(Listener::Unix)
            }
        }
    }
}

/// A listening socket of either kind.
#[derive(Debug)]
pub enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
    Tls(TlsListener),
}

impl Listener {
    /// Where it listens over TLS, with the port that was chosen.
    #[must_use]
    pub fn tls_address(&self) -> Option<Address> {
        match self {
            Self::Tls(listener) => Some(Address::Tls(listener.local_address().to_string())),
            Self::Unix(_) | Self::Tcp(_) => None,
        }
    }

    /// The next connection.
    pub async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tls(listener) => listener.next().await,
            Self::Unix(listener) => listener.accept().await.map(|(stream, _)| Stream::Unix(stream)),
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
        }
    }
}

/// A connected stream of either kind.
#[derive(Debug)]
pub enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

// tonic asks for the peer's address of an accepted stream; a unix socket has none worth telling.
impl tonic::transport::server::Connected for Stream {
    type ConnectInfo = ();
    fn connect_info(&self) -> Self::ConnectInfo {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        for text in ["unix:/run/a.sock", "tcp:127.0.0.1:80", "tcp:[::1]:80", "tls:10.0.0.1:8500"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in ["", "unix:relative", "tcp:nohost", "tls:nohost", "http://x", "/run/a.sock"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
