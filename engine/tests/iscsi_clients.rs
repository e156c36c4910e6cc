//! The iSCSI target and the clients that people use: libiscsi's tools.
#![expect(clippy::unwrap_used, reason = "a panic in a test is its message")]

mod file_device;

use std::sync::Arc;

use aurochs_engine::frontend::Frontend;
use aurochs_engine::frontend::iscsi::{IscsiConfig, IscsiFrontend};
use file_device::{FileDevice, run};
use tempfile::TempDir;

const SIZE: u64 = 128 << 20;

struct Served {
    _directory: TempDir,
    device: Arc<FileDevice>,
    target: IscsiFrontend,
}

impl Served {
    async fn start() -> Self {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let device = FileDevice::create(&directory.path().join("image"), SIZE);
        let config = IscsiConfig { volume: "vol-1".into(), listen: vec!["127.0.0.1:0".parse().unwrap()], chap: None };
        let target = IscsiFrontend::start(Arc::clone(&device), config).await.unwrap();
        Self { _directory: directory, device, target }
    }

    fn uri(&self) -> String {
        self.target.uri()
    }

    fn portal(&self) -> String {
        format!("iscsi://{}", self.target.portals()[0])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn discovery_names_the_target_and_its_disk() {
    let served = Served::start().await;
    let listed = run("iscsi-ls", &["--show-luns", &served.portal()]).await;
    let address = served.target.portals()[0];
    assert!(listed.contains(&format!("Target:iqn.2019-10.io.longhorn:vol-1 Portal:{address},1")), "{listed}");
    assert!(listed.contains("Lun:1") && !listed.contains("Lun:0"), "{listed}");
    served.target.stop(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_says_what_it_is() {
    let served = Served::start().await;
    let inquiry = run("iscsi-inq", &[&served.uri()]).await;
    assert!(inquiry.contains("DIRECT_ACCESS") && inquiry.contains("CONNECTED"), "{inquiry}");
    let capacity = run("iscsi-readcapacity16", &[&served.uri()]).await;
    assert!(capacity.contains(&format!("Total size:{SIZE}")), "{capacity}");
    served.device.grow(2 * SIZE);
    served.target.resizer().resize().await.unwrap();
    let capacity = run("iscsi-readcapacity16", &[&served.uri()]).await;
    assert!(capacity.contains(&format!("Total size:{}", 2 * SIZE)), "{capacity}");
    served.target.stop(false).await.unwrap();
}
