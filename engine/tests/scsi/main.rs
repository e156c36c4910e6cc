//! The SCSI device server as hosts see it, on a device over a real file.
#![expect(clippy::unwrap_used, reason = "a panic in a test is its message")]

#[path = "../file_device/mod.rs"]
mod file_device;

mod blocks;
mod compare_and_write;
mod errors;
mod extended_copy;
mod hostile;
mod initiator;
mod mode;
mod provisioning;
mod reservations;
mod unit;

use std::sync::Arc;

use aurochs_engine::frontend::scsi::{LogicalUnit, Nexus};

use self::file_device::FileDevice;

const MIB: u64 = 1 << 20;

/// A unit of 4 MiB and one session on it.
struct Bench {
    device: Arc<FileDevice>,
    unit: Arc<LogicalUnit<FileDevice>>,
    host: Nexus<FileDevice>,
    _directory: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let device = FileDevice::create(&directory.path().join("volume"), 4 * MIB);
        let unit = initiator::unit(Arc::clone(&device));
        let host = initiator::session(&unit, 1).await;
        Self { device, unit, host, _directory: directory }
    }
}
