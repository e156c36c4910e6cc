//! The backing images on a node's disks: fetched, received, exported, copied, told of, read and removed.
//!
//! | file | holds |
//! |---|---|
//! | `place` | where an image lies, and which names are none |
//! | `record` | `backing.cfg`, Longhorn's description beside the file |
//! | `sink` | the way of content onto the disk: in order, hashed, with holes for zeros |
//! | `seal` | what makes a written file an image |
//! | `download`, `upload`, `export`, `copy`, `restore` | where content comes from |
//! | `backup` | the way of content into a backup target |
//! | `works` | what is being made, and what could not be |
//! | `listing`, `reading` | what there is, and its content |
//! | `rpc` | errors as messages |
//!
//! ```text
//!            begin                    content whole, checksum right
//!   (none) ────────► backing.tmp ──────────────────────────────────► backing.cfg, then backing
//!      ▲                 │ anything else, a crash too
//!      └─────────────────┘
//! ```
//! Invariants:
//! - under the name `backing` there is nothing, or all of an image: content is written into `backing.tmp`, made durable,
//!   compared with the checksum that it must have, and described in `backing.cfg` before it is renamed;
//! - an image that is there never changes. One whose size or time is not what `backing.cfg` says is read through again
//!   before anybody gets to use it, and must have the checksum that it had;
//! - one place has at most one that writes to it;
//! - nothing is written on another disk than the wished one, nor on the file system below a mount that is missing;
//! - memory does not depend on the size of an image.

mod backup;
mod copy;
mod download;
mod error;
mod export;
mod listing;
mod place;
mod progress;
mod reading;
mod record;
mod restore;
mod rpc;
mod seal;
mod sink;
#[cfg(test)]
mod tests;
mod upload;
mod works;

pub use error::ImageError;
pub use place::Place;
pub use works::Images;

pub(in crate::instance) use backup::back_up;
pub(in crate::instance) use reading::parts;
pub(in crate::instance) use rpc::image_status;
