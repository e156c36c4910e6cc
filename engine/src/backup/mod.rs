//! Backups in Longhorn's backup store, on S3, Azure, NFS, CIFS or a local directory.

pub mod backup_record;
pub mod block;
mod budget;
pub mod create;
mod error;
mod json;
pub mod layout;
pub mod lock;
pub mod names;
pub mod progress;
pub mod restore;
pub mod sink;
pub mod source;
pub mod store;
mod store_access;
pub mod target;
pub mod volume_record;

pub use create::{CreateRequest, Created, Mode, create};
pub use error::BackupError;
pub use progress::{Amounts, Progress};
pub use restore::{RestoreRequest, Restored};
pub use sink::{BlockSink, SinkError};
pub use source::{Base, BlockSource, SourceError};
pub use store::{Entry, Found, Listing, Settings, Store, TestReport};
pub use target::{BackupUrl, Credentials, ErrorKind, Place, StoreError, Target, TargetUrl, UrlError};
