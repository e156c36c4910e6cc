//! The unix socket of a server: made for its owner only, put in place of a dead one, removed at the end.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream as BlockingUnixStream;
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, fchmod};
use tokio::net::{UnixListener, UnixSocket};

use super::NbdError;

/// Clients that may wait to be accepted; more get `EAGAIN` and try again.
const BACKLOG: u32 = 64;

/// The path of a bound socket, removed on drop unless somebody else has put another file there.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

impl SocketFile {
    /// Listens on `path` with mode 0600. A socket that nobody listens on is replaced.
    ///
    /// # Errors
    /// When somebody listens there already, when something else than a socket is there, or when binding fails.
    pub(super) fn listen(path: &Path) -> Result<(UnixListener, Self), NbdError> {
        remove_stale(path)?;
        let bind = || -> io::Result<(UnixListener, Self)> {
            let socket = UnixSocket::new_stream()?;
            // On Linux the mode of the unbound socket becomes the mode of the file, so there is no moment in which
            // others could connect.
            fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
            socket.bind(path)?;
            let metadata = std::fs::symlink_metadata(path)?;
            let file = Self { path: path.to_owned(), inode: (metadata.dev(), metadata.ino()) };
            Ok((socket.listen(BACKLOG)?, file))
        };
        bind().map_err(|source| NbdError::Bind { address: path.display().to_string(), source })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours =
            std::fs::symlink_metadata(&self.path).is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.inode);
        if is_ours && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the NBD socket could not be removed");
        }
    }
}

fn remove_stale(path: &Path) -> Result<(), NbdError> {
    let failed = |source| NbdError::Bind { address: path.display().to_string(), source };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(NbdError::NotASocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    match BlockingUnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(path = %path.display(), "replacing an NBD socket that nobody listens on");
            std::fs::remove_file(path).map_err(failed)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // A full backlog or a lack of permission means that somebody is there.
        Ok(_) | Err(_) => Err(NbdError::SocketInUse { path: path.to_owned() }),
    }
}
