//! What every running frontend can do, whatever its kind.

use std::fmt;
use std::future::Future;

use super::iscsi::IscsiError;
use super::nbd::NbdError;
use super::{BlockError, Resizer};

/// The ways of offering a volume, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrontendKind {
    /// A block device by the kernel's userspace block driver.
    Ublk,
    /// A block device by the kernel's own NBD client.
    NbdKernel,
    /// A SCSI disk by the host's iSCSI initiator.
    IscsiKernel,
    /// A block device by a loop device over a FUSE file.
    FuseLoop,
    /// An NBD server for any client, without root.
    Nbd,
    /// An iSCSI target for any initiator, without root.
    Iscsi,
}

impl FrontendKind {
    /// All kinds, best first.
    pub const ALL: [Self; 6] = [Self::Ublk, Self::NbdKernel, Self::IscsiKernel, Self::FuseLoop, Self::Nbd, Self::Iscsi];

    /// The name in settings, in the API and in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ublk => "ublk",
            Self::NbdKernel => "nbd-kernel",
            Self::IscsiKernel => "iscsi-kernel",
            Self::FuseLoop => "fuse-loop",
            Self::Nbd => "nbd",
            Self::Iscsi => "iscsi",
        }
    }

    /// Whether this kind gives a block device on the node.
    #[must_use]
    pub fn gives_block_device(self) -> bool {
        !matches!(self, Self::Nbd | Self::Iscsi)
    }
}

impl fmt::Display for FrontendKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A frontend that serves a volume until it is stopped. Dropping one ends it too, without waiting for anybody.
pub trait Frontend: Sized + Send {
    fn kind(&self) -> FrontendKind;

    /// Where users find the volume: the path of a block device or a URI.
    fn endpoint(&self) -> String;

    /// What tells the users of this frontend that its device has grown.
    fn resizer(&self) -> Resizer;

    /// Stops serving: no new requests, those in flight are finished, nothing stays behind.
    ///
    /// # Errors
    /// When the volume is still in use, the frontend goes on serving and is handed back with the reason. `force`
    /// detaches all the same, as far as the kernel allows; users of the device then see I/O errors.
    fn stop(self, force: bool) -> impl Future<Output = Result<(), StopRefused<Self>>> + Send;
}

/// A frontend that could not be stopped and is still there.
#[derive(Debug)]
pub struct StopRefused<F> {
    pub frontend: Box<F>,
    pub error: FrontendError,
}

/// Why a frontend could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum FrontendError {
    #[error(transparent)]
    Nbd(#[from] NbdError),
    #[error(transparent)]
    Block(#[from] BlockError),
    #[error(transparent)]
    Iscsi(#[from] IscsiError),
}
