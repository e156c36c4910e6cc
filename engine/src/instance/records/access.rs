//! How an instance manager reaches the API server of its cluster: a file that the manager of its machine writes for it, since an
//! environment or a command line would show what is in it.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What has to be known of an API server. Its secrets are in no log.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Access {
    /// `https://host:port`, with a path where it is behind one.
    pub url: String,
    pub namespace: String,
    /// Certificates of who vouches for it, PEM; those of the system when it is empty.
    pub authority: String,
    pub token: String,
    /// The same, where others renew it: a pod's token lasts an hour.
    pub token_file: Option<PathBuf>,
    /// Certificate and key, PEM, instead of a token.
    pub certificate: String,
    pub key: String,
}

impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = formatter.debug_struct("Access");
        said.field("url", &self.url).field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// What changes when a file is replaced.
pub(super) type Stamp = (u64, u64, i64, i64);

pub(super) fn stamp(path: &Path) -> io::Result<Stamp> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.ino(), metadata.size(), metadata.ctime(), metadata.ctime_nsec()))
}

impl Access {
    /// Reads a file that nobody else may read.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let mode = fs::metadata(path)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let message = format!("others may read it (mode {mode:o}); the manager writes it anew when it starts");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }

    /// What proves who asks; empty where the certificate does.
    pub(super) fn bearer(&self) -> io::Result<String> {
        match &self.token_file {
            Some(path) => Ok(fs::read_to_string(path)?.trim().to_owned()),
            None => Ok(self.token.clone()),
        }
    }
}
