//! Why the kernel's userspace block driver could not be given the volume, or could not be parted from it.

use std::io;

pub use crate::frontend::block_error::BlockError as UblkError;
pub(super) use crate::frontend::block_error::Explain;

pub(super) fn no_driver(source: io::Error) -> UblkError {
    let remedy = "load it with `modprobe ublk_drv` and allow io_uring (kernel.io_uring_disabled)";
    UblkError::NoDriver { driver: "ublk", source, remedy }
}
