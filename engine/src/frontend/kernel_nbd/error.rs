//! Why the kernel's NBD client could not be given the volume.

use std::io;

use crate::frontend::block_error::BlockError;

pub(super) fn no_driver(source: io::Error) -> BlockError {
    let remedy = "load it with `modprobe nbd`, in the node's network namespace";
    BlockError::NoDriver { driver: "NBD", source, remedy }
}
