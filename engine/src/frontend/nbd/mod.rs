//! An NBD server for one volume, on a unix socket, on TCP, or on both.
//!
//! The way of a request: [`listener`] accepts → [`connection`] → [`handshake`] negotiates (with [`option`], [`context`],
//! [`tls`]) → [`transmission`] reads [`request`]s → [`device_work`] runs them on the device → [`reply`] writes the answers.
//!
//! A volume that grows: whoever connects from then on is told the new size, and requests up to it are carried out on
//! every connection. NBD has no message that tells a connected client; it learns the size when it connects again, or
//! whoever runs it tells it (the kernel's client by netlink).
//!
//! Invariants: a write is answered after the device acknowledged it, a flush after the device flushed everything
//! acknowledged before on any connection; nothing a client sends makes the server panic or hold more memory than
//! [`in_flight`](super::in_flight) and the listener's connection limit allow; where TLS is required, nothing of the volume leaves over TCP
//! before it was started.

pub(super) mod attached;
mod connection;
mod context;
mod device_work;
mod export;
mod handshake;
mod listener;
mod option;
mod patience;
mod protocol;
mod reply;
mod request;
mod socket_file;
mod tls;
mod transmission;
mod uri;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;

pub use self::tls::{Tls, TlsError, TlsFiles};

use self::connection::Service;
use self::handshake::Security;
use self::listener::Listeners;
use self::socket_file::SocketFile;
use super::in_flight::{self, Pool};
use super::server::Server;
use super::{BlockDevice, Frontend, FrontendKind, Resizer, StopRefused};

/// Where and under which name to serve. At least one address is needed.
#[derive(Clone, Debug)]
pub struct NbdConfig {
    /// Name of the export: the volume's. The default export is the same volume.
    pub export: String,
    /// Path of a unix socket (mode 0600), at most 107 bytes. Its directory has to exist.
    pub unix_socket: Option<PathBuf>,
    /// Address to listen on; port 0 takes a free one.
    pub tcp: Option<SocketAddr>,
    /// Without it everybody who reaches the TCP address can read and write the volume: keep it to trusted networks.
    pub tls: Tls,
}

/// Why an NBD server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum NbdError {
    #[error("the NBD server of {export} has no address: give a unix socket or a TCP address")]
    NoAddress { export: String },
    #[error("somebody listens on the NBD socket {} already: stop that server or choose another path", path.display())]
    SocketInUse { path: PathBuf },
    #[error("{} is in the way of the NBD socket and is no socket: move it away or choose another path", path.display())]
    NotASocket { path: PathBuf },
    #[error("the NBD server could not be started: {0}")]
    Inside(#[source] tokio::task::JoinError),
    #[error("the NBD server can't use TLS: {0}")]
    Tls(#[from] TlsError),
    #[error("the NBD server can't listen on {address}: {source}; choose another address or free this one")]
    Bind { address: String, source: io::Error },
}

/// A running NBD server.
#[derive(Debug)]
pub struct NbdFrontend {
    export: String,
    unix_socket: Option<PathBuf>,
    tcp: Option<SocketAddr>,
    tcp_needs_tls: bool,
    server: Server,
}

impl NbdFrontend {
    /// Starts to serve `device`; clients can connect when this returns.
    ///
    /// # Errors
    /// When no address is given or one can't be listened on, or the TLS files are of no use. Nothing is left behind then.
    pub async fn start<D: BlockDevice>(device: Arc<D>, config: NbdConfig) -> Result<Self, NbdError> {
        let NbdConfig { export, unix_socket, tcp, tls } = config;
        if unix_socket.is_none() && tcp.is_none() {
            return Err(NbdError::NoAddress { export });
        }
        if let Some(files) = tls.files().cloned() {
            // What is loaded here only tells whether it can be: each connection reads the files itself.
            tokio::task::spawn_blocking(move || files.load()).await.map_err(NbdError::Inside)??;
        }
        let tcp_security = match &tls {
            Tls::Off => Security::Plain,
            Tls::Allow(_) => Security::TlsOffered,
            Tls::Require(_) => Security::TlsRequired,
        };
        let service = Service { device, export: export.clone(), tls: tls.files().cloned(), pool: Pool::new() };
        let mut listeners = Listeners { service: Arc::new(service), unix: None, tcp: None, tcp_security };
        let mut bound_tcp = None;
        if let Some(address) = tcp {
            let failed = |source| NbdError::Bind { address: address.to_string(), source };
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            bound_tcp = Some(listener.local_addr().map_err(failed)?);
            listeners.tcp = Some(listener);
        }
        if let Some(path) = &unix_socket {
            listeners.unix = Some(SocketFile::listen(path)?);
        }
        let server = Server::start(format!("NBD server of {export}"), listeners);
        let tcp_needs_tls = tcp_security == Security::TlsRequired;
        Ok(Self { export, unix_socket, tcp: bound_tcp, tcp_needs_tls, server })
    }

    /// The TCP address that is listened on, with the real port.
    #[must_use]
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.tcp
    }

    /// `nbd+unix:///…` where there is a unix socket, else `nbd://…` or `nbds://…`.
    #[must_use]
    pub fn uri(&self) -> String {
        match (&self.unix_socket, self.tcp) {
            (Some(path), _) => uri::of_unix(&self.export, path),
            (None, Some(address)) => uri::of_tcp(&self.export, address, self.tcp_needs_tls),
            (None, None) => String::new(),
        }
    }

    /// `nbd://…`, or `nbds://…` where TLS is required, where TCP is listened on.
    #[must_use]
    pub fn tcp_uri(&self) -> Option<String> {
        self.tcp.map(|address| uri::of_tcp(&self.export, address, self.tcp_needs_tls))
    }
}

impl Frontend for NbdFrontend {
    fn kind(&self) -> FrontendKind {
        FrontendKind::Nbd
    }

    fn endpoint(&self) -> String {
        self.uri()
    }

    /// Nothing to do: see the module's words on a volume that grows.
    fn resizer(&self) -> Resizer {
        Resizer::default()
    }

    /// Never refused: clients get the answers of what is in flight and `ESHUTDOWN` for anything new. With `force`
    /// they are cut off at once; what was in flight is then not acknowledged.
    async fn stop(self, force: bool) -> Result<(), StopRefused<Self>> {
        self.server.end(force).await;
        Ok(())
    }
}
