//! What targets ask for and nobody may read: keys and passwords, in a file beside the database.
//!
//! The file is JSON: the name of a secret, and below it what a Kubernetes Secret of Longhorn has, as plain text:
//! ```json
//! {"offsite": {"AWS_ACCESS_KEY_ID": "…", "AWS_SECRET_ACCESS_KEY": "…", "AWS_ENDPOINTS": "https://s3.example.org"}}
//! ```
//! A person may write it; it is read again when it has changed. It is used only while nobody but its owner can read it.
//!
//! In a cluster the file is a copy of Secrets ([`crate::cluster::credentials`]), and is changed by changing these.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use aurochs_engine::backup::target::CREDENTIAL_NAMES;

use super::Fault;
use crate::private_file;

/// Name of the file in the manager's directory.
pub const FILE: &str = "backup-credentials";

/// A certificate chain is the largest of what is kept.
const VALUE_BYTES_MAXIMUM: usize = 64 * 1024;

/// What a secret holds.
pub type Secret = BTreeMap<String, String>;

/// The file and what it says. The default has no file, and keeps nothing.
#[derive(Default)]
pub struct Credentials {
    path: Option<PathBuf>,
    known: Mutex<Known>,
    /// The namespace of the Secrets that the file is a copy of, where it is one.
    copied_from: OnceLock<String>,
}

#[derive(Default)]
struct Known {
    /// What tells the file that was read from a later one.
    seen: Option<Seen>,
    secrets: BTreeMap<String, Secret>,
}

type Seen = (u64, i64, i64, u64);

/// Tells no more than where it is.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Credentials").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Credentials {
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { path: Some(path), ..Self::default() }
    }

    /// What is kept under this name.
    pub fn of(&self, secret: &str) -> Result<Secret, Fault> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh(&mut known)?;
        known.secrets.get(secret).cloned().ok_or_else(|| {
            if let Some(namespace) = self.copied_from.get() {
                return Fault::credentials(
                    format!("there is no Secret named {secret:?} with credentials in the namespace {namespace}"),
                    "Make it with kubectl; an empty credentialSecret needs none.",
                );
            }
            let place = self.path.as_deref().map_or_else(|| FILE.to_owned(), |path| path.display().to_string());
            Fault::credentials(
                format!("there is no secret named {secret:?} in {place}"),
                "Give the target its credentials, or write them into that file; an empty credentialSecret needs none.",
            )
        })
    }

    /// Keeps it, and nothing else under this name.
    pub fn set(&self, name: &str, secret: &Secret) -> Result<(), Fault> {
        self.check_own(name)?;
        self.change(|all| drop(all.insert(name.to_owned(), secret.clone())))
    }

    pub fn remove(&self, name: &str) -> Result<(), Fault> {
        self.check_own(name)?;
        self.change(|all| drop(all.remove(name)))
    }

    /// Nothing of ours needs it any more. What is a copy goes when the Secret does.
    pub fn let_go(&self, name: &str) -> Result<(), Fault> {
        if self.copied_from.get().is_some() { Ok(()) } else { self.remove(name) }
    }

    /// From now on this is a copy of the Secrets of a namespace. Said once.
    pub fn copy_from(&self, namespace: &str) {
        self.copied_from.get_or_init(|| namespace.to_owned());
    }

    /// What these Secrets are now; nothing else is kept.
    pub fn take(&self, secrets: &BTreeMap<String, Secret>) -> Result<(), Fault> {
        self.change(|all| all.clone_from(secrets))
    }

    fn check_own(&self, name: &str) -> Result<(), Fault> {
        let Some(namespace) = self.copied_from.get() else { return Ok(()) };
        Err(Fault::credentials(
            format!("credentials are Secrets of the namespace {namespace} here, and are not kept by the manager"),
            &format!("Write them into the Secret {name} with kubectl, and name it as the target's credentialSecret."),
        ))
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Secret>)) -> Result<(), Fault> {
        let Some(path) = &self.path else {
            return Err(Fault::credentials("this manager keeps no credentials".to_owned(), "Ask another manager."));
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh(&mut known)?;
        let mut next = known.secrets.clone();
        change(&mut next);
        if next == known.secrets {
            return Ok(());
        }
        let text = serde_json::to_string_pretty(&next).map_err(io::Error::other);
        text.and_then(|text| private_file::write(path, &text, None)).map_err(|error| unusable(path, &error))?;
        known.secrets = next;
        known.seen = std::fs::metadata(path).ok().map(|facts| seen(&facts));
        Ok(())
    }

    fn refresh(&self, known: &mut Known) -> Result<(), Fault> {
        let Some(path) = &self.path else { return Ok(()) };
        let facts = match std::fs::metadata(path) {
            Ok(facts) => facts,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                *known = Known::default();
                return Ok(());
            }
            Err(error) => return Err(unusable(path, &error)),
        };
        if facts.mode() & 0o077 != 0 {
            let message = format!("others can read or write {}, which holds credentials", path.display());
            return Err(Fault::credentials(
                message,
                "Run chmod 600 on it; change the credentials if others read them.",
            ));
        }
        if known.seen == Some(seen(&facts)) {
            return Ok(());
        }
        let text = std::fs::read_to_string(path).map_err(|error| unusable(path, &error))?;
        // The reader's own words would quote what stands there.
        let read = serde_json::from_str(&text).map_err(|error| {
            let place = format!("line {} column {}", error.line(), error.column());
            unusable(path, &io::Error::other(format!("no JSON object of objects of texts: {place}")))
        })?;
        *known = Known { seen: Some(seen(&facts)), secrets: read };
        Ok(())
    }
}

