//! The process that is killed: this test binary, asked for the one test that runs a scenario.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;

use aurochs_engine::crash_point::{CRASH_AT, CRASH_LIST};
use tempfile::TempDir;

use crate::steps::Runner;
use crate::{Scenario, model, scenario};

const SCENARIO: &str = "AUROCHS_CRASH_SCENARIO";
const PLACE: &str = "AUROCHS_CRASH_PLACE";

/// Where one run of a scenario happens.
pub(crate) struct Place {
    root: TempDir,
    /// For messages.
    pub(crate) what: String,
}

impl Place {
    pub(crate) fn new(what: &str) -> Self {
        // On a disk: `/tmp` may be memory without extents.
        Self { root: tempfile::Builder::new().prefix("aur-").tempdir_in("/var/tmp").unwrap(), what: what.to_owned() }
    }

    pub(crate) fn replica(&self) -> PathBuf {
        self.root.path().join("replica")
    }

    fn log(&self) -> PathBuf {
        self.root.path().join("log")
    }

    /// How many steps were acknowledged, and whether the next one had begun.
    pub(crate) fn progress(&self) -> (usize, bool) {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let count = |word: &str| log.lines().filter(|line| line.starts_with(word)).count();
        let (begun, done) = (count("begin"), count("done"));
        (done, begun > done)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Killed,
    WithSuccess,
    Otherwise(String),
}

/// Runs the scenario in a child.
pub(crate) fn run(scenario: &Scenario, place: &Place, crash_at: Option<&str>) -> Ended {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "child::child", "--nocapture"]);
    command.env(SCENARIO, scenario.name).env(PLACE, place.root.path());
    match crash_at {
        Some(point) => command.env(CRASH_AT, point),
        None => command.env(CRASH_LIST, place.root.path().join("points")),
    };
    let output = command.output().unwrap();
    match output.status.signal() {
        Some(9) => Ended::Killed,
        _ if output.status.success() => Ended::WithSuccess,
        _ => Ended::Otherwise(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Runs the scenario to its end, checks that, and returns the crash points it reached, in order.
pub(crate) fn list_points(scenario: &Scenario) -> Vec<String> {
    let place = Place::new(scenario.name);
    assert_eq!(run(scenario, &place, None), Ended::WithSuccess, "{}", scenario.name);
    assert_eq!(place.progress(), (scenario.steps.len(), false), "{} ran", scenario.name);
    model::check_at_end(scenario, &place);
    let listed = fs::read_to_string(place.root.path().join("points")).unwrap();
    listed.lines().map(str::to_owned).collect()
}

/// The child's whole life. Does nothing when it is run as a test.
#[test]
#[ignore = "started by the other tests"]
fn child() {
    use std::io::Write;

    let (Ok(name), Some(root)) = (std::env::var(SCENARIO), std::env::var_os(PLACE)) else {
        return;
    };
    let scenario = scenario(&name);
    let root = PathBuf::from(root);
    // What a process wrote survives its death, so the log needs no sync.
    let mut log = fs::File::options().create(true).append(true).open(root.join("log")).unwrap();
    let mut runner = Runner::new(root.join("replica"), scenario.revision_counter);
    for (index, step) in scenario.steps.iter().enumerate() {
        log.write_all(format!("begin {index}\n").as_bytes()).unwrap();
        runner.perform(step);
        log.write_all(format!("done {index}\n").as_bytes()).unwrap();
    }
}
