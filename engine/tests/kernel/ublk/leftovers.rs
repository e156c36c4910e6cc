//! What engines that were killed left, of this frontend and of others, when the next one may have this frontend: one
//! device at most goes on, and only if the volume was nowhere else.

use std::path::{Path, PathBuf};

use super::{KIND, NEEDS, devices, kernel_resizes};
use crate::driver::{Driver, sysfs};
use crate::file_system::FileSystem;
use crate::setting::Setting;
use crate::writer::Writer;
use crate::{kill_engine, wait_for, write_late};

/// Loop devices with a file below `root`.
fn loop_devices(root: &Path) -> Vec<PathBuf> {
    let backing = |device: &PathBuf| std::fs::read_to_string(device.join("loop/backing_file")).unwrap_or_default();
    let devices = std::fs::read_dir("/sys/block").unwrap().map(|entry| entry.unwrap().path());
    devices.filter(|device| Path::new(backing(device).trim_end()).starts_with(root)).collect()
}

fn fuse_mounts() -> Vec<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts.lines().filter(|line| line.contains("fuse.aurochs")).map(str::to_owned).collect()
}

fn nbd_devices() -> usize {
    let devices = std::fs::read_dir("/sys/block").unwrap().map(|entry| entry.unwrap().path());
    devices.filter(|device| device.join("pid").exists()).count()
}

/// The engine that is attached last has a device of this frontend, with the tree that was written before.
async fn assert_ublk_with_tree(setting: &Setting, file_system: &FileSystem) {
    let (engine, device) = setting.attach(KIND).await;
    assert_eq!(device, file_system.device());
    assert_eq!((devices(), nbd_devices(), fuse_mounts().len()), (1, 0, 0), "one device of one kind");
    file_system.mount().await;
    file_system.assert_tree(1);
    file_system.unmount_and_check().await;
    setting.node.stop(&engine.name).await;
    assert_eq!(devices(), 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the ublk driver of Linux 6.16: make test-kernel"]
async fn a_mounted_device_of_the_nbd_client_goes_on_and_gives_way_at_the_next_attachment() {
    if !kernel_resizes() {
        return;
    }
    let setting = Setting::new("nbd", "was-nbd").await;
    let (engine, device) = setting.attach("nbd-kernel").await;
    let shown = sysfs(&device);
    let file_system = FileSystem::make(&device, &setting.mount_point()).await;
    file_system.write_tree(1).await;
    let writer = Writer::start(file_system.at());
    writer.go_on_for(5).await;

    let driver = Driver::load(NEEDS);
    let (engine, device) = setting.attach_after_kill(&engine, "nbd-kernel").await;
    let status = engine.status().await;
    assert!(status.frontend_reason.contains("goes on"), "{}", status.frontend_reason);
    assert_eq!((sysfs(&device), devices(), nbd_devices()), (shown, 0, 1), "the device that is mounted, and no other");
    writer.go_on_for(5).await;
    writer.end().await.assert_there();
    file_system.unmount_and_check().await;
    setting.node.stop(&engine.name).await;

    assert_ublk_with_tree(&setting, &file_system).await;
    driver.unload().await;
    setting.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the ublk driver of Linux 6.16: make test-kernel"]
async fn a_loop_device_gives_way() {
    if !kernel_resizes() {
        return;
    }
    let setting = Setting::new("loop", "was-loop").await;
    let (engine, device) = setting.attach("fuse-loop").await;
    let file_system = FileSystem::make(&device, &setting.mount_point()).await;
    file_system.write_tree(1).await;
    assert_eq!((loop_devices(setting.node.root.path()).len(), fuse_mounts().len()), (1, 1));

    let driver = Driver::load(NEEDS);
    let (engine, _) = setting.attach_after_kill(&engine, KIND).await;
    assert_eq!((devices(), fuse_mounts().len()), (1, 0), "one device of one kind");
    assert!(write_late(file_system.at()).is_err(), "users of the old device get errors");
    file_system.unmount().await;
    wait_for("the end of the loop device", || loop_devices(setting.node.root.path()).is_empty().then_some(())).await;
    setting.node.stop(&engine.name).await;

    assert_ublk_with_tree(&setting, &file_system).await;
    driver.unload().await;
    setting.end().await;
}

/// An engine with a mounted device, killed.
async fn mounted_and_killed(setting: &Setting) -> FileSystem {
    let (engine, device) = setting.attach(KIND).await;
    let file_system = FileSystem::make(&device, &setting.mount_point()).await;
    file_system.write_tree(1).await;
    kill_engine(&engine).await;
    assert_eq!(devices(), 1, "a killed engine leaves its device");
    file_system
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the ublk driver of Linux 6.16: make test-kernel"]
async fn a_device_does_not_go_on_when_the_volume_was_elsewhere_meanwhile() {
    if !kernel_resizes() {
        return;
    }
    let setting = Setting::new(NEEDS, "elsewhere").await;
    let file_system = mounted_and_killed(&setting).await;
    let shown = sysfs(file_system.device());

    setting.be_elsewhere().await;

    // What the file system has in memory is older than the volume may be now.
    let (engine, _) = setting.attach(KIND).await;
    assert!(write_late(file_system.at()).is_err(), "users of the old device get errors");
    file_system.unmount().await;
    wait_for("the end of the old device", || (devices() == 1 && !shown.exists()).then_some(())).await;
    setting.node.stop(&engine.name).await;

    assert_ublk_with_tree(&setting, &file_system).await;
    setting.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the ublk driver of Linux 6.16: make test-kernel"]
async fn no_device_waits_under_a_volume_that_is_attached_without_one() {
    if !kernel_resizes() {
        return;
    }
    let setting = Setting::new(NEEDS, "without").await;
    let file_system = mounted_and_killed(&setting).await;

    let engine = setting.node.attach(&setting.volume, "").await;
    assert!(write_late(file_system.at()).is_err(), "users of the old device get errors");
    file_system.unmount().await;
    wait_for("the end of the device", || (devices() == 0).then_some(())).await;
    setting.node.stop(&engine.name).await;

    assert_ublk_with_tree(&setting, &file_system).await;
    setting.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the ublk driver of Linux 6.16: make test-kernel"]
async fn a_device_of_the_nbd_client_does_not_go_on_when_the_volume_was_elsewhere_meanwhile() {
    if !kernel_resizes() {
        return;
    }
    let setting = Setting::new("nbd", "nbd-then").await;
    let (engine, device) = setting.attach("nbd-kernel").await;
    let file_system = FileSystem::make(&device, &setting.mount_point()).await;
    file_system.write_tree(1).await;

    let driver = Driver::load(NEEDS);
    kill_engine(&engine).await;
    setting.be_elsewhere().await;
    let (engine, _) = setting.attach(KIND).await;
    assert!(write_late(file_system.at()).is_err(), "users of the old device get errors");
    file_system.unmount().await;
    wait_for("the end of the old device", || (nbd_devices() == 0).then_some(())).await;
    setting.node.stop(&engine.name).await;

    assert_ublk_with_tree(&setting, &file_system).await;
    driver.unload().await;
    setting.end().await;
}
