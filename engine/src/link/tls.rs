//! Streams between machines: TLS both ways, with certificates of the cluster's own authority. Who has one is a member, who has
//! none is not spoken with.
//!
//! The data link's ways of reading and writing (`shared_stream`, `alone`) are those of kernel sockets. So what comes out of here
//! is one end of a local pair of sockets, and a task carries bytes between its other end and TLS.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{Mutex as AsyncMutex, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::address::Stream;
use crate::frontend::nbd::{TlsError, TlsFiles};

/// The name in every member's certificate: addresses of nodes change, and who is a member the authority says.
pub const MEMBER: &str = "member.aurochs.internal";
/// Names of the files in an identity's directory.
pub const AUTHORITY_FILE: &str = "ca.crt";
pub const CERTIFICATE_FILE: &str = "tls.crt";
pub const KEY_FILE: &str = "tls.key";

/// A handshake that takes longer is none.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// Handshakes at the same time; each costs some milliseconds of a processor, whoever asks for it.
const HANDSHAKES_AT_ONCE: usize = 32;
/// Connections that wait to be taken.
const WAITING_MAXIMUM: usize = 16;
/// After a failure to accept, as when no file descriptor is free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The files' state is asked for at most this often.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// A peer that acknowledges nothing for so long is gone.
const SILENCE_LONGEST: Duration = Duration::from_secs(30);
/// What is read or written at once, of each direction.
const PIECE: usize = 128 << 10;

/// A member's certificate, its key, and the authority of all members, in three files of a directory. They may be replaced while
/// they are used; while they can't be used, those before are.
pub struct Identity {
    directory: PathBuf,
    loaded: Mutex<Loaded>,
}

struct Loaded {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    stamps: [Option<Stamp>; 3],
    looked: Instant,
}

/// What changes when a file is replaced.
type Stamp = (u64, u64, i64, i64);

/// The identity of this process.
static OWN: OnceLock<Arc<Identity>> = OnceLock::new();

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Identity").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Identity {
    /// Reads the files, so that a mistake is told to whoever made it. Blocks.
    pub fn open(directory: &Path) -> Result<Self, TlsError> {
        let (acceptor, connector) = load(directory)?;
        let loaded = Loaded { acceptor, connector, stamps: stamps(directory), looked: Instant::now() };
        Ok(Self { directory: directory.to_owned(), loaded: Mutex::new(loaded) })
    }

    /// Makes it the one that this process has, for its whole life.
    pub fn become_own(self) {
        // A second one would be a mistake of ours, and the first is as good.
        let _ = OWN.set(Arc::new(self));
    }

    /// The one of this process.
    pub(super) fn own() -> io::Result<&'static Arc<Self>> {
        OWN.get().ok_or_else(|| {
            let message = "this process has no certificate for other machines; it is given one with --tls";
            io::Error::new(io::ErrorKind::Unsupported, message)
        })
    }

    fn current(&self) -> (TlsAcceptor, TlsConnector) {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if loaded.looked.elapsed() >= LOOK_INTERVAL {
            loaded.looked = Instant::now();
            let now = stamps(&self.directory);
            if now != loaded.stamps {
                // Three files are not replaced at once: until they fit each other the ones before are used.
                match load(&self.directory) {
                    Ok((acceptor, connector)) => {
                        *loaded = Loaded { acceptor, connector, stamps: now, looked: Instant::now() }
                    }
                    Err(error) => tracing::warn!(%error, "the certificate for other machines stays as it was"),
                }
            }
        }
        (loaded.acceptor.clone(), loaded.connector.clone())
    }

    /// Connects to `host:port`, and believes only a member.
    pub(super) async fn connect(&self, host: &str) -> io::Result<Stream> {
        let stream = prepared(TcpStream::connect(host).await?)?;
        let name = ServerName::try_from(MEMBER).map_err(io::Error::other)?;
        let handshake = self.current().1.connect(name, stream);
        carried(in_time(handshake).await?)
    }

    async fn accept(&self, stream: TcpStream) -> io::Result<Stream> {
        let handshake = self.current().0.accept(prepared(stream)?);
        carried(in_time(handshake).await?)
    }
}

