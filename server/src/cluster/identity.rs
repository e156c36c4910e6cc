//! Who the processes of a machine are to those of others: a certificate of the cluster's own authority, which the manager of the
//! machine makes for itself, its instance managers, engines and replicas (`aurochs_engine::link::tls`).
//!
//! Who has one of these is a member and may do everything to volumes: the authority's key is in a Secret that managers alone read.
//! A Secret that was deleted is made anew within minutes; streams that there are go on, new ones wait until both machines have
//! heard of it.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aurochs_engine::frontend::nbd::TlsError;
use aurochs_engine::link::tls::{AUTHORITY_FILE, CERTIFICATE_FILE, Identity, KEY_FILE, MEMBER};
use kube::Client;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::authority::{Authority, AuthorityError, Office, Safe, Use};

const OFFICE: Office = Office { secret: "aurochs-instance-ca", name: "Aurochs instances" };
/// A certificate is made anew after this, at the latest; it is good for a year.
const RENEWAL: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The authority is looked at again after this long.
const RESYNC: Duration = Duration::from_secs(240);

/// Why the machine's processes have no certificate.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error("the certificate for other machines can't be written to {path}: {source}")]
    Write { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A machine's certificate, in files.
pub struct Member {
    pub identity: Arc<Identity>,
    safe: Safe,
    authority: Authority,
    node: String,
    directory: PathBuf,
}

impl Member {
    /// Finds or makes the authority, and makes a certificate for the node of this name.
    pub(super) async fn open(
        client: &Client,
        namespace: &str,
        node: &str,
        directory: &Path,
    ) -> Result<Self, IdentityError> {
        let safe = Safe::of(client, namespace, OFFICE);
        let authority = safe.open().await?;
        write(&authority, node, directory)?;
        let identity = Arc::new(Identity::open(directory)?);
        Ok(Self { identity, safe, authority, node: node.to_owned(), directory: directory.to_owned() })
    }

    /// Keeps the files good, until the task is aborted. Who uses them reads them again when they have changed.
    #[must_use]
    pub fn keep(self) -> JoinHandle<()> {
        let Self { safe, mut authority, node, directory, .. } = self;
        tokio::spawn(async move {
            let mut made = Instant::now();
            loop {
                tokio::time::sleep(RESYNC).await;
                let kept = async {
                    let now = safe.open().await?;
                    if now == authority && made.elapsed() < RENEWAL {
                        return Ok(());
                    }
                    write(&now, &node, &directory)?;
                    (authority, made) = (now, Instant::now());
                    Ok::<(), IdentityError>(())
                };
                if let Err(error) = kept.await {
                    tracing::error!(%error, "the certificate for other machines stays as it was");
                }
            }
        })
    }
}

fn write(authority: &Authority, node: &str, directory: &Path) -> Result<(), IdentityError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| IdentityError::Write { path, source }
    };
    let (certificate, key) = authority.certificate(&[MEMBER.to_owned(), node.to_owned()], Use::Member)?;
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed(directory))?;
    let own = authority.own_certificate().to_owned();
    for (name, text) in [(AUTHORITY_FILE, own), (KEY_FILE, key), (CERTIFICATE_FILE, certificate)] {
        let path = directory.join(name);
        crate::private_file::write(&path, &text, None).map_err(failed(&path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use aurochs_engine::link::Address;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn member(authority: &Authority, node: &str, directory: &Path) -> Identity {
        let directory = directory.join(node);
        write(authority, node, &directory).unwrap();
        Identity::open(&directory).unwrap()
    }

    #[tokio::test]
    async fn members_speak_with_each_other_and_with_nobody_else() {
        let directory = tempfile::tempdir().unwrap();
        let (ours, theirs) = (Authority::make("ours").unwrap(), Authority::make("theirs").unwrap());
        member(&ours, "a", directory.path()).become_own();
        let listener = "tls:127.0.0.1:0".parse::<Address>().unwrap().listen().await.unwrap();
        let address = listener.tls_address().unwrap();
        let serving = tokio::spawn(async move {
            loop {
                let mut stream = listener.accept().await.unwrap();
                stream.write_all(b"hello").await.unwrap();
            }
        });
        let other = member(&ours, "b", directory.path());
        let stranger = member(&theirs, "c", directory.path());
        let heard = async |mut stream: aurochs_engine::link::address::Stream| {
            let mut word = Vec::new();
            let _ = stream.read_to_end(&mut word).await;
            word
        };
        assert_eq!(heard(address.connect_as(Some(&other)).await.unwrap()).await, b"hello");
        assert_eq!(heard(address.connect().await.unwrap()).await, b"hello");
        let refused = address.connect_as(Some(&stranger)).await.unwrap_err().to_string();
        assert!(refused.contains("certificate"), "{refused}");

        // Somebody who believes us, and has nothing to show: TLS tells him no sooner than he reads.
        let trusting = directory.path().join("c");
        std::fs::copy(directory.path().join("a").join(AUTHORITY_FILE), trusting.join(AUTHORITY_FILE)).unwrap();
        let stranger = Identity::open(&trusting).unwrap();
        if let Ok(stream) = address.connect_as(Some(&stranger)).await {
            assert_eq!(heard(stream).await, b"");
        }
        // Nor is anybody heard who speaks no TLS.
        let plain = address.to_string().replace("tls:", "tcp:").parse::<Address>().unwrap();
        let mut stream = plain.connect().await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut word = Vec::new();
        let _ = stream.read_to_end(&mut word).await;
        assert!(!word.windows(5).any(|part| part == b"hello"));
        // Files that were replaced are used without a restart.
        write(&theirs, "a", &directory.path().join("a")).unwrap();
        let stranger = member(&theirs, "d", directory.path());
        let believed = async {
            while address.connect_as(Some(&stranger)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), believed).await.unwrap();
        serving.abort();
    }
}
