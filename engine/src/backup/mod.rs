//! Backups in Longhorn's backup store, on S3, Azure, NFS, CIFS or a local directory.
//!
//! | file | holds |
//! |---|---|
//! | [`target`] | what people write down: URLs and credentials; and the access to each kind of target |
//! | [`store`] | what can be done with a target, whatever its kind: read, write whole objects, list, remove, test |
//! | [`names`], [`layout`] | which names are valid, and where everything lies |
//! | [`volume_record`], [`backup_record`] | what a store knows of a volume and of a backup, byte for byte |
//! | [`labels`] | how many labels a record may have |
//! | [`block`] | names and files of blocks |
//! | [`lock`] | who may use a volume of a store, Longhorn included |
//! | [`source`], [`sink`] | what a backup reads and a restore writes: a volume, a directory |
//! | [`create`](mod@create), [`restore`](mod@restore), [`delete`], [`list`], [`verify`](mod@verify) | what can be done with backups |
//! | [`lazy`] | a backup whose blocks are fetched one by one, as they are needed |
//! | [`image`] | a backup as an image file |
//! | [`offline_source`] | a snapshot in a replica directory that nobody serves, to be backed up |
//! | [`progress`] | how far it is |
//! | [`backing_image`] | backups of the images that volumes stand on |
//! | [`system`] | backups of all resources in a zip |
//! | [`browse`] | files out of a backup or a snapshot |
//!
//! The way of a block into a store: `source` → `create/upload` → `block` → `store`; and back: `store` → `fetch` →
//! `block` → `restore` → `sink`. `docs/backups.md` says how to use it, and what differs from Longhorn.

pub mod backing_image;
pub mod backup_record;
pub mod block;
pub mod browse;
mod budget;
pub mod create;
pub mod delete;
mod error;
mod fetch;
pub mod image;
mod json;
pub mod labels;
pub mod layout;
pub mod lazy;
pub mod list;
pub mod lock;
pub mod names;
pub mod offline_source;
pub mod progress;
pub mod restore;
pub mod sink;
pub mod source;
pub mod store;
mod store_access;
pub mod system;
pub mod target;
pub mod verify;
pub mod volume_record;

pub use backup_record::BackupRecord;
pub use create::{CreateRequest, Created, Mode, create};
pub use delete::{Deleted, delete_backup, delete_volume};
pub use error::BackupError;
pub use list::{
    BackupSummary, ListedBackup, Read, ReadBackups, ReadVolume, list_backups, list_volumes, read_backups, read_volume,
};
pub use lock::LockTimes;
pub use progress::{Amounts, Progress};
pub use restore::{Held, RestoreRequest, Restored, restore};
pub use sink::{BlockSink, SinkError};
pub use source::{Base, BlockSource, Ranges, SourceError};
pub use store::{Entry, Found, Listing, Settings, Store, TestReport};
pub use target::{BackupUrl, Credentials, ErrorKind, Place, StoreError, Target, TargetUrl, UrlError};
pub use verify::{Verification, verify};
pub use volume_record::VolumeRecord;
