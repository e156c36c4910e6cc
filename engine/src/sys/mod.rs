//! The only unsafe code of this package: thin wrappers over the kernel's interfaces, each with its proof.
#![expect(unsafe_code, reason = "the one module that talks to the kernel directly; every block carries its proof")]

pub(crate) mod block_device;
pub(crate) mod bytes;
pub(crate) mod cached_read;
pub(crate) mod fiemap;
pub(crate) mod freeze;
pub(crate) mod io_flusher;
pub(crate) mod loop_device;
pub(crate) mod low_priority;
pub(crate) mod memory;
pub(crate) mod readiness;
/// Public for measuring what a disk does without a volume.
pub mod ring;
pub(crate) mod trim;
pub(crate) mod ublk_control;
pub(crate) mod ublk_queue;
pub(crate) mod write_back;
