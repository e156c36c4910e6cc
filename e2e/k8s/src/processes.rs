//! Programs on the node, in whatever container: all of them are processes of the cluster's own namespace.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

/// A killed process is gone within a moment.
const GONE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);

/// The processes of a program, by its name without directories.
#[must_use]
pub fn of(program: &str) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| name(*id).is_some_and(|name| name == program)).collect()
}

/// The processes of a program that was called with these words first, its own name among them.
#[must_use]
pub fn called(words: &[&str]) -> Vec<u32> {
    let [program, first @ ..] = words else { return Vec::new() };
    let is_called = |id: &u32| {
        let said = arguments(*id).unwrap_or_default();
        said.len() >= words.len() && first.iter().zip(&said[1..]).all(|(word, said)| word == said)
    };
    of(program).into_iter().filter(is_called).collect()
}

fn arguments(id: u32) -> Option<Vec<String>> {
    let line = fs::read(format!("/proc/{id}/cmdline")).ok()?;
    Some(line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect())
}

fn name(id: u32) -> Option<String> {
    Some(arguments(id)?.first()?.rsplit('/').next()?.to_owned())
}

/// Kills a process without warning, and returns when it runs no more.
///
/// # Panics
/// When it does not end.
pub fn kill(id: u32) {
    // It may have ended by itself.
    let _ = Command::new("kill").args(["-KILL", &id.to_string()]).status();
    let deadline = Instant::now() + GONE;
    while is_running(id) {
        assert!(Instant::now() < deadline, "process {id} does not end");
        std::thread::sleep(LOOK);
    }
}

fn is_running(id: u32) -> bool {
    let Ok(line) = fs::read_to_string(format!("/proc/{id}/stat")) else { return false };
    // Behind the name, which may hold anything. Threads of it may end later than the one that it began with, and have its files.
    let has_ended = line.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'));
    !has_ended || fs::read_dir(format!("/proc/{id}/task")).is_ok_and(|threads| threads.count() > 1)
}

/// What a process has in memory, in MiB.
#[must_use]
pub fn memory(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kibibytes| kibibytes.parse::<u64>().ok()).unwrap_or_default() / 1024
}
