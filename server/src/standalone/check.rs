//! `aurochs check`: the data plane's own check of this machine, asked about the disks of a data directory.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use super::Layout;

/// Runs `aurochs-engine check`, which prints and decides: it is what the nodes will run.
#[must_use]
pub fn run(data: Option<&Path>, engine_binary: Option<PathBuf>, json: bool) -> ExitCode {
    let binary = match super::engine_binary(engine_binary) {
        Ok(binary) => binary,
        Err(error) => return failed(&error.to_string()),
    };
    let mut command = Command::new(&binary);
    command.arg("check");
    if json {
        command.arg("--json");
    }
    for disk in data.map(disks).unwrap_or_default() {
        command.arg("--disk").arg(disk);
    }
    match command.status() {
        // A signal has no code.
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => failed(&format!("cannot run {}: {error}", binary.display())),
    }
}

/// The disks of an installation; before there is one, the place where it will be made.
fn disks(data: &Path) -> Vec<PathBuf> {
    let nodes = data.join(Layout::NODE_DIRECTORIES);
    let entries = std::fs::read_dir(&nodes).into_iter().flatten().flatten();
    let mut disks: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    disks.sort();
    if disks.is_empty() {
        let absolute = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
        disks.extend(absolute.ancestors().find(|path| path.exists()).map(Path::to_owned));
    }
    disks.into_iter().map(|disk| disk.canonicalize().unwrap_or(disk)).collect()
}

fn failed(why: &str) -> ExitCode {
    #[expect(clippy::print_stderr, reason = "the last word of a program goes to its standard error")]
    {
        eprintln!("error: {why}");
    }
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_directories_are_looked_at() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        assert_eq!(disks(&root.join("not/yet")), std::slice::from_ref(&root));
        let node = root.join("nodes/node-1");
        std::fs::create_dir_all(&node).unwrap();
        std::fs::write(root.join("nodes/file"), "").unwrap();
        assert_eq!(disks(&root), [node]);
    }
}
