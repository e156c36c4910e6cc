//! The frontend that gives a block device, of whichever kind.

use std::path::PathBuf;
use std::sync::Arc;

use super::fuse_loop::{FuseLoopConfig, FuseLoopFrontend};
use super::kernel_nbd::{self, KernelNbdFrontend};
use super::tenure::Tenure;
use super::ublk::{self, UblkFrontend};
use super::{BlockDevice, Frontend, FrontendError, FrontendKind, KernelPlace, Resizer, StopRefused};

/// Names and places, whatever the kind. An engine that was killed may have had any kind of frontend, whatever the next one
/// has.
#[derive(Clone, Debug)]
pub(super) struct BlockPlaces {
    pub(super) volume: String,
    /// Directory of this volume alone, for what the frontend keeps while it runs.
    pub(super) runtime_dir: PathBuf,
    /// Directory of the device node.
    pub(super) device_dir: PathBuf,
    /// What may go on, and where a new device is noted.
    pub(super) tenure: Tenure,
}

impl BlockPlaces {
    pub(super) fn fuse_loop(&self) -> FuseLoopConfig {
        FuseLoopConfig {
            volume: self.volume.clone(),
            runtime_dir: self.runtime_dir.join("fuse"),
            device_dir: self.device_dir.clone(),
        }
    }

    /// Of the drivers' devices.
    pub(super) fn kernel(&self) -> KernelPlace {
        KernelPlace { runtime_dir: self.runtime_dir.clone(), before: self.fuse_loop(), tenure: self.tenure.clone() }
    }
}

#[derive(Debug)]
pub(super) enum BlockFrontend {
    FuseLoop(FuseLoopFrontend),
    KernelNbd(KernelNbdFrontend),
    Ublk(UblkFrontend),
}

impl BlockFrontend {
    /// Starts a block device of this kind; a kind that is not offered anywhere yet is a FUSE file with a loop device.
    pub(super) async fn start<D: BlockDevice>(
        kind: FrontendKind,
        device: Arc<D>,
        places: BlockPlaces,
    ) -> Result<Self, FrontendError> {
        // Each kind takes over, or clears, what its own and a loop device have left.
        if kind != FrontendKind::Ublk {
            ublk::clear_leftovers(places.kernel()).await?;
        }
        if kind != FrontendKind::NbdKernel {
            kernel_nbd::clear_leftovers(places.kernel()).await?;
        }
        Ok(match kind {
            FrontendKind::Ublk => Self::Ublk(UblkFrontend::start(device, places.kernel()).await?),
            FrontendKind::NbdKernel => Self::KernelNbd(KernelNbdFrontend::start(device, places.kernel()).await?),
            _ => Self::FuseLoop(FuseLoopFrontend::start(device, places.fuse_loop()).await?),
        })
    }
}

impl Frontend for BlockFrontend {
    fn kind(&self) -> FrontendKind {
        match self {
            Self::FuseLoop(frontend) => frontend.kind(),
            Self::KernelNbd(frontend) => frontend.kind(),
            Self::Ublk(frontend) => frontend.kind(),
        }
    }

    fn endpoint(&self) -> String {
        match self {
            Self::FuseLoop(frontend) => frontend.endpoint(),
            Self::KernelNbd(frontend) => frontend.endpoint(),
            Self::Ublk(frontend) => frontend.endpoint(),
        }
    }

    fn resizer(&self) -> Resizer {
        match self {
            Self::FuseLoop(frontend) => frontend.resizer(),
            Self::KernelNbd(frontend) => frontend.resizer(),
            Self::Ublk(frontend) => frontend.resizer(),
        }
    }

    async fn stop(self, force: bool) -> Result<(), StopRefused<Self>> {
        match self {
            Self::FuseLoop(frontend) => frontend.stop(force).await.map_err(|refused| refused.map(Self::FuseLoop)),
            Self::KernelNbd(frontend) => frontend.stop(force).await.map_err(|refused| refused.map(Self::KernelNbd)),
            Self::Ublk(frontend) => frontend.stop(force).await.map_err(|refused| refused.map(Self::Ublk)),
        }
    }
}

impl<F> StopRefused<F> {
    fn map<G>(self, wrap: impl FnOnce(F) -> G) -> StopRefused<G> {
        StopRefused { frontend: Box::new(wrap(*self.frontend)), error: self.error }
    }
}
