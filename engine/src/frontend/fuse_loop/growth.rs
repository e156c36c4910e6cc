//! The way of a new size to the users of the block device.
//!
//! The FUSE file has the device's size whenever somebody asks for its attributes. The kernel's inode remembers the size
//! of the last time, and the loop driver the one it had when it was bound: the first is asked for anew, then the driver
//! takes it over. A file system on the device may be mounted, and grown (`resize2fs`) afterwards.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::loop_device::{self, LoopDevice};
use crate::frontend::block_error::{BlockError, Explain};

/// Sysfs counts sectors of this many bytes, whatever the device has.
const SYSFS_SECTOR_BYTES: u64 = 512;

/// What has to be known to resize a device from any thread. Outlives the frontend, and then fails.
#[derive(Clone, Debug)]
pub(in crate::frontend) struct Growth {
    device: LoopDevice,
    backing: PathBuf,
}

impl Growth {
    pub(super) fn of(device: &LoopDevice, backing: &Path) -> Self {
        Self { device: device.clone(), backing: backing.to_owned() }
    }

    /// Makes the block device as large as the volume.
    pub(in crate::frontend) async fn follow(&self) -> Result<(), BlockError> {
        let growth = self.clone();
        super::blocking(move || growth.follow_blocking()).await
    }

    fn follow_blocking(&self) -> Result<(), BlockError> {
        let Self { device, backing } = self;
        if loop_device::backing_path(device.index).as_deref() != Some(backing) {
            return Err(BlockError::NotAttached { path: device.node.clone() });
        }
        let wanted = std::fs::metadata(backing)
            .explain(|| format!("ask for the size of {}", backing.display()), "see the engine's log")?
            .size();
        device.take_size()?;
        let shown = shown_bytes(device.index)?;
        if shown == wanted {
            return Ok(());
        }
        Err(BlockError::SizeNotTaken { path: device.node.clone(), wanted, shown })
    }
}

/// The size that users of the device see.
fn shown_bytes(index: u32) -> Result<u64, BlockError> {
    let path = format!("/sys/block/loop{index}/size");
    std::fs::read_to_string(&path)
        .and_then(|text| text.trim().parse::<u64>().map_err(std::io::Error::other))
        .map(|sectors| sectors * SYSFS_SECTOR_BYTES)
        .explain(|| format!("read {path}"), "sysfs has to be mounted")
}
