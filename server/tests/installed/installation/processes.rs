//! The processes beneath: killed, stopped, and let run again.

use aurochs_server::resources::InstanceManager;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Installation;

impl Installation {
    /// The process of an engine or replica.
    pub(crate) async fn pid_of(&self, name: &str) -> Pid {
        let mut found = None;
        self.until(&format!("{name} has a process"), async |store| {
            for manager in store.list::<InstanceManager>().await.unwrap() {
                let status = manager.status;
                let process = status.instance_engines.get(name).or_else(|| status.instance_replicas.get(name)).cloned();
                found = found.or(process.filter(|process| process.state == "running").map(|process| process.pid));
            }
            found.is_some()
        })
        .await;
        Pid::from_raw(found.unwrap().try_into().unwrap())
    }

    pub(crate) async fn kill(&self, name: &str) {
        kill(self.pid_of(name).await, Signal::SIGKILL).unwrap();
    }

    /// Makes a node silent: its instance manager and its replicas answer nothing any more, and none of them ends.
    pub(crate) async fn freeze_node(&mut self, node: &str) {
        let managers = self.store().list::<InstanceManager>().await.unwrap();
        let status = &managers.iter().find(|manager| manager.spec.node_id == node).unwrap().status;
        let processes = status.instance_replicas.values().map(|process| process.pid);
        for pid in processes.chain([status.pid]).filter(|pid| *pid != 0) {
            let pid = Pid::from_raw(pid.try_into().unwrap());
            kill(pid, Signal::SIGSTOP).unwrap();
            self.frozen.push(pid);
        }
    }

    pub(crate) fn thaw(&mut self) {
        for pid in self.frozen.drain(..) {
            // It may have been replaced and ended meanwhile.
            let _ = kill(pid, Signal::SIGCONT);
        }
    }
}
