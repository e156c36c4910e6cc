//! Buffers and direct I/O on image files.

pub mod buffer;
pub(crate) mod cached;
pub(crate) mod fault;
pub(crate) mod gathered;
pub(crate) mod image;
pub(crate) mod pool;
pub(crate) mod queue;
pub(crate) mod sums;
pub(crate) mod zeros;

pub use buffer::AlignedBuf;
pub use image::DiskError;

/// Tracking granularity of a replica, and the alignment of all image I/O, in bytes
/// (Longhorn's "volume sector"; `volume.meta`'s `SectorSize` of 512 is something else).
pub const BLOCK_SIZE: u64 = 4096;
