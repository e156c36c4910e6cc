//! Backups of backing images (formats.md §14): one for each image of a target, under the image's name.
//!
//! | file | holds |
//! |---|---|
//! | `record` | `backing-image.cfg`, byte for byte |
//! | `create`, `restore`, `delete`, `list` | what can be done with them |
//!
//! All images share their blocks and their locks. Blocks have 2 MiB, the last of an image is as short as the image leaves
//! it. Only blocks with data are listed; the rest of the file is zeros.
//!
//! Invariants: a record without a time of completion is no backup, and keeps all blocks from being cleared away; what is
//! restored has the checksum of the whole file that the record tells, or nobody gets to see it (whoever restores
//! compares it).

mod create;
mod delete;
mod list;
mod record;
mod restore;

pub use create::{CreateImageRequest, create, create_with};
pub use delete::{delete, delete_with};
pub use list::{ListedImage, list};
pub use record::BackingImageRecord;
pub use restore::{ImageBlock, restore, restore_with};

/// Bytes of a block.
pub const BLOCK_SIZE: u64 = 2 << 20;
