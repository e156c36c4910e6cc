//! Where an installation of the tests lives. Nothing is left of it, also not when the tests are killed: a program beside them
//! cleans up once they are gone.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test fixture fails by panicking, and says why")]

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;

/// Not below /tmp: it may be a tmpfs, which has no direct I/O; short, for the sockets' paths.
const PARENT: &str = "/var/tmp";
/// Not that of the engine's tests (`aur-<id in hexadecimal>-…`): a directory of a running one would be taken for one of a process
/// that is gone.
const PREFIX: &str = "aui-";

/// A directory of an installation whose manager has `data` of it.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    cleaner: Child,
}

#[expect(clippy::missing_panics_doc, reason = "a test fixture fails by panicking")]
impl Place {
    /// A new one, empty but for `data`. `aurochs`: the program that stops the engines. Also cleans up what is left of killed
    /// tests whose cleaner was killed too, or whose machine ended.
    #[must_use]
    pub fn new(aurochs: &Path) -> Self {
        static SWEPT: Once = Once::new();
        SWEPT.call_once(|| sweep(aurochs));
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let path = tempfile::Builder::new().prefix(&prefix).tempdir_in(PARENT).unwrap().keep();
        fs::create_dir(path.join("data")).unwrap();
        Self { cleaner: cleaner(&path, aurochs), path }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Of the manager.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// The files stay, for whoever looks into a failure.
    pub fn keep_files(&self) {
        fs::write(self.path.join("keep"), "").unwrap();
    }

    /// Stops what runs here and removes everything. Whether nothing is left.
    pub fn clean_up(&mut self) -> bool {
        wait_for(&mut self.cleaner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let clean = self.clean_up();
        assert!(clean || std::thread::panicking(), "something of the test in {} is left", self.path.display());
    }
}

fn cleaner(path: &Path, aurochs: &Path) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", include_str!("clean_up.sh")]).env("DIRECTORY", path).env("AUROCHS", aurochs);
    // What is sent to the tests' terminal does not reach it.
    command.stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
    command.spawn().unwrap()
}

/// It begins when nobody holds its input open any more.
fn wait_for(cleaner: &mut Child) -> bool {
    drop(cleaner.stdin.take());
    cleaner.wait().is_ok_and(|status| status.success())
}

fn sweep(aurochs: &Path) {
    for entry in fs::read_dir(PARENT).unwrap().flatten() {
        let name = entry.file_name();
        let of = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once('-'));
        let Some(Ok(process)) = of.map(|(process, _)| process.parse::<u32>()) else { continue };
        if !Path::new("/proc").join(process.to_string()).exists() {
            eprintln!("cleaning up {}, whose test was killed", entry.path().display());
            wait_for(&mut cleaner(&entry.path(), aurochs));
        }
    }
}
