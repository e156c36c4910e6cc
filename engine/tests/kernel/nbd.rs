//! The kernel's own NBD client.

use std::path::{Path, PathBuf};

use aurochs_engine::frontend::nbd::Tls;
use aurochs_engine::frontend::{Offering, ServeConfig, StopRefused, serve, tenure};
use aurochs_engine::grpc::engine_v1::ExpandRequest;

use crate::driver::{Driver, attribute, sysfs};
use crate::file_device::FileDevice;
use crate::file_system::{FileSystem, text};
use crate::node::run;
use crate::setting::{SIZE, Setting};
use crate::writer::Writer;
use crate::{kill_engine, wait_for, write_late};

const NEEDS: &str = "nbd";
const KIND: &str = "nbd-kernel";

fn is_attached(device: &Path) -> bool {
    device.join("pid").exists()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the nbd driver: make test-kernel"]
async fn a_file_system_lives_and_grows_on_it() {
    let setting = Setting::new(NEEDS, "lives").await;
    let (engine, device) = setting.attach(KIND).await;
    let shown = sysfs(&device);
    assert_eq!(attribute(&device, "queue/max_sectors_kb"), "1024");
    assert_eq!(run("blockdev", &["--getss", text(&device)]).await.trim(), "512");
    assert_eq!(run("blockdev", &["--getsize64", text(&device)]).await.trim(), SIZE.to_string());
    let at = setting.mount_point();
    FileSystem::live(&device, &at).await;

    let file_system = FileSystem::make(&device, &at).await;
    file_system.write_tree(2).await;
    let before = file_system.size_bytes().await;
    let expanded = engine.client.clone().expand(ExpandRequest { size_bytes: 2 * SIZE }).await.unwrap().into_inner();
    assert_eq!((expanded.size_bytes, expanded.last_expansion_error.as_str()), (2 * SIZE, ""));
    assert_eq!(run("blockdev", &["--getsize64", text(&device)]).await.trim(), (2 * SIZE).to_string());
    run("resize2fs", &[text(&device)]).await;
    assert!(file_system.size_bytes().await > before + SIZE / 2);
    file_system.write_tree(3).await;
    file_system.unmount_and_check().await;
    file_system.mount().await;
    file_system.assert_tree(2);
    file_system.assert_tree(3);
    file_system.unmount().await;

    setting.node.stop(&engine.name).await;
    assert!(!device.exists(), "the node is gone with the engine");
    assert!(!is_attached(&shown), "the kernel has let go of the device");
    assert!(setting.node.record(&setting.volume).await.clean);
    setting.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the nbd driver: make test-kernel"]
async fn the_next_engine_takes_over_the_device_of_a_killed_one() {
    let setting = Setting::new(NEEDS, "killed").await;
    let (mut engine, device) = setting.attach(KIND).await;
    let shown = sysfs(&device);
    let file_system = FileSystem::make(&device, &setting.mount_point()).await;
    file_system.write_tree(1).await;
    let writer = Writer::start(file_system.at());
    for _ in 0..2 {
        writer.go_on_for(5).await;
        engine = setting.attach_after_kill(&engine, KIND).await.0;
        assert_eq!(sysfs(&device), shown, "the device that is mounted, and no other");
        writer.go_on_for(5).await;
    }
    let written = writer.end().await;
    file_system.unmount_and_check().await;
    file_system.mount().await;
    file_system.assert_tree(1);
    written.assert_there();
    file_system.unmount().await;
    setting.node.stop(&engine.name).await;
    assert!(!is_attached(&shown), "the kernel has let go of the device");
    setting.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the nbd driver: make test-kernel"]
async fn a_device_does_not_go_on_when_the_volume_was_elsewhere_meanwhile() {
    let setting = Setting::new(NEEDS, "elsewhere").await;
    let (engine, device) = setting.attach(KIND).await;
    let old = sysfs(&device);
    let file_system = FileSystem::make(&device, &setting.mount_point()).await;
    file_system.write_tree(1).await;
    kill_engine(&engine).await;

    setting.be_elsewhere().await;

    let (engine, device) = setting.attach(KIND).await;
    assert_ne!(sysfs(&device), old, "what the old device has in memory is older than the volume may be");
    assert!(write_late(file_system.at()).is_err(), "users of the old device get errors");
    file_system.unmount().await;
    wait_for("the end of the old device", || (!is_attached(&old)).then_some(())).await;
    file_system.mount().await;
    file_system.assert_tree(1);
    file_system.unmount_and_check().await;
    setting.node.stop(&engine.name).await;
    setting.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the nbd driver: make test-kernel"]
async fn a_detached_device_that_is_mounted_still_is_not_taken_for_the_one_that_waits() {
    let setting = Setting::new(NEEDS, "still-mounted").await;
    let (engine, device) = setting.attach(KIND).await;
    let old = sysfs(&device);
    let file_system = FileSystem::make(&device, &setting.mount_point()).await;
    file_system.write_tree(1).await;
    // It ends under the mount: detached all the same, and attached for the kernel until the last user is gone.
    setting.node.stop(&engine.name).await;
    assert!(is_attached(&old));

    let (engine, device) = setting.attach(KIND).await;
    let shown = sysfs(&device);
    assert_ne!(shown, old);
    let (engine, device) = setting.attach_after_kill(&engine, KIND).await;
    assert_eq!(sysfs(&device), shown, "the device that waits, and not the one with the smaller number");
    assert!(write_late(file_system.at()).is_err(), "nothing comes from the other one any more");
    let expanded = engine.client.clone().expand(ExpandRequest { size_bytes: 2 * SIZE }).await.unwrap().into_inner();
    assert_eq!(expanded.last_expansion_error, "", "the other one is not in the way");
    let seen = run("blockdev", &["--getsize64", text(&device)]).await;
    assert_eq!(seen.trim(), (2 * SIZE).to_string());
    file_system.unmount().await;
    wait_for("the end of the old device", || (!is_attached(&old)).then_some(())).await;
    file_system.mount().await;
    file_system.assert_tree(1);
    file_system.unmount_and_check().await;
    setting.node.stop(&engine.name).await;
    setting.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the nbd driver: make test-kernel"]
async fn a_mounted_device_is_not_taken_away_unless_by_force() {
    let driver = Driver::load(NEEDS);
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    let config = ServeConfig {
        volume: "mounted".into(),
        offering: Offering::BlockDevice,
        runtime_dir: place.path().join("run"),
        device_dir: place.path().join("dev"),
        nbd_socket: None,
        nbd_tcp: None,
        nbd_tls: Tls::Off,
        iscsi_portals: Vec::new(),
        iscsi_chap: None,
        tenure: tenure::begin(&place.path().join("run"), 1, None, false).unwrap(),
    };
    let served = FileDevice::create(&place.path().join("image"), SIZE);
    let frontend = serve(std::sync::Arc::clone(&served), config.clone()).await.unwrap();
    let device = PathBuf::from(frontend.endpoint());
    let shown = sysfs(&device);
    let at = place.path().join("mnt");
    let file_system = FileSystem::make(&device, &at).await;
    let StopRefused { frontend, error } = frontend.stop(false).await.unwrap_err();
    let why = error.to_string();
    assert!(why.contains(text(&device)) && why.contains(text(&at)), "{why}");
    file_system.write_tree(1).await;
    file_system.unmount_and_check().await;
    frontend.stop(false).await.unwrap();
    assert!(!device.exists() && !is_attached(&shown));

    // What was written through one attachment is there in the next.
    let frontend = serve(served, config).await.unwrap();
    file_system.mount().await;
    file_system.assert_tree(1);
    frontend.stop(true).await.unwrap();
    assert!(!device.exists());
    assert!(
        std::fs::write(at.join("late"), vec![1; 100_000]).and_then(|()| sync(&at)).is_err(),
        "its users get errors"
    );
    drop(file_system);
    crate::wait_for("the end of the device", || (!is_attached(&shown)).then_some(())).await;
    driver.unload().await;
}

fn sync(at: &Path) -> std::io::Result<()> {
    Ok(nix::unistd::syncfs(std::fs::File::open(at)?)?)
}
