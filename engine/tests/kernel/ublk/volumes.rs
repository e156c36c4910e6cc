//! Real volumes behind the driver: engines that choose it, with two replicas.

use std::os::unix::fs::FileExt;
use std::path::Path;

use aurochs_engine::grpc::engine_v1::ExpandRequest;

use super::{KIND, NEEDS, devices, kernel_resizes};
use crate::driver::sysfs;
use crate::file_system::{FileSystem, text};
use crate::node::{Engine, MIB, noise, run};
use crate::setting::{SIZE, Setting};
use crate::writer::Writer;

async fn expand(engine: &Engine, device: &Path, size_bytes: u64) {
    let expanded = engine.client.clone().expand(ExpandRequest { size_bytes }).await.unwrap().into_inner();
    assert_eq!((expanded.size_bytes, expanded.last_expansion_error.as_str()), (size_bytes, ""));
    assert_eq!(run("blockdev", &["--getsize64", text(device)]).await.trim(), size_bytes.to_string());
}

/// What is written there is read again from the volume, not from the kernel's memory.
async fn assert_kept(device: &Path, offset: u64) {
    let content = noise(9, MIB as usize);
    let file = std::fs::File::options().read(true).write(true).open(device).unwrap();
    file.write_all_at(&content, offset).unwrap();
    file.sync_all().unwrap();
    run("blockdev", &["--flushbufs", text(device)]).await;
    let mut found = vec![0; content.len()];
    file.read_exact_at(&mut found, offset).unwrap();
    assert!(found == content, "other bytes than were written");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the ublk driver: make test-kernel"]
async fn engines_choose_it_where_its_devices_can_grow() {
    let setting = Setting::new(NEEDS, "chosen").await;
    let engine = setting.node.attach(&setting.volume, "blockdev").await;
    let status = engine.status().await;
    if kernel_resizes() {
        assert_eq!(status.frontend, KIND, "{}", status.frontend_reason);
        assert!(status.frontend_reason.starts_with("ublk: "), "{}", status.frontend_reason);
    } else {
        assert_ne!(status.frontend, KIND);
        assert!(status.frontend_reason.contains("can't resize a device in use"), "{}", status.frontend_reason);
        assert_eq!(devices(), 0);
    }
    setting.node.stop(&engine.name).await;
    setting.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the ublk driver of Linux 6.16: make test-kernel"]
async fn a_file_system_lives_and_grows_on_a_volume() {
    if !kernel_resizes() {
        return;
    }
    let setting = Setting::new(NEEDS, "lives").await;
    let (engine, device) = setting.attach(KIND).await;
    let at = setting.mount_point();
    FileSystem::live(&device, &at).await;

    let file_system = FileSystem::make(&device, &at).await;
    file_system.write_tree(2).await;
    let before = file_system.size_bytes().await;
    let writer = Writer::start(&at);
    writer.go_on_for(3).await;
    expand(&engine, &device, 2 * SIZE).await;
    run("resize2fs", &[text(&device)]).await;
    assert!(file_system.size_bytes().await > before + SIZE / 2);
    writer.go_on_for(3).await;
    let written = writer.end().await;
    file_system.unmount_and_check().await;
    file_system.mount().await;
    file_system.assert_tree(2);
    written.assert_there();
    file_system.unmount().await;
    assert_kept(&device, 2 * SIZE - MIB).await;

    setting.node.stop(&engine.name).await;
    assert!(!device.exists(), "the node is gone with the engine");
    assert_eq!(devices(), 0);
    assert!(setting.node.record(&setting.volume).await.clean);
    setting.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the ublk driver of Linux 6.16: make test-kernel"]
async fn the_next_engine_takes_over_the_device_of_a_killed_one() {
    if !kernel_resizes() {
        return;
    }
    let setting = Setting::new(NEEDS, "killed").await;
    let (mut engine, device) = setting.attach(KIND).await;
    let shown = sysfs(&device);
    let file_system = FileSystem::make(&device, &setting.mount_point()).await;
    file_system.write_tree(1).await;
    let writer = Writer::start(file_system.at());
    for _ in 0..2 {
        writer.go_on_for(5).await;
        let (next, again) = setting.attach_after_kill(&engine, KIND).await;
        engine = next;
        assert_eq!(again, device);
        assert_eq!(sysfs(&device), shown, "the device that is mounted, and no other");
        assert_eq!(devices(), 1);
        writer.go_on_for(5).await;
    }
    expand(&engine, &device, 2 * SIZE).await;
    run("resize2fs", &[text(&device)]).await;
    writer.go_on_for(5).await;
    let written = writer.end().await;
    file_system.unmount_and_check().await;
    file_system.mount().await;
    file_system.assert_tree(1);
    written.assert_there();
    file_system.unmount().await;
    setting.node.stop(&engine.name).await;
    assert_eq!(devices(), 0);
    setting.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the ublk driver of Linux 6.16: make test-kernel"]
async fn an_engine_that_is_asked_to_end_under_a_mounted_device_writes_out_what_it_holds() {
    if !kernel_resizes() {
        return;
    }
    let setting = Setting::new(NEEDS, "mounted").await;
    let (engine, device) = setting.attach(KIND).await;
    let file_system = FileSystem::make(&device, &setting.mount_point()).await;
    let unsynced = noise(3, 5 * MIB as usize);
    std::fs::write(file_system.at().join("unsynced"), &unsynced).unwrap();
    setting.node.stop(&engine.name).await;
    assert!(!device.exists());
    file_system.unmount().await;
    crate::wait_for("the end of the device", || (devices() == 0).then_some(())).await;

    let (engine, again) = setting.attach(KIND).await;
    assert_eq!(again, device);
    file_system.mount().await;
    assert!(std::fs::read(file_system.at().join("unsynced")).unwrap() == unsynced);
    file_system.unmount_and_check().await;
    setting.node.stop(&engine.name).await;
    setting.end().await;
}
