//! A volume with its engine in one process, at an address that stays the same when it is killed and started again.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Dropped, it is killed.
pub(crate) struct Launched {
    process: Child,
}

impl Launched {
    /// Returns when the volume is offered. `root` is a directory of the test's own.
    pub(crate) fn start(root: &Path, name: &str, more: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_aurochs-engine"))
            .arg("launch-simple-longhorn")
            .arg(root.join("volume"))
            .args(["--name", name, "--run-directory"])
            .arg(root.join("run"))
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut announced = String::new();
        // The last line says how to stop it.
        while !announced.lines().any(|line| line.trim_start().starts_with("stop ")) {
            if output.read_line(&mut announced).unwrap() == 0 {
                let mut error = String::new();
                process.stderr.take().unwrap().read_to_string(&mut error).unwrap();
                panic!("it ended: {error}");
            }
        }
        Self { process }
    }

    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
