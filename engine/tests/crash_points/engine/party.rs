//! A replica as its process, with the real binary.

use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aurochs_engine::crash_point::{CRASH_AT, CRASH_LIST};
use aurochs_engine::replica::OpenOptions;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::script::{VOLUME, socket};
use super::{REPLICAS, SIZE};
use crate::child::Place;
use crate::model::{Content, look};
use crate::steps::Runner;

/// Longest wait for a process that starts or is being killed.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Party {
    process: Child,
}

fn directory(place: &Place, index: usize) -> PathBuf {
    place.root().join(REPLICAS[index])
}

fn points_file(place: &Place, index: usize) -> PathBuf {
    place.root().join(format!("{}.points", REPLICAS[index]))
}

impl Party {
    /// Starts it and waits for its socket, unless it is to be killed before it has one.
    pub(super) fn start(place: &Place, index: usize, crash_at: Option<&str>) -> Self {
        let name = REPLICAS[index];
        let socket = socket(&place.root(), name);
        let _ = std::fs::remove_file(&socket);
        let mut command = Command::new(env!("CARGO_BIN_EXE_aurochs-engine"));
        command.args(["replica", "--volume", VOLUME, "--name", name, "--size", &SIZE.to_string()]);
        command.arg("--directory").arg(directory(place, index));
        command.arg("--listen").arg(format!("unix:{}", socket.display()));
        match crash_at {
            Some(point) => command.env(CRASH_AT, point),
            None => command.env(CRASH_LIST, points_file(place, index)),
        };
        let log = File::create(place.root().join(format!("{name}.log"))).unwrap();
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let deadline = Instant::now() + PATIENCE;
        // The socket is there a moment before anybody can connect to it.
        while UnixStream::connect(&socket).is_err() && process.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "{}: {name} does not listen", place.what);
            std::thread::sleep(Duration::from_millis(2));
        }
        Self { process }
    }

    /// Waits for the end that it was told to come to; false when that does not come.
    pub(super) fn ends_by_itself(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        // Its sockets close, and its engine sees that, before it is gone.
        while Instant::now() < deadline {
            if self.process.try_wait().unwrap().is_some() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        false
    }

    /// Ends it as a node does.
    pub(super) fn stop(&mut self) {
        kill(Pid::from_raw(self.process.id() as i32), Signal::SIGTERM).unwrap();
        let status = self.process.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(super) fn listed_points(place: &Place, index: usize) -> Vec<String> {
    let text = std::fs::read_to_string(points_file(place, index)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// What the directory shows without any engine.
pub(super) fn content_on_disk(place: &Place, index: usize) -> Content {
    let mut runner = Runner::new(directory(place, index), OpenOptions::default().revision_counter);
    let view = look(runner.open());
    assert!(!view.dirty, "{}: {} was closed", place.what, REPLICAS[index]);
    runner.close();
    crate::model::check_files(&runner.dir, false, &place.what);
    view.content.unwrap()
}
