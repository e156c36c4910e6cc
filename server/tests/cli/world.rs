//! An installation of its own, and commands that ask it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use aurochs_test_place::Place;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// Far more than anything takes; only what never comes true meets it.
const PATIENCE: Duration = Duration::from_secs(120);
const PROGRAM: &str = env!("CARGO_BIN_EXE_aurochs");

pub(crate) struct World {
    place: Place,
    manager: Child,
    /// What it says to a person, kept open for as long as it says something; none where nobody listens.
    _told: Option<BufReader<std::process::ChildStdout>>,
    pub(crate) server: String,
    pub(crate) password: String,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

fn engine_binary() -> PathBuf {
    let binary = Path::new(PROGRAM).with_file_name("aurochs-engine");
    assert!(binary.exists(), "{} is missing; run cargo build -p aurochs-engine", binary.display());
    binary
}

fn empty() -> Place {
    Place::new(Path::new(PROGRAM))
}

fn serve(data: &Path, nodes: u32, address: &str) -> Command {
    let mut serve = Command::new(PROGRAM);
    serve.args(["serve", "--address", address, "--data"]).arg(data);
    serve.arg("--nodes").arg(nodes.to_string()).arg("--engine-binary").arg(engine_binary());
    serve
}

impl World {
    pub(crate) fn start(nodes: u32) -> Self {
        Self::start_with(nodes, |_| {})
    }

    /// `change`: something about the manager's command.
    pub(crate) fn start_with(nodes: u32, change: impl FnOnce(&mut Command)) -> Self {
        let place = empty();
        let mut serve = serve(&place.data(), nodes, "127.0.0.1:0");
        change(&mut serve);
        let mut manager = serve.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut first = String::new();
        let mut told = BufReader::new(manager.stdout.take().unwrap());
        told.read_line(&mut first).unwrap();
        let server = first.trim().strip_prefix("Aurochs is at ").unwrap_or_default().to_owned();
        let password = std::fs::read_to_string(place.data().join("admin-password")).unwrap_or_default();
        assert!(!server.is_empty(), "the manager did not start: {first:?}");
        Self { place, manager, _told: Some(told), server, password: password.trim().to_owned() }.ready(nodes)
    }

    /// A manager whose output nobody reads: its pipes are closed before it says its first word.
    pub(crate) fn unheard() -> Self {
        let place = empty();
        // Freed for it; nobody is told which one it took otherwise.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut serve = serve(&place.data(), 1, &address);
        let mut manager = serve.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop((manager.stdout.take(), manager.stderr.take()));
        let server = format!("http://{address}");
        let mut world = Self { place, manager, _told: None, server, password: String::new() };
        let end = Instant::now() + PATIENCE;
        // Written before it says its first word.
        while world.password.is_empty() {
            let kept = std::fs::read_to_string(world.data().join("admin-password")).unwrap_or_default();
            kept.trim().clone_into(&mut world.password);
            assert!(!world.has_ended(), "the manager ended because nobody listened");
            assert!(Instant::now() < end, "the manager did not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        world.ready(1)
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.manager.try_wait().unwrap().is_some()
    }

    fn ready(self, nodes: u32) -> Self {
        let world = self;
        world.until("all nodes can be used", || {
            let all = world.json("node ls");
            let is_ready = |node: &Value| node["conditions"]["Ready"]["status"] == "True";
            all.as_array().unwrap().len() == nodes as usize && all.as_array().unwrap().iter().all(is_ready)
        });
        // The machine that runs the test may be nearly full; the volumes here are tiny.
        world.ok("setting set storage-minimal-available-percentage 0");
        world.ok("setting set storage-over-provisioning-percentage 10000");
        world.until("all nodes take replicas", || {
            let table = world.ok("node ls");
            (1..=nodes).all(|node| row(&table, &format!("node-{node}"))[1] == "schedulable")
        });
        world
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.place.data()
    }

    // === commands; words are what spaces divide ===

    /// The command with its environment, for tests that change something about it.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(line.split_whitespace()).stdin(Stdio::null());
        command.env("AUROCHS_SERVER", &self.server).env("AUROCHS_PASSWORD", &self.password);
        command
    }

    pub(crate) fn run(&self, line: &str) -> Said {
        said(self.command(line).output().unwrap())
    }

    /// What has to work; the output is returned.
    pub(crate) fn ok(&self, line: &str) -> String {
        let said = self.run(line);
        assert_eq!(said.code, 0, "{line}: {said:?}");
        said.out
    }

    pub(crate) fn json(&self, line: &str) -> Value {
        let out = self.ok(&format!("{line} -o json"));
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{line}: {error} in {out:?}"))
    }

    /// What has to fail with this code; the error is returned.
    pub(crate) fn fails(&self, code: i32, line: &str) -> String {
        let said = self.run(line);
        assert_eq!(said.code, code, "{line}: {said:?}");
        said.err
    }

    /// The same with somebody who types.
    pub(crate) fn typed(&self, line: &str, answer: &str) -> Said {
        let mut command = self.command(line);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
        said(child.wait_with_output().unwrap())
    }

    pub(crate) fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds() {
            assert!(Instant::now() < end, "waited in vain until {what}:\n{}", self.run("volume ls -o json").out);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A small volume that needs no rights of the machine.
    pub(crate) fn volume(&self, name: &str, more: &str) {
        self.ok(&format!("volume create {name} --size 64Mi --frontend nbd --wait {more}"));
    }
}

pub(crate) fn said(output: Output) -> Said {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.manager.id().try_into().unwrap()), Signal::SIGTERM);
        let _ = self.manager.wait();
    }
}

/// The cells of a table's row, which are divided by two spaces or more.
pub(crate) fn cells(row: &str) -> Vec<&str> {
    row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

/// The row that begins with this word.
pub(crate) fn row<'a>(table: &'a str, name: &str) -> Vec<&'a str> {
    let found = table.lines().map(cells).find(|cells| cells.first() == Some(&name));
    found.unwrap_or_else(|| panic!("no row {name} in\n{table}"))
}
