//! TLS of the API: the certificate, which may be renewed while it is served, and the handshake.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aurochs_engine::frontend::nbd::{TlsError, TlsFiles};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use super::stream::Stream;

/// The files' state is asked for at most this often.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A certificate with its key, in PEM files. Clones share it.
///
/// Files that were replaced are used from the next connection on. While they can't be used (one of the two is not replaced
/// yet) the ones before are: a slip when renewing locks nobody out.
#[derive(Clone)]
pub struct Tls(Arc<Shared>);

struct Shared {
    files: TlsFiles,
    loaded: Mutex<Loaded>,
}

struct Loaded {
    config: Arc<ServerConfig>,
    stamps: [Option<Stamp>; 2],
    looked: Instant,
}

/// What changes when a file is written or replaced.
type Stamp = (u64, u64, i64, i64);

impl Tls {
    /// Reads the files, so that a mistake is told to whoever made it.
    pub fn open(certificate: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let files = TlsFiles { certificate, key, client_ca: None };
        let stamps = stamps(&files);
        let loaded = Loaded { config: load(&files)?, stamps, looked: Instant::now() };
        Ok(Self(Arc::new(Shared { files, loaded: Mutex::new(loaded) })))
    }

    /// Shakes hands with a client.
    pub(super) async fn accept(&self, stream: Stream) -> io::Result<TlsStream<Stream>> {
        TlsAcceptor::from(self.config()).accept(stream).await
    }

    fn config(&self) -> Arc<ServerConfig> {
        let mut loaded = self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if loaded.looked.elapsed() >= LOOK_INTERVAL {
            loaded.looked = Instant::now();
            self.0.look(&mut loaded);
        }
        loaded.config.clone()
    }
}

impl Shared {
    fn look(&self, loaded: &mut Loaded) {
        let now = stamps(&self.files);
        if now == loaded.stamps {
            return;
        }
        // What can't be used is told once, and looked at again when it changes.
        loaded.stamps = now;
        match load(&self.files) {
            Ok(config) => {
                tracing::info!(certificate = %self.files.certificate.display(), "the certificate changed and is used");
                loaded.config = config;
            }
            Err(error) => tracing::error!(%error, "the certificate stays as it was"),
        }
    }
}

fn load(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::clone(files.load()?.config());
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn stamps(files: &TlsFiles) -> [Option<Stamp>; 2] {
    [&files.certificate, &files.key].map(|path| stamp(path))
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.size(), metadata.ctime(), metadata.ctime_nsec()))
}
