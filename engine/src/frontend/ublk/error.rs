//! Why the kernel's userspace block driver could not be given the volume.

use std::io;

use crate::frontend::block_error::BlockError;

pub(super) fn no_driver(source: io::Error) -> BlockError {
    let remedy = "load it with `modprobe ublk_drv` and allow io_uring (kernel.io_uring_disabled)";
    BlockError::NoDriver { driver: "ublk", source, remedy }
}