fn seen(facts: &std::fs::Metadata) -> Seen {
    (facts.ino(), facts.mtime(), facts.mtime_nsec(), facts.len())
}

fn unusable(path: &Path, error: &io::Error) -> Fault {
    let message = format!("the file with the credentials of backup targets {} can't be used: {error}", path.display());
    Fault::credentials(message, "Correct the file, or move it aside and give the credentials again.")
}

/// What is wrong with credentials that somebody gives.
pub fn check(secret: &Secret) -> Result<(), String> {
    if let Some(unknown) = secret.keys().find(|name| !CREDENTIAL_NAMES.contains(&name.as_str())) {
        return Err(format!("{unknown:?} is none of {}", CREDENTIAL_NAMES.join(", ")));
    }
    match secret.iter().find(|(_, value)| value.len() > VALUE_BYTES_MAXIMUM) {
        Some((name, _)) => Err(format!("the value of {name} is larger than {} KiB", VALUE_BYTES_MAXIMUM >> 10)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn secret(value: &str) -> Secret {
        [("AWS_SECRET_ACCESS_KEY".to_owned(), value.to_owned())].into()
    }

    #[test]
    fn what_is_kept_is_found_by_the_next_manager_and_read_by_nobody_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        let credentials = Credentials::at(path.clone());
        assert!(credentials.of("offsite").unwrap_err().message.contains("offsite"));
        credentials.set("offsite", &secret("hunter2-planted")).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let next = Credentials::at(path.clone());
        assert_eq!(next.of("offsite").unwrap(), secret("hunter2-planted"));
        assert!(!format!("{next:?}").contains("planted"));
        credentials.set("offsite", &secret("another")).unwrap();
        assert_eq!(next.of("offsite").unwrap(), secret("another"), "it is read again when it has changed");
        credentials.remove("offsite").unwrap();
        assert!(next.of("offsite").is_err());
    }

    #[test]
    fn a_file_that_others_can_read_or_that_is_no_json_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        std::fs::write(&path, r#"{"a": {"AWS_SECRET_ACCESS_KEY": "hunter2-planted"}}"#).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let credentials = Credentials::at(path.clone());
        assert!(credentials.of("a").unwrap_err().next_step.contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(credentials.of("a").unwrap(), secret("hunter2-planted"));
        std::fs::write(&path, r#"{"a": {"AWS_SECRET_ACCESS_KEY": hunter2-planted}}"#).unwrap();
        let refused = credentials.of("a").unwrap_err();
        assert!(refused.message.contains("line 1") && !refused.message.contains("planted"), "{}", refused.message);
        assert!(credentials.set("b", &secret("x")).is_err(), "what can't be read is not overwritten");
    }

    #[test]
    fn a_copy_is_changed_by_nobody_else() {
        let directory = tempfile::tempdir().unwrap();
        let credentials = Credentials::at(directory.path().join(FILE));
        credentials.set("of-before", &secret("x")).unwrap();
        credentials.copy_from("storage");
        for refused in [credentials.set("a", &secret("x")), credentials.remove("of-before")] {
            assert!(refused.unwrap_err().message.contains("namespace storage"));
        }
        credentials.take(&[("a".to_owned(), secret("y"))].into()).unwrap();
        credentials.let_go("a").unwrap();
        assert_eq!(credentials.of("a").unwrap(), secret("y"));
        assert!(credentials.of("of-before").unwrap_err().message.contains("no Secret named"));
    }

    #[test]
    fn names_that_nobody_knows_are_mistakes() {
        check(&secret("x")).unwrap();
        assert!(
            check(&[("AWS_ACCESS_KEY".to_owned(), String::new())].into()).unwrap_err().contains("AWS_ACCESS_KEY_ID")
        );
        assert!(check(&secret(&"x".repeat(VALUE_BYTES_MAXIMUM + 1))).is_err());
    }
}
