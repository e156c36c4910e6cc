//! Backups in Longhorn's backup store, on S3, Azure, NFS, CIFS or a local directory.
//!
//! | file | holds |
//! |---|---|
//! | [`target`] | what people write down: URLs and credentials; and the access to each kind of target |
//! | [`store`] | what can be done with a target, whatever its kind: read, write whole objects, list, remove, test |
//! | [`source`], [`sink`] | what a backup reads and a restore writes: a volume, a directory, a file |
//! | [`create`](mod@create), [`restore`](mod@restore) | requests and their ways |
//! | [`block`] | names and files of blocks |
//! | [`names`] | which names are valid |
//! | [`progress`] | how far it is |

pub mod block;
pub mod create;
mod error;
pub mod names;
pub mod progress;
pub mod restore;
pub mod sink;
pub mod source;
pub mod store;
pub mod target;

pub use create::{CreateRequest, Created, Mode};
pub use error::BackupError;
pub use progress::{Amounts, Progress};
pub use restore::{RestoreRequest, Restored};
pub use sink::{BlockSink, SinkError};
pub use source::{Base, BlockSource, SourceError};
pub use store::{Entry, Found, Listing, Settings, Store, TestReport};
pub use target::{BackupUrl, Credentials, ErrorKind, Place, StoreError, Target, TargetUrl, UrlError};
