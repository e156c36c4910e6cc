//! The kernel's own NBD client.

use std::path::{Path, PathBuf};

use aurochs_engine::frontend::nbd::Tls;
use aurochs_engine::frontend::{Offering, ServeConfig, StopRefused, serve, tenure};
use aurochs_engine::grpc::engine_v1::ExpandRequest;

use crate::driver::{Driver, attribute, sysfs};
use crate::evidence::Evidence;
use crate::file_device::FileDevice;
use crate::file_system::{FileSystem, text};
use crate::node::{Engine, MIB, Node, run};
use crate::writer::Writer;
use crate::{assert_equal_replicas, be_elsewhere, kill_engine, wait_for, write_late};

const SIZE: u64 = 64 * MIB;
const NEEDS: &str = "nbd";

/// The device of a volume that the kernel's client has.
async fn device(engine: &Engine) -> PathBuf {
    let status = engine.status().await;
    assert_eq!(status.frontend, "nbd-kernel", "{}", status.frontend_reason);
    status.endpoint.into()
}

fn is_attached(device: &Path) -> bool {
    device.join("pid").exists()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the nbd driver: make test-kernel"]
async fn a_file_system_lives_and_grows_on_it() {
    let driver = Driver::load(NEEDS);
    let node = Node::start().await;
    let _evidence = Evidence::of(node.root.path());
    let volume = node.create("lives", SIZE, 2).await;
    let engine = node.attach(&volume, "blockdev").await;
    let device = device(&engine).await;
    let shown = sysfs(&device);
    assert_eq!(attribute(&device, "queue/max_sectors_kb"), "1024");
    assert_eq!(run("blockdev", &["--getss", text(&device)]).await.trim(), "512");
    assert_eq!(run("blockdev", &["--getsize64", text(&device)]).await.trim(), SIZE.to_string());
    let at = node.root.path().join("mnt");
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

    node.stop(&engine.name).await;
    assert!(!device.exists(), "the node is gone with the engine");
    assert!(!is_attached(&shown), "the kernel has let go of the device");
    assert!(node.record(&volume).await.clean);
    assert_equal_replicas(&node, &volume).await;
    driver.unload().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the nbd driver: make test-kernel"]
async fn the_next_engine_takes_over_the_device_of_a_killed_one() {
    let driver = Driver::load(NEEDS);
    let node = Node::start().await;
    let _evidence = Evidence::of(node.root.path());
    let volume = node.create("killed", SIZE, 2).await;
    let mut engine = node.attach(&volume, "blockdev").await;
    let device = device(&engine).await;
    let shown = sysfs(&device);
    let file_system = FileSystem::make(&device, &node.root.path().join("mnt")).await;
    file_system.write_tree(1).await;
    let writer = Writer::start(file_system.at());
    for _ in 0..2 {
        writer.go_on_for(5).await;
        kill_engine(&engine).await;
        engine = node.attach(&volume, "blockdev").await;
        assert_eq!(sysfs(&device), shown, "the device that is mounted, and no other");
        writer.go_on_for(5).await;
    }
    let written = writer.end().await;
    file_system.unmount_and_check().await;
    file_system.mount().await;
    file_system.assert_tree(1);
    written.assert_there();
    file_system.unmount().await;
    node.stop(&engine.name).await;
    assert!(!is_attached(&shown), "the kernel has let go of the device");
    assert_equal_replicas(&node, &volume).await;
    driver.unload().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the nbd driver: make test-kernel"]
async fn a_device_does_not_go_on_when_the_volume_was_elsewhere_meanwhile() {
    let driver = Driver::load(NEEDS);
    let node = Node::start().await;
    let _evidence = Evidence::of(node.root.path());
    let volume = node.create("elsewhere", SIZE, 2).await;
    let engine = node.attach(&volume, "blockdev").await;
    let old = sysfs(&device(&engine).await);
    let file_system = FileSystem::make(&device(&engine).await, &node.root.path().join("mnt")).await;
    file_system.write_tree(1).await;
    kill_engine(&engine).await;

    be_elsewhere(&node, &volume).await;

    let engine = node.attach(&volume, "blockdev").await;
    assert_ne!(sysfs(&device(&engine).await), old, "what the old device has in memory is older than the volume may be");
    assert!(write_late(file_system.at()).is_err(), "users of the old device get errors");
    file_system.unmount().await;
    wait_for("the end of the old device", || (!is_attached(&old)).then_some(())).await;
    file_system.mount().await;
    file_system.assert_tree(1);
    file_system.unmount_and_check().await;
    node.stop(&engine.name).await;
    assert_equal_replicas(&node, &volume).await;
    driver.unload().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the nbd driver: make test-kernel"]
async fn a_detached_device_that_is_mounted_still_is_not_taken_for_the_one_that_waits() {
    let driver = Driver::load(NEEDS);
    let node = Node::start().await;
    let _evidence = Evidence::of(node.root.path());
    let volume = node.create("still-mounted", SIZE, 2).await;
    let engine = node.attach(&volume, "blockdev").await;
    let old = sysfs(&device(&engine).await);
    let file_system = FileSystem::make(&device(&engine).await, &node.root.path().join("mnt")).await;
    file_system.write_tree(1).await;
    // It ends under the mount: detached all the same, and attached for the kernel until the last user is gone.
    node.stop(&engine.name).await;
    assert!(is_attached(&old));

    let engine = node.attach(&volume, "blockdev").await;
    let shown = sysfs(&device(&engine).await);
    assert_ne!(shown, old);
    kill_engine(&engine).await;
    let engine = node.attach(&volume, "blockdev").await;
    assert_eq!(sysfs(&device(&engine).await), shown, "the device that waits, and not the one with the smaller number");
    assert!(write_late(file_system.at()).is_err(), "nothing comes from the other one any more");
    let expanded = engine.client.clone().expand(ExpandRequest { size_bytes: 2 * SIZE }).await.unwrap().into_inner();
    assert_eq!(expanded.last_expansion_error, "", "the other one is not in the way");
    let seen = run("blockdev", &["--getsize64", text(&device(&engine).await)]).await;
    assert_eq!(seen.trim(), (2 * SIZE).to_string());
    file_system.unmount().await;
    wait_for("the end of the old device", || (!is_attached(&old)).then_some(())).await;
    file_system.mount().await;
    file_system.assert_tree(1);
    file_system.unmount_and_check().await;
    node.stop(&engine.name).await;
    assert_equal_replicas(&node, &volume).await;
    driver.unload().await;
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
