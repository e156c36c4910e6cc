//! The iSCSI target on the wire: what initiators may say, what they may not, and what they get for it.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a panic in a test is its message")]

mod data;
#[path = "../file_device/mod.rs"]
mod file_device;
mod hostile;
mod initiator;
mod login;
mod memory;
mod sessions;
mod task_set;
mod tasks;

use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use aurochs_engine::frontend::Frontend;
use aurochs_engine::frontend::iscsi::{Chap, IscsiConfig, IscsiFrontend};
use file_device::FileDevice;
use initiator::Initiator;
use tempfile::TempDir;

const SIZE: u64 = 64 << 20;

struct Served {
    _directory: TempDir,
    device: Arc<FileDevice>,
    target: IscsiFrontend,
}

impl Served {
    async fn start() -> Self {
        Self::start_with(None).await
    }

    async fn start_with(chap: Option<Chap>) -> Self {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let device = FileDevice::create(&directory.path().join("image"), SIZE);
        let listen = vec!["127.0.0.1:0".parse().unwrap()];
        let config = IscsiConfig { volume: "vol-1".into(), listen, chap };
        let target = IscsiFrontend::start(Arc::clone(&device), config).await.unwrap();
        Self { _directory: directory, device, target }
    }

    fn portal(&self) -> SocketAddr {
        self.target.portals()[0]
    }

    async fn ready(&self, more: &[(&str, &str)]) -> Initiator {
        Initiator::ready(self.portal(), more).await
    }

    /// What the device holds.
    fn content(&self, offset: usize, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        std::fs::File::open(self.device.path()).unwrap().read_exact_at(&mut bytes, offset as u64).unwrap();
        bytes
    }

    /// The target is as good as ever, and ends when it is told to.
    async fn still_serves(self) {
        let mut initiator = Initiator::connect(self.portal()).await;
        initiator.isid = [0x80, 9, 9, 9, 9, 9];
        initiator.login(&[]).await;
        initiator.no_data(&[0]).await;
        assert_eq!(initiator.read(0, 1, 512).await.1.status(), 0);
        drop(initiator);
        self.target.stop(false).await.unwrap();
    }
}
