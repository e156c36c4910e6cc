//! The kernel's iSCSI initiator with open-iscsi, as on a host.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::node::{run, run_any};
use crate::wait_for;

/// A running iscsid. Dropped, it logs out of everything.
pub(crate) struct Initiator {
    daemon: Child,
}

/// A target that this machine is logged in to.
pub(crate) struct Session<'a> {
    iqn: &'a str,
    portal: &'a str,
}

impl Initiator {
    pub(crate) async fn start() -> Self {
        for driver in ["iscsi_tcp", "sd_mod"] {
            run("modprobe", &[driver]).await;
        }
        let daemon = Command::new("iscsid").arg("-f").stdin(Stdio::null()).spawn().unwrap();
        wait_for("iscsid", || {
            let sockets = std::fs::read_to_string("/proc/net/unix").unwrap();
            sockets.contains("ISCSIADM_ABSTRACT_NAMESPACE").then_some(())
        })
        .await;
        Self { daemon }
    }

    /// Finds the target at its portal and logs in.
    pub(crate) async fn login<'a>(&self, portal: &'a str, iqn: &'a str) -> Session<'a> {
        let found = run("iscsiadm", &["-m", "discovery", "-t", "sendtargets", "-p", portal]).await;
        assert!(found.contains(iqn), "{found}");
        self.enter(portal, iqn).await
    }

    /// Logs in to a target that is known.
    pub(crate) async fn enter<'a>(&self, portal: &'a str, iqn: &'a str) -> Session<'a> {
        let output = self.try_login(portal, iqn).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Session { iqn, portal }
    }

    /// Makes the target known by hand: discovery demands the login too.
    pub(crate) async fn know(&self, portal: &str, iqn: &str) {
        run("iscsiadm", &["-m", "node", "-T", iqn, "-p", portal, "-o", "new"]).await;
    }

    pub(crate) async fn set(&self, portal: &str, iqn: &str, name: &str, value: &str) {
        run("iscsiadm", &["-m", "node", "-T", iqn, "-p", portal, "-o", "update", "-n", name, "-v", value]).await;
    }

    pub(crate) async fn try_login(&self, portal: &str, iqn: &str) -> Output {
        run_any("iscsiadm", &["-m", "node", "-T", iqn, "-p", portal, "--login"]).await
    }
}

impl Drop for Initiator {
    fn drop(&mut self) {
        let _ = Command::new("iscsiadm").args(["-m", "node", "--logoutall=all"]).output();
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

impl Session<'_> {
    /// The disk of its only unit.
    pub(crate) async fn disk(&self) -> PathBuf {
        wait_for("the disk of the session", || self.find_disk()).await
    }

    pub(crate) fn find_disk(&self) -> Option<PathBuf> {
        let session = entries(Path::new("/sys/class/iscsi_session")).find(|session| {
            std::fs::read_to_string(session.join("targetname")).is_ok_and(|name| name.trim() == self.iqn)
        })?;
        let targets = entries(&session.join("device")).filter(|path| is_named(path, "target"));
        let disks = targets.flat_map(|target| entries(&target)).flat_map(|unit| entries(&unit.join("block")));
        let name = disks.last()?.file_name()?.to_owned();
        let node = Path::new("/dev").join(name);
        node.exists().then_some(node)
    }

    /// Asks the units for their sizes again.
    pub(crate) async fn rescan(&self) {
        run("iscsiadm", &["-m", "node", "-T", self.iqn, "-p", self.portal, "-R"]).await;
    }

    pub(crate) async fn logout(self) {
        run("iscsiadm", &["-m", "node", "-T", self.iqn, "-p", self.portal, "--logout"]).await;
        assert_eq!(self.find_disk(), None, "the disk is gone with the session");
    }
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn is_named(path: &Path, prefix: &str) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(prefix))
}
