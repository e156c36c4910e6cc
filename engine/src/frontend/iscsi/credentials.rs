//! The file with the CHAP accounts of a target. It keeps secrets off the command line, which everybody can read.
//!
//! One `name = value` a line; lines that start with `#` are comments:
//! ```text
//! # What initiators log in with.
//! user = host
//! secret = at least 12 bytes
//! # Optional: what the target answers a mutual login with.
//! target-user = volume
//! target-secret = another secret
//! ```

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::chap::{ChapAccount, MIN_SECRET_BYTES};
use super::login::security::Chap;

/// A file of four short lines.
const MAX_FILE_BYTES: u64 = 16 << 10;

/// Why a file with CHAP accounts cannot be used. No message has a secret in it.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error("cannot read the CHAP accounts in {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} holds secrets and others may read it (mode {mode:04o}): chmod 600 it", path.display())]
    Open { path: PathBuf, mode: u32 },
    #[error("line {line} of {} is none of: user, secret, target-user, target-secret = value", path.display())]
    Line { path: PathBuf, line: usize },
    #[error("{} lacks {missing}", path.display())]
    Missing { path: PathBuf, missing: &'static str },
    #[error("{}: {which} has less than {MIN_SECRET_BYTES} bytes, which iSCSI demands of a secret", path.display())]
    ShortSecret { path: PathBuf, which: &'static str },
    #[error("{}: secret and target-secret are the same; then anybody could answer in the other's name", path.display())]
    SameSecrets { path: PathBuf },
}

impl Chap {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read, others can read it too, or it does not say what it has to.
    pub fn read(path: &Path) -> Result<Self, CredentialsError> {
        let failed = |source| CredentialsError::Read { path: path.to_owned(), source };
        let metadata = std::fs::metadata(path).map_err(failed)?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(CredentialsError::Open { path: path.to_owned(), mode });
        }
        if metadata.len() > MAX_FILE_BYTES {
            return Err(failed(io::Error::other("it is far too long")));
        }
        Self::parse(&std::fs::read_to_string(path).map_err(failed)?, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, CredentialsError> {
        let mut values = BTreeMap::new();
        for (index, line) in text.lines().map(str::trim).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = || CredentialsError::Line { path: path.to_owned(), line: index + 1 };
            let (name, value) = line.split_once('=').ok_or_else(wrong)?;
            let name = ["user", "secret", "target-user", "target-secret"]
                .into_iter()
                .find(|known| *known == name.trim())
                .ok_or_else(wrong)?;
            values.insert(name, value.trim().to_owned());
        }
        let missing = |missing| CredentialsError::Missing { path: path.to_owned(), missing };
        let mut take = |name: &'static str| values.remove(name).filter(|value| !value.is_empty()).ok_or(missing(name));
        let initiator = ChapAccount { name: take("user")?, secret: take("secret")? };
        let target = match (take("target-user"), take("target-secret")) {
            (Ok(name), Ok(secret)) => Some(ChapAccount { name, secret }),
            (Err(_), Err(_)) => None,
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => return Err(error),
        };
        Self { initiator, target }.checked(path)
    }

    fn checked(self, path: &Path) -> Result<Self, CredentialsError> {
        let secrets = [("secret", Some(&self.initiator)), ("target-secret", self.target.as_ref())];
        for (which, account) in secrets {
            if account.is_some_and(|account| account.secret.len() < MIN_SECRET_BYTES) {
                return Err(CredentialsError::ShortSecret { path: path.to_owned(), which });
            }
        }
        if self.target.as_ref().is_some_and(|target| target.secret == self.initiator.secret) {
            return Err(CredentialsError::SameSecrets { path: path.to_owned() });
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Chap, CredentialsError> {
        Chap::parse(text, Path::new("/f"))
    }

    #[test]
    fn one_way_and_mutual() {
        let one_way = parse("# who\nuser = host\n secret= correct horse # battery\n\n").unwrap();
        assert_eq!((one_way.initiator.name.as_str(), one_way.target), ("host", None));
        assert_eq!(one_way.initiator.secret, "correct horse # battery");
        let mutual = "user=host\nsecret=correct horse\ntarget-user=v\ntarget-secret=battery staple\n";
        assert_eq!(parse(mutual).unwrap().target.unwrap().name, "v");
    }

    #[test]
    fn what_is_wrong_is_named_without_the_secret() {
        for (text, expected) in [
            ("user=host\n", "lacks secret"),
            ("user=host\nsecret=short\n", "secret has less than 12 bytes"),
            ("user=host\nsecret=correct horse\ntarget-user=v\n", "lacks target-secret"),
            ("password=correct horse\n", "line 1 of"),
            ("user=h\nsecret=correct horse\ntarget-user=v\ntarget-secret=correct horse\n", "are the same"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
            assert!(!message.contains("horse"), "{message}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let path = directory.path().join("chap");
        std::fs::write(&path, "user=host\nsecret=correct horse\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Chap::read(&path), Err(CredentialsError::Open { mode: 0o640, .. })));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        Chap::read(&path).unwrap();
    }
}