fn load(directory: &Path) -> Result<(TlsAcceptor, TlsConnector), TlsError> {
    let files = TlsFiles {
        certificate: directory.join(CERTIFICATE_FILE),
        key: directory.join(KEY_FILE),
        client_ca: Some(directory.join(AUTHORITY_FILE)),
    };
    Ok((files.load()?, files.load_client(&directory.join(AUTHORITY_FILE))?))
}

fn stamps(directory: &Path) -> [Option<Stamp>; 3] {
    [AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE].map(|file| {
        let metadata = fs::metadata(directory.join(file)).ok()?;
        Some((metadata.ino(), metadata.size(), metadata.ctime(), metadata.ctime_nsec()))
    })
}

fn prepared(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    setsockopt(&stream, sockopt::KeepAlive, &true)?;
    setsockopt(&stream, sockopt::TcpKeepIdle, &10)?;
    setsockopt(&stream, sockopt::TcpKeepInterval, &5)?;
    setsockopt(&stream, sockopt::TcpUserTimeout, &u32::try_from(SILENCE_LONGEST.as_millis()).unwrap_or(u32::MAX))?;
    Ok(stream)
}

async fn in_time<T>(handshake: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the other side did not finish the TLS handshake in time");
    tokio::time::timeout(HANDSHAKE_PATIENCE, handshake).await.map_err(late)?
}

/// The end of a local pair through which the stream is used. When either side hangs up, so does the other one.
fn carried<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(mut tls: S) -> io::Result<Stream> {
    let (ours, mut theirs) = UnixStream::pair()?;
    tokio::spawn(async move {
        if let Err(error) = copy_bidirectional_with_sizes(&mut tls, &mut theirs, PIECE, PIECE).await {
            tracing::debug!(%error, "a stream to another machine broke");
        }
    });
    Ok(Stream::Unix(ours))
}

/// Accepts members. Handshakes run beside each other: one who never finishes his keeps nobody else out.
#[derive(Debug)]
pub struct TlsListener {
    address: std::net::SocketAddr,
    accepted: AsyncMutex<mpsc::Receiver<Stream>>,
    accepting: JoinHandle<()>,
}

impl Drop for TlsListener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl TlsListener {
    pub(super) fn start(listener: TcpListener, identity: Arc<Identity>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, accepted) = mpsc::channel(WAITING_MAXIMUM);
        let accepting = tokio::spawn(accept(listener, identity, sender));
        Ok(Self { address, accepted: AsyncMutex::new(accepted), accepting })
    }

    /// With the port that was chosen.
    pub(super) const fn local_address(&self) -> std::net::SocketAddr {
        self.address
    }

    pub(super) async fn next(&self) -> io::Result<Stream> {
        let next = self.accepted.lock().await.recv().await;
        next.ok_or_else(|| io::Error::other("nobody accepts connections of other machines any more"))
    }
}

async fn accept(listener: TcpListener, identity: Arc<Identity>, accepted: mpsc::Sender<Stream>) {
    let turns = Arc::new(Semaphore::new(HANDSHAKES_AT_ONCE));
    loop {
        let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let (identity, accepted) = (Arc::clone(&identity), accepted.clone());
                tokio::spawn(async move {
                    match identity.accept(stream).await {
                        // Nobody takes it when the process ends.
                        Ok(stream) => _ = accepted.send(stream).await,
                        // As a probe does, every few seconds.
                        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                            tracing::debug!(%peer, "who connected has gone without a word");
                        }
                        Err(error) => tracing::info!(%peer, %error, "who is no member of the cluster is not let in"),
                    }
                    drop(turn);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection of another machine could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
