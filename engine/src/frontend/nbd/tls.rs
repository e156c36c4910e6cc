//! TLS of the server: who may come unencrypted, and the files that it takes.
//!
//! The files are read again for every client, which costs little beside the handshake, so a certificate that was renewed
//! in place is used from the next client on. They are read once at the start too, so that a mistake is told to whoever
//! made it.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Whether the connections over TCP are encrypted. On the unix socket a client may start TLS where there is any, and
/// need not: its file's rights decide who may connect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    #[default]
    Off,
    /// A client may start it.
    Allow(TlsFiles),
    /// A client over TCP gets nothing before it has.
    Require(TlsFiles),
}

/// Files in PEM format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// Its private key. Others may not be able to read the file.
    pub key: PathBuf,
    /// Authorities of clients: with it a client needs a certificate of one of them.
    pub client_ca: Option<PathBuf>,
}

/// Why TLS files are of no use.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read the {what} {}: {source}; give the path of a PEM file that this program may read", path.display())]
    Read { what: &'static str, path: PathBuf, source: io::Error },
    #[error("the {what} {} is no PEM file of that kind: {source}; give one with {expected}", path.display())]
    Pem { what: &'static str, path: PathBuf, expected: &'static str, source: pem::Error },
    #[error("the TLS key {} can be used by everybody on this node (mode {mode:o}); take these rights away: chmod o-rwx", path.display())]
    KeyOpen { path: PathBuf, mode: u32 },
    #[error("the TLS certificate {} and the key {} can't be used together: {source}", certificate.display(), key.display())]
    Pair { certificate: PathBuf, key: PathBuf, source: rustls::Error },
    #[error("the client authority {} is not a certificate that TLS can use: {source}", path.display())]
    Authority { path: PathBuf, source: rustls::Error },
    #[error("no client can be checked against {}: {source}", path.display())]
    Verifier { path: PathBuf, source: VerifierBuilderError },
    #[error("this build's cryptography does not offer a version of TLS: {0}")]
    Versions(rustls::Error),
}

impl Tls {
    pub(super) fn files(&self) -> Option<&TlsFiles> {
        match self {
            Self::Off => None,
            Self::Allow(files) | Self::Require(files) => Some(files),
        }
    }
}

const CERTIFICATES: &str = "one or more BEGIN CERTIFICATE sections";

impl TlsFiles {
    /// Reads and checks all files. Blocks.
    pub fn load(&self) -> Result<TlsAcceptor, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let chain = certificates("TLS certificate", &self.certificate)?;
        let key = self.load_key()?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Versions)?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(authorities(path)?.into(), provider).build();
                let failed = |source| TlsError::Verifier { path: path.clone(), source };
                builder.with_client_cert_verifier(verifier.map_err(failed)?)
            }
        };
        let pair = |source| TlsError::Pair { certificate: self.certificate.clone(), key: self.key.clone(), source };
        Ok(Arc::new(builder.with_single_cert(chain, key).map_err(pair)?).into())
    }

    /// The other side: who believes servers of this authority, and shows them the certificate. Blocks.
    pub fn load_client(&self, server_authority: &Path) -> Result<TlsConnector, TlsError> {
        let chain = certificates("TLS certificate", &self.certificate)?;
        let key = self.load_key()?;
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Versions)?
            .with_root_certificates(authorities(server_authority)?);
        let pair = |source| TlsError::Pair { certificate: self.certificate.clone(), key: self.key.clone(), source };
        Ok(Arc::new(builder.with_client_auth_cert(chain, key).map_err(pair)?).into())
    }

    fn load_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        const WHAT: &str = "TLS key";
        let path = &self.key;
        let bytes = read(WHAT, path)?;
        let failed = |source| TlsError::Read { what: WHAT, path: path.clone(), source };
        let mode = std::fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o007 != 0 {
            return Err(TlsError::KeyOpen { path: path.clone(), mode });
        }
        let expected = "an unencrypted BEGIN PRIVATE KEY section";
        PrivateKeyDer::from_pem_slice(&bytes).map_err(|source| TlsError::Pem {
            what: WHAT,
            path: path.clone(),
            expected,
            source,
        })
    }
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read { what, path: path.to_owned(), source })
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::Pem { what, path: path.to_owned(), expected: CERTIFICATES, source };
    let bytes = read(what, path)?;
    let found = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    if found.is_empty() { Err(failed(pem::Error::NoItemsFound)) } else { Ok(found) }
}

fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates("client authority", path)? {
        store.add(certificate).map_err(|source| TlsError::Authority { path: path.to_owned(), source })?;
    }
    Ok(store)
}
