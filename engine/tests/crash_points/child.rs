//! The process that is killed: this test binary, asked for the one test that runs a scenario.

use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
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
        Self { root: crate::parties::scratch::directory(), what: what.to_owned() }
    }

    pub(crate) fn replica(&self) -> PathBuf {
        self.root.path().join("replica")
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.root.path().to_owned()
    }

    /// Moves the replicas that a run left below `target` to where parties can go on with them; how many there were.
    pub(crate) fn take_over(&self, copies: usize) -> (TempDir, usize) {
        let root = directory(self.root.path(), "again");
        let replicas = (0..copies).map(|copy| format!("{}-r-{copy}", crate::parties::VOLUME));
        let left = replicas.filter(|replica| {
            let left = self.root.path().join("target").join(replica);
            left.exists() && {
                fs::rename(left, root.path().join(replica)).unwrap();
                true
            }
        });
        let count = left.count();
        (root, count)
    }

    fn points(&self) -> PathBuf {
        self.root.path().join("points")
    }

    /// Crash points that a child reached, in order.
    pub(crate) fn listed_points(&self) -> Vec<String> {
        fs::read_to_string(self.points()).unwrap().lines().map(str::to_owned).collect()
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

/// Runs a test of this binary in a child, at this place.
pub(crate) fn run(test: &str, scenario: &str, place: &Place, crash_at: Option<&str>) -> Ended {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", test, "--nocapture"]);
    command.env(SCENARIO, scenario).env(PLACE, place.root.path());
    match crash_at {
        Some(point) => command.env(CRASH_AT, point),
        None => command.env(CRASH_LIST, place.points()),
    };
    let output = command.output().unwrap();
    match output.status.signal() {
        Some(9) => Ended::Killed,
        _ if output.status.success() => Ended::WithSuccess,
        _ => Ended::Otherwise(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

pub(crate) fn run_scenario(scenario: &Scenario, place: &Place, crash_at: Option<&str>) -> Ended {
    run("child::child", scenario.name, place, crash_at)
}

/// Runs the scenario to its end, checks that, and returns the crash points it reached, in order.
pub(crate) fn list_points(scenario: &Scenario) -> Vec<String> {
    let place = Place::new(scenario.name);
    assert_eq!(run_scenario(scenario, &place, None), Ended::WithSuccess, "{}", scenario.name);
    assert_eq!(place.progress(), (scenario.steps.len(), false), "{} ran", scenario.name);
    model::check_at_end(scenario, &place);
    place.listed_points()
}

/// The same for a run that is no scenario of steps.
pub(crate) fn list_points_of(what: &str, run: fn(&Place, Option<&str>) -> Ended, check: fn(&Place)) -> Vec<String> {
    let place = Place::new(what);
    assert_eq!(run(&place, None), Ended::WithSuccess);
    check(&place);
    place.listed_points()
}

/// A directory of exactly this name below the place of a run.
pub(crate) fn directory(place: &Path, name: &str) -> TempDir {
    tempfile::Builder::new().prefix(name).rand_bytes(0).tempdir_in(place).unwrap()
}

/// What the parent reads after the end. A process's death takes nothing back that it wrote, so it needs no sync.
pub(crate) struct Log(fs::File);

impl Log {
    pub(crate) fn note(&mut self, line: &str) {
        self.0.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

/// Scenario, place and log of a child; `None` in a process that nobody started as one.
pub(crate) fn called() -> Option<(String, PathBuf, Log)> {
    let (name, root) = (std::env::var(SCENARIO).ok()?, PathBuf::from(std::env::var_os(PLACE)?));
    let log = fs::File::options().create(true).append(true).open(root.join("log")).unwrap();
    Some((name, root, Log(log)))
}

/// The child's whole life. Does nothing when it is run as a test.
#[test]
#[ignore = "started by the other tests"]
fn child() {
    let Some((name, root, mut log)) = called() else {
        return;
    };
    let scenario = scenario(&name);
    let mut runner = Runner::new(root.join("replica"), scenario.revision_counter);
    for (index, step) in scenario.steps.iter().enumerate() {
        log.note(&format!("begin {index}"));
        runner.perform(step);
        log.note(&format!("done {index}"));
    }
}
