//! The commands for people, as the binary itself runs them: on directories that Longhorn made, on damaged ones, and
//! on a volume without a cluster.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod damaged;
mod directory;
mod golden;
#[path = "../golden_archive/mod.rs"]
mod golden_archive;
mod in_use;
mod launch;
#[path = "../scratch/mod.rs"]
mod scratch;

use std::path::Path;
use std::process::Command;

/// What a command printed, and how it ended.
struct Outcome {
    code: i32,
    stdout: String,
    stderr: String,
}

fn binary() -> Command {
    Command::new(env!("CARGO_BIN_EXE_aurochs-engine"))
}

fn run(arguments: &[&str]) -> Outcome {
    let output = binary().args(arguments).output().unwrap();
    Outcome {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn inspect(dir: &Path) -> serde_json::Value {
    let outcome = run(&["inspect", "--json", text(dir)]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    serde_json::from_str(&outcome.stdout).unwrap()
}

/// The kinds of all findings of a severity, with the files they are about.
fn findings(description: &serde_json::Value, severity: &str) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let findings = description["findings"].as_array().unwrap().iter();
    let wanted = findings.filter(|finding| finding["severity"] == severity);
    wanted.map(|finding| (text(&finding["kind"]), text(&finding["file"]))).collect()
}
