//! Finding and killing the processes of an installation.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Ids of running `aurochs-engine` processes with all these words among their arguments.
#[must_use]
pub fn find(words: &[&str]) -> Vec<i32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_string_lossy().parse::<i32>().ok());
    ids.filter(|id| matches(*id, words)).collect()
}

fn matches(id: i32, words: &[&str]) -> bool {
    let line = fs::read(Path::new("/proc").join(id.to_string()).join("cmdline")).unwrap_or_default();
    let arguments: Vec<String> =
        line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into()).collect();
    arguments.first().is_some_and(|program| program.ends_with("aurochs-engine"))
        && words.iter().all(|word| arguments.iter().any(|argument| argument == word))
}

/// SIGKILL to the one process with these arguments.
#[expect(clippy::missing_panics_doc, reason = "a test fixture fails by panicking")]
pub fn kill_one(words: &[&str]) -> i32 {
    let found = find(words);
    assert_eq!(found.len(), 1, "processes with {words:?}: {found:?}");
    kill(Pid::from_raw(found[0]), Signal::SIGKILL).unwrap();
    found[0]
}
