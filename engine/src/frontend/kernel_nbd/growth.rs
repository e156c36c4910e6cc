//! Making an attached device as large as its volume.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::blocking;
use super::control::Driver;
use super::sysfs::Sysfs;
use crate::frontend::block_error::{BlockError, Explain};

/// What has to be known to resize a device from any thread. Outlives the frontend, and then fails.
#[derive(Clone)]
pub(in crate::frontend) struct KernelGrowth {
    pub(super) index: u32,
    pub(super) identifier: String,
    /// Asks the volume.
    pub(super) size_bytes: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl fmt::Debug for KernelGrowth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KernelGrowth(nbd{}, {})", self.index, self.identifier)
    }
}

impl KernelGrowth {
    /// Makes the block device as large as the volume.
    pub(in crate::frontend) async fn follow(&self) -> Result<(), BlockError> {
        let growth = self.clone();
        blocking(move || growth.follow_blocking()).await
    }

    fn follow_blocking(&self) -> Result<(), BlockError> {
        let Self { index, identifier, size_bytes } = self;
        let attempt = || format!("resize nbd{index}");
        let sysfs = Sysfs::default();
        // Before Linux 5.14 no device has an identifier.
        let shown = sysfs.backend(*index).explain(attempt, "sysfs has to be mounted")?;
        if !sysfs.is_attached(*index) || shown.is_some_and(|shown| shown != *identifier) {
            let gone = io::Error::from(io::ErrorKind::NotFound);
            return Err(gone).explain(attempt, "it is not attached any more");
        }
        let wanted = size_bytes();
        Driver::find()
            .and_then(|mut driver| driver.resize(*index, identifier, wanted))
            .explain(attempt, "detach and attach the volume to see its new size")
    }
}
