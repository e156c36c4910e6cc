//! Places that keep backups, and the way to each kind of them.
//!
//! | file | holds |
//! |---|---|
//! | `url` | the URL of a target, and of a backup in it |
//! | `credentials` | keys and certificates of a target; never shown |
//! | `fault` | [`StoreError`]: what failed, why, and what to do |
//! | `s3`, `azure` | from URL and credentials to a client of `object_store` |
//! | `objects` | reading, writing and listing through such a client |
//! | `http` | the HTTP beneath it: proxies, trust, limits, retries |
//! | `trust` | whose certificates are good |
//! | `answer` | what a refusal, or no answer, means |
//! | `foreign` | names in a bucket that are nobody's backups and would spoil a listing |
//! | `share`, `mount` | NFS and CIFS: what mount(8) is asked, and how it is run |
//! | `files` | the calls of a store on a directory |
//! | `local` | a directory: of this machine, or of a mounted NFS or CIFS share |
//! | `blocking` | threads for file systems that may never answer |
//! | `silence` | when a server that answers nobody is given up, for all that wait for it |

mod answer;
pub(crate) mod azure;
pub(crate) mod blocking;
mod credentials;
mod fault;
pub(crate) mod files;
mod foreign;
mod http;
pub(crate) mod local;
pub(crate) mod mount;
pub(crate) mod objects;
pub(crate) mod s3;
pub(crate) mod share;
pub(crate) mod silence;
mod trust;
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

/// The host of an endpoint's URL, as requests to it have it.
fn host_of(endpoint: &str) -> Option<String> {
    let uri: ::http::Uri = endpoint.parse().ok()?;
    uri.host().map(str::to_owned)
}
