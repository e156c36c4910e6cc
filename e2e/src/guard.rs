//! Nothing is left of what a test started and wrote, also not when it is killed: a program beside it cleans up once it is gone.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Not below /tmp: it may be a tmpfs, which has no direct I/O; short, for the sockets' paths.
const PLACE: &str = "/var/tmp";

/// What belongs to a directory and lies elsewhere.
pub type Beside = fn(&Path) -> Vec<PathBuf>;

/// A directory for a test: when this ends, or the test's process, all processes that name it are killed, and it goes.
#[derive(Debug)]
pub struct Guard {
    directory: PathBuf,
    cleaner: Child,
}

#[expect(clippy::missing_panics_doc, reason = "a test fixture fails by panicking")]
impl Guard {
    /// Makes it. Those of the same kind whose guards were killed, too, or whose machine ended, go first.
    #[must_use]
    pub fn new(kind: &str, beside: Beside) -> Self {
        sweep(kind, beside);
        let prefix = format!("{kind}-{}-", std::process::id());
        let directory = tempfile::Builder::new().prefix(&prefix).tempdir_in(PLACE).unwrap().keep();
        Self::of(directory, beside)
    }

    fn of(directory: PathBuf, beside: Beside) -> Self {
        let places: Vec<String> = beside(&directory).iter().map(|place| place.display().to_string()).collect();
        let mut command = Command::new("sh");
        command.args(["-c", include_str!("guard.sh")]).env("DIRECTORY", &directory).env("PLACES", places.join(" "));
        // What is sent to the tests' terminal does not reach it.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
        Self { directory, cleaner: command.spawn().unwrap() }
    }

    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.cleaner.stdin.take());
        let is_clean = self.cleaner.wait().is_ok_and(|status| status.success());
        assert!(is_clean || std::thread::panicking(), "something is left of {}", self.directory.display());
    }
}

fn sweep(kind: &str, beside: Beside) {
    for entry in fs::read_dir(PLACE).unwrap().flatten() {
        let name = entry.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(kind)?.strip_prefix('-')?.split_once('-'));
        let Some(Ok(process)) = rest.map(|(process, _)| process.parse::<u32>()) else { continue };
        if !Path::new("/proc").join(process.to_string()).exists() {
            eprintln!("cleaning up {}, whose test was killed", entry.path().display());
            drop(Guard::of(entry.path(), beside));
        }
    }
}
