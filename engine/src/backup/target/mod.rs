//! Places that keep backups, and the way to each kind of them.
//!
//! | file | holds |
//! |---|---|
//! | `url` | the URL of a target, and of a backup in it |
//! | `credentials` | keys and certificates of a target; never shown |
//! | `fault` | [`StoreError`]: what failed, why, and what to do |
//! | `blocking` | threads for file systems that may never answer |
//! | `local` | a directory: of this machine, or of a mounted NFS or CIFS share |

pub(crate) mod blocking;
mod credentials;
mod fault;
pub(crate) mod local;
mod url;

pub use credentials::{Credentials, NAMES as CREDENTIAL_NAMES};
pub use fault::{ErrorKind, StoreError};
pub use url::{BackupUrl, Place, TargetUrl, UrlError};

/// A place that keeps backups, with what is needed to get there.
#[derive(Clone, Debug)]
pub struct Target {
    pub url: TargetUrl,
    pub credentials: Credentials,
}
