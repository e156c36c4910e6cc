//! How a volume is offered to the kernel and to clients.
//!
//! A frontend serves one [`BlockDevice`]. It keeps no data: a write is acknowledged to the client only after the
//! device has acknowledged it, and a flush only after the device has flushed.

mod allocation;
mod block;
mod block_error;
pub mod choice;
pub mod forget;
pub mod freeze;
pub mod fuse_loop;
mod gathered_writer;
mod in_flight;
mod inherited;
pub mod iscsi;
pub mod kernel_nbd;
pub mod nbd;
mod node;
mod open_mount;
mod read_modify_write;
mod release;
mod resize;
mod running;
pub mod scsi;
mod serve;
mod server;
pub mod tenure;
pub mod ublk;

use std::future::Future;

use crate::disk::AlignedBuf;

pub use allocation::{Allocation, Extent};
pub use block_error::BlockError;
pub use fuse_loop::mounted_at;
pub(crate) use fuse_loop::mounts::mounts_of;
pub use open_mount::{OpenMount, open_mount};
pub use read_modify_write::Unchanged;
pub use resize::Resizer;
pub use running::{Frontend, FrontendError, FrontendKind, StopRefused};
pub use serve::{Offering, ServeConfig, Serving, serve};

/// How far a write has to have got before it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// In the disks' hands; a volatile cache may still hold it (a plain write).
    Written,
    /// On stable storage of every replica (FUA).
    Stable,
}

/// Why a request on a volume failed, as frontends tell it to their clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoErrorKind {
    /// The request reaches past the end of the volume (`EINVAL` for reads, `ENOSPC` for writes).
    OutOfRange,
    /// No room is left on the disks of the replicas (`ENOSPC`).
    NoSpace,
    /// No replica could serve it (`EIO`).
    Io,
    /// The volume is being detached (`ESHUTDOWN`).
    Shutdown,
    /// A newer engine owns the volume (`EIO`).
    Fenced,
}

/// A failed request: the kind decides the error number, the text is for people.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct IoError {
    pub kind: IoErrorKind,
    pub message: String,
}

impl IoError {
    pub fn new(kind: IoErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// What a frontend serves. Offsets and lengths are in bytes, any alignment. All methods may be called
/// concurrently; overlapping requests are ordered by the device.
pub trait BlockDevice: Send + Sync + 'static {
    /// Size of the volume in bytes; it may grow while it is served, and never shrinks.
    fn size(&self) -> u64;
    fn read(&self, offset: u64, length: u32) -> impl Future<Output = Result<AlignedBuf, IoError>> + Send;
    fn write(
        &self,
        offset: u64,
        data: AlignedBuf,
        durability: Durability,
    ) -> impl Future<Output = Result<(), IoError>> + Send;
    /// Returns when every write acknowledged before the call is on stable storage of every replica.
    fn flush(&self) -> impl Future<Output = Result<(), IoError>> + Send;
    /// Gives space back. Afterwards the range reads as zeros or as an older snapshot's data, the same on every
    /// replica. Trims inwards to whole blocks.
    fn discard(&self, offset: u64, length: u64) -> impl Future<Output = Result<(), IoError>> + Send;
    /// Afterwards the range reads as zeros. `may_unmap`: space may be given back where no snapshot shows through.
    fn write_zeroes(
        &self,
        offset: u64,
        length: u64,
        may_unmap: bool,
        durability: Durability,
    ) -> impl Future<Output = Result<(), IoError>> + Send;
    /// Reads a range and writes what `change` makes of it, of the same length; `Err` of `change` writes nothing. No write of
    /// anybody, whichever frontend it comes from, lands in the range in between.
    ///
    /// What is here by itself is good for a device with one user only: it keeps nobody away.
    fn read_modify_write<N: Send + 'static>(
        &self,
        offset: u64,
        length: u32,
        durability: Durability,
        change: impl FnOnce(AlignedBuf) -> Result<AlignedBuf, N> + Send + 'static,
    ) -> impl Future<Output = Result<(), Unchanged<N>>> + Send {
        async move {
            let current = self.read(offset, length).await.map_err(Unchanged::NotRead)?;
            let changed = change(current).map_err(Unchanged::Declined)?;
            self.write(offset, changed, durability).await.map_err(Unchanged::NotWritten)
        }
    }
    /// The frontend that serves the device to the kernel has broken down for the reason that is told, and will not recover.
    /// Whoever owns the device may end the process, so that the next one takes over or starts anew.
    fn frontend_broke(&self, _reason: &str) {}
    /// Where data is in `length` bytes (at least one) from `offset` on: extents that follow one another without a gap from
    /// `offset` on. There is at least one; they may end before `offset + length`, and never lie behind it. A block whose
    /// write was acknowledged before the call is in no hole. A device that knows nothing calls everything data.
    fn allocation(&self, _offset: u64, length: u64) -> impl Future<Output = Result<Vec<Extent>, IoError>> + Send {
        std::future::ready(Ok(vec![Extent { length, state: Allocation::Data }]))
    }
}
