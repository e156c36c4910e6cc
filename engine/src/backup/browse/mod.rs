//! Files out of a snapshot or a backup, without restoring it: listed, read, packed into a tar. Nothing is ever written.
//!
//! 1. [`ReadAt`] — where the bytes come from: a replica directory, a snapshot of a running volume, a backup
//!    ([`source`]);
//! 2. [`cache`] — at most 32 MiB of them, and the end of all reading when whoever asked has gone;
//! 3. [`partition`] and [`detect`] — where on the disk a file system is, and which one;
//! 4. [`ext`] (ext2, ext3, ext4) and [`fat`] — how it is read, behind [`FileSystem`];
//! 5. [`Browser`] — what people ask: a path, a list, a file, a folder as [`tar`]; [`name_text`] — names as text.
//!
//! Invariants:
//! - **The image is not trusted.** It may be damaged, or made to do harm. Every length is checked before memory is taken for
//!   it, every loop has a bound that does not come from the image, and nothing an image says leads outside of it.
//! - **What is read is what a mount would show**, or an error. An ext4 that was not unmounted is read through its journal,
//!   as it would be after the mount that replays it; a file that was allocated and never written reads as zeros.
//! - **Nobody waits for ever**: reading ends at the next block when [`Cancel`] is told.
//!
//! The readers are our own. Of the crates for ext4, `ext4-view` 1.0.0 is the best kept one, and it shows other content
//! than a mount does: space that was allocated and never written is read as data, blocks that the journal has revoked are
//! replayed all the same, and a journal that goes round its end is read only up to there.

mod browser;
pub mod cache;
pub mod detect;
mod entry;
mod error;
mod ext;
mod fat;
mod filesystem;
pub mod name_text;
pub mod partition;
mod path;
pub mod source;
mod sparse;
pub mod tar;
#[cfg(test)]
mod tests;

pub use browser::{Browser, FileReader, Listing};
pub use cache::{Cancel, ReadAt};
pub use entry::{Entry, Kind, Node};
pub use error::BrowseError;
pub use filesystem::{Extent, FileSystem, Visit};
pub use path::ImagePath;
