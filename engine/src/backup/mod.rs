//! Backups in Longhorn's backup store, on S3, Azure, NFS, CIFS or a local directory.
//!
//! | file | holds |
//! |---|---|
//! | [`target`] | what people write down: URLs and credentials; and the access to each kind of target |
//! | [`store`] | what can be done with a target, whatever its kind: read, write whole objects, list, remove, test |

pub mod store;
pub mod target;

pub use store::{Entry, Found, Listing, Settings, Store, TestReport};
pub use target::{BackupUrl, Credentials, ErrorKind, Place, StoreError, Target, TargetUrl, UrlError};
