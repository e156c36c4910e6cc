//! Telling the users of a frontend that its device has grown.

use super::FrontendError;
use super::fuse_loop::Growth;
use super::iscsi::TargetGrowth;
use super::kernel_nbd::KernelGrowth;
use super::ublk::UblkGrowth;

/// Makes a running frontend show the present size of its device. Where nothing has to be told (a server that asks the
/// device each time, no frontend at all) it does nothing. After the frontend has stopped it fails and changes nothing.
#[derive(Clone, Debug, Default)]
pub struct Resizer {
    block: Option<Device>,
    target: Option<TargetGrowth>,
}

#[derive(Clone, Debug)]
enum Device {
    FuseLoop(Growth),
    KernelNbd(KernelGrowth),
    Ublk(UblkGrowth),
}

impl Resizer {
    pub(super) fn of_block_device(growth: Growth) -> Self {
        Self { block: Some(Device::FuseLoop(growth)), target: None }
    }

    pub(super) fn of_kernel_nbd(growth: KernelGrowth) -> Self {
        Self { block: Some(Device::KernelNbd(growth)), target: None }
    }

    pub(super) fn of_ublk(growth: UblkGrowth) -> Self {
        Self { block: Some(Device::Ublk(growth)), target: None }
    }

    pub(super) fn of_target(growth: TargetGrowth) -> Self {
        Self { block: None, target: Some(growth) }
    }

    /// Both at once, of frontends that serve the same device.
    pub(super) fn and(self, other: Self) -> Self {
        Self { block: self.block.or(other.block), target: self.target.or(other.target) }
    }

    /// Returns when every user who asks is told the new size.
    ///
    /// # Errors
    /// The kernel did not take the size over; users go on with the old one.
    pub async fn resize(&self) -> Result<(), FrontendError> {
        if let Some(target) = &self.target {
            target.announce();
        }
        match &self.block {
            Some(Device::FuseLoop(growth)) => Ok(growth.follow().await?),
            Some(Device::KernelNbd(growth)) => Ok(growth.follow().await?),
            Some(Device::Ublk(growth)) => Ok(growth.follow().await?),
            None => Ok(()),
        }
    }
}
