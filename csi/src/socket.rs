//! The unix socket that Kubernetes finds the driver at.
//!
//! Whoever can open it can have any volume of the installation attached and mounted, so only root can. A socket that an ended
//! driver left is taken away; one that somebody serves, and whatever is no socket, is left alone.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Readable and writable for its owner.
const MODE: u32 = 0o600;

/// A bound socket; dropping it after its listener takes its file away, unless that is another's by now.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    inode: u64,
}

/// The path of `unix:///csi/csi.sock`, `unix:/csi/csi.sock` or `/csi/csi.sock`.
pub fn path(endpoint: &str) -> Result<PathBuf, Failure> {
    let path = endpoint.strip_prefix("unix://").or_else(|| endpoint.strip_prefix("unix:")).unwrap_or(endpoint);
    if path.starts_with('/') {
        return Ok(path.into());
    }
    let message = format_args!("the endpoint {endpoint:?} is no unix socket with an absolute path");
    Err(Failure::invalid(message, "Give one such as unix:///csi/csi.sock."))
}

/// Binds the socket. The process's umask has to keep others out already ([`crate::server::keep_others_out`]): between binding
/// and setting a mode anybody could connect.
pub fn bind(path: &Path) -> Result<(UnixListener, Socket), Failure> {
    let failed = |what: &str, error: &std::io::Error| {
        Failure::internal(
            format_args!("{what} {} failed: {error}", path.display()),
            "Look at its directory, which has to be there and to be root's.",
        )
    };
    clear(path)?;
    let listener = UnixListener::bind(path).map_err(|error| failed("making the socket", &error))?;
    fs::set_permissions(path, fs::Permissions::from_mode(MODE))
        .map_err(|error| failed("closing the socket to others at", &error))?;
    listener.set_nonblocking(true).map_err(|error| failed("preparing the socket", &error))?;
    let inode = fs::symlink_metadata(path).map_err(|error| failed("looking at the socket", &error))?.ino();
    Ok((listener, Socket { path: path.to_owned(), inode }))
}

fn clear(path: &Path) -> Result<(), Failure> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found.map_err(|error| Failure::internal(format_args!("{}: {error}", path.display()), ""))?,
    };
    if !found.file_type().is_socket() {
        let message = format_args!("{} is there and is no socket", path.display());
        return Err(Failure::invalid(message, "Choose another endpoint, or move it away."));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            let message = format_args!("whether {} is served can't be told: {error}", path.display());
            return Err(Failure::internal(message, "Is the driver started as root?"));
        }
        Ok(_) => {
            let message = format_args!("{} is served by somebody else", path.display());
            return Err(Failure::wrong_state(message, "End the other driver, or choose another endpoint."));
        }
    }
    tracing::info!(path = %path.display(), "a socket that nobody serves is removed");
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Failure::internal(format_args!("removing {} failed: {error}", path.display()), ""))
        }
        _ => Ok(()),
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let is_same = fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode);
        // A file's number may be another's as soon as the file is gone.
        let is_served =
            || !UnixStream::connect(&self.path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
        if is_same && !is_served() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Kind;

    #[test]
    fn endpoints() {
        for text in ["unix:///csi/csi.sock", "unix:/csi/csi.sock", "/csi/csi.sock"] {
            assert_eq!(path(text).unwrap(), Path::new("/csi/csi.sock"));
        }
        for wrong in ["tcp://127.0.0.1:1", "unix://csi.sock", ""] {
            assert!(path(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_its_owner_can_open_it_and_a_left_one_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("csi.sock");
        let (listener, socket) = bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert_eq!(bind(&path).unwrap_err().kind, Kind::WrongState, "it is served");
        // As after a kill: the file is left, nobody listens.
        drop(listener);
        let (listener, replaced) = bind(&path).unwrap();
        drop(socket);
        assert!(path.exists(), "it is another's by now");
        drop(listener);
        drop(replaced);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_socket_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("csi.sock");
        fs::write(&path, "precious").unwrap();
        assert_eq!(bind(&path).unwrap_err().kind, Kind::Invalid);
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(bind(&link).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}
