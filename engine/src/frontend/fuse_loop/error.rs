//! Why the block device could not be set up or taken down.

pub use crate::frontend::block_error::BlockError as FuseLoopError;
pub(in crate::frontend) use crate::frontend::block_error::Explain;
