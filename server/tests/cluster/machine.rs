//! A machine of its own: its manager is a process, so that it can be killed, with all that it started or without.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use aurochs_e2e::installation::binary;
use aurochs_e2e::{ControlPlane, Guard};
use aurochs_server::cluster::NAMESPACE;
use aurochs_server::standalone::Layout;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::member::ACCOUNT;

pub(crate) struct Machine {
    manager: Child,
    kubeconfig: PathBuf,
    node: String,
    ip: String,
    data: Guard,
}

impl Machine {
    pub(crate) fn start(plane: &ControlPlane, node: &str, ip: &str) -> Self {
        let data = Guard::new("aur-machine", |data| vec![Layout::find(data).unwrap().run]);
        let kubeconfig = plane.kubeconfig_of_account(NAMESPACE, ACCOUNT);
        let manager = manager(data.directory(), &kubeconfig, node, ip);
        Self { manager, kubeconfig, node: node.to_owned(), ip: ip.to_owned(), data }
    }

    /// What it started goes on.
    pub(crate) fn kill_manager(&mut self) {
        self.manager.kill().unwrap();
        self.manager.wait().unwrap();
    }

    /// As when its power fails: nothing of it runs any more.
    pub(crate) fn lose(&mut self) {
        self.kill_manager();
        let data = self.data.directory();
        let places = [data.to_owned(), Layout::find(data).unwrap().run];
        // The instance manager first would be as good: who starts nothing anew is the manager.
        for process in processes_of(&places) {
            // It may have ended with another one.
            let _ = kill(process, Signal::SIGKILL);
        }
    }

    pub(crate) fn start_again(&mut self) {
        self.manager = manager(self.data.directory(), &self.kubeconfig, &self.node, &self.ip);
    }
}

impl Drop for Machine {
    /// The guard ends the rest.
    fn drop(&mut self) {
        let _ = self.manager.kill();
        let _ = self.manager.wait();
    }
}

fn manager(data: &Path, kubeconfig: &Path, node: &str, ip: &str) -> Child {
    let log = fs::File::options().create(true).append(true).open(data.join("manager.log")).unwrap();
    let mut command = Command::new(binary("aurochs"));
    command.args(["serve", "--address", "127.0.0.1:0", "--kubernetes", "--node-name", node]);
    command.arg("--instance-address").arg(format!("{ip}:0"));
    command.arg("--data").arg(data).arg("--kubeconfig").arg(kubeconfig);
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

fn processes_of(places: &[PathBuf]) -> Vec<Pid> {
    let names = |id: i32| {
        let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains("aurochs-engine") && places.iter().any(|place| line.contains(&*place.to_string_lossy()))
    };
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    ids.filter(|id| names(*id)).map(Pid::from_raw).collect()
}
