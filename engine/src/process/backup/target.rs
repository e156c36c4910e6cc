//! What every command needs to get at a target.

use std::path::{Path, PathBuf};

use clap::Args;

use super::super::ProgramError;
use super::super::terminal::{self, Progress as Line};
use crate::backup::{BackupError, BackupUrl, Credentials, Progress, Store, Target};

/// Largest file of credentials that is read, in bytes: certificates are the longest.
const LARGEST_FILE: u64 = 1 << 20;

#[derive(Debug, Args)]
pub(super) struct TargetArguments {
    /// URL of the target, with ?volume=… and ?backup=… where they are needed.
    pub(super) url: BackupUrl,
    /// File with lines NAME=VALUE, instead of the environment. Keep it readable to yourself alone.
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
}

impl TargetArguments {
    pub(super) async fn open(&self) -> Result<Store, ProgramError> {
        let credentials = match &self.credentials {
            Some(file) => read_credentials(file)?,
            None => Credentials::from_environment(),
        };
        let target = Target { url: self.url.target.clone(), credentials };
        Ok(Store::open(&target).await.map_err(BackupError::from)?)
    }

    pub(super) fn volume(&self) -> Result<&str, ProgramError> {
        let missing = || ProgramError::Usage(format!("{} names no volume; put ?volume=<name> behind it", self.url));
        self.url.volume.as_deref().ok_or_else(missing)
    }

    /// Volume and backup.
    pub(super) fn backup(&self) -> Result<(&str, &str), ProgramError> {
        let missing = || {
            ProgramError::Usage(format!(
                "{} names no backup; put ?backup=<name>&volume=<name> behind the target, and quotes around all of it",
                self.url
            ))
        };
        Ok((self.volume()?, self.url.backup.as_deref().ok_or_else(missing)?))
    }
}

/// Lines `NAME=VALUE`; empty ones and those that begin with `#` do not count. In a value, `\n` is a new line, for
/// certificates.
pub(in super::super) fn read_credentials(file: &Path) -> Result<Credentials, ProgramError> {
    let io = |source| ProgramError::Io { what: format!("read the credentials in {}", file.display()), source };
    let facts = std::fs::metadata(file).map_err(io)?;
    if facts.len() > LARGEST_FILE {
        return Err(ProgramError::Usage(format!("{} is too long for a file of credentials", file.display())));
    }
    if std::os::unix::fs::MetadataExt::mode(&facts) & 0o077 != 0 {
        terminal::tell(&format!("warning: others can read {}; run: chmod 600 {0}", file.display()));
    }
    parse_credentials(&std::fs::read_to_string(file).map_err(io)?)
        .map_err(|line| ProgramError::Usage(format!("line {line} of {} is not NAME=VALUE", file.display())))
}

/// The number of the line that is wrong: its text may be a secret.
fn parse_credentials(text: &str) -> Result<Credentials, usize> {
    let mut values = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').ok_or(number + 1)?;
        values.push((name.trim().to_owned(), value.trim().replace("\\n", "\n")));
    }
    Ok(Credentials::new(values))
}

/// Shows the progress of `work` until it ends.
pub(super) async fn with_progress<T>(what: &'static str, progress: &Progress, work: impl Future<Output = T>) -> T {
    let mut line = Line::new(what);
    let mut changes = progress.watch();
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            outcome = &mut work => return outcome,
            _ = changes.changed() => {
                let amounts = *changes.borrow_and_update();
                line.at(amounts.done, amounts.planned);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_a_file() {
        let text = "# of the test\n\nAWS_ACCESS_KEY_ID = key\nAWS_SECRET_ACCESS_KEY=a=b\nAWS_CERT=one\\ntwo\n";
        let credentials = parse_credentials(text).unwrap();
        assert_eq!(credentials.get("AWS_ACCESS_KEY_ID"), Some("key"));
        assert_eq!(credentials.get("AWS_SECRET_ACCESS_KEY"), Some("a=b"));
        assert_eq!(credentials.get("AWS_CERT"), Some("one\ntwo"));
        assert_eq!(parse_credentials("AWS_CERT=x\nsecret").err(), Some(2));
    }
}
