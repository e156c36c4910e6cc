//! What a failed test leaves to look at.

use std::path::{Path, PathBuf};

/// The guest prints what is here after a failure.
const KEPT: &str = "/var/tmp/kept";

/// Keeps the logs of engines and replicas if the test fails; made after the node, to be dropped before it.
pub(crate) struct Evidence {
    logs: PathBuf,
}

impl Evidence {
    /// `root` is the node's.
    pub(crate) fn of(root: &Path) -> Self {
        Self { logs: root.join("data/logs") }
    }
}

impl Drop for Evidence {
    fn drop(&mut self) {
        if !std::thread::panicking() || std::fs::create_dir_all(KEPT).is_err() {
            return;
        }
        for log in std::fs::read_dir(&self.logs).into_iter().flatten().flatten() {
            let _ = std::fs::copy(log.path(), Path::new(KEPT).join(log.file_name()));
        }
    }
}
