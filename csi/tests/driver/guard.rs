//! Nothing is left of an installation, also not when the tests are killed: a program beside them cleans up once they are gone.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;

/// Not below /tmp: it may be a tmpfs, which has no direct I/O; short, for the sockets' paths.
const PLACE: &str = "/var/tmp";
const PREFIX: &str = "csi-";

pub(crate) struct Guard(Child);

/// A directory of this process.
pub(crate) fn directory(aurochs: &Path) -> PathBuf {
    static SWEPT: Once = Once::new();
    SWEPT.call_once(|| sweep(aurochs));
    let prefix = format!("{PREFIX}{}-", std::process::id());
    tempfile::Builder::new().prefix(&prefix).tempdir_in(PLACE).unwrap().keep()
}

/// What is left where the guard was killed too, or the machine ended.
fn sweep(aurochs: &Path) {
    for entry in fs::read_dir(PLACE).unwrap().flatten() {
        let name = entry.file_name();
        let of = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once('-'));
        let Some(Ok(process)) = of.map(|(process, _)| process.parse::<u32>()) else { continue };
        if !Path::new("/proc").join(process.to_string()).exists() {
            eprintln!("cleaning up {}, whose test was killed", entry.path().display());
            Guard::new(&entry.path(), aurochs).end();
        }
    }
}

impl Guard {
    pub(crate) fn new(directory: &Path, aurochs: &Path) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", include_str!("guard.sh")]).env("DIRECTORY", directory).env("AUROCHS", aurochs);
        // What is sent to the tests' terminal does not reach it.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
        Self(command.spawn().unwrap())
    }

    /// Whether nothing is left.
    pub(crate) fn end(&mut self) -> bool {
        drop(self.0.stdin.take());
        self.0.wait().is_ok_and(|status| status.success())
    }
}
