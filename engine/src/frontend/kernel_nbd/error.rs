//! Why the kernel's NBD client could not be given the volume, or could not be parted from it.

use std::io;

pub use crate::frontend::block_error::BlockError as KernelNbdError;
pub(super) use crate::frontend::block_error::Explain;

pub(super) fn no_driver(source: io::Error) -> KernelNbdError {
    let remedy = "load it with `modprobe nbd`, in the node's network namespace";
    KernelNbdError::NoDriver { driver: "NBD", source, remedy }
}
