//! The few ways in which all operations use a store.

use bytes::Bytes;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::BackupError;
use super::store::{Entry, Store};
use super::target::{ErrorKind, StoreError};

/// An object that is never large; `None`: there is none. One that is, is damaged, and not taken into memory.
///
/// # Errors
/// The store's, or [`BackupError::Damaged`].
pub(super) async fn read_small(store: &Store, path: &str, limit: u64) -> Result<Option<Bytes>, BackupError> {
    match store.read_at_most(path, limit).await {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == ErrorKind::Damaged => {
            Err(BackupError::Damaged { path: path.to_owned(), why: error.reason().to_owned() })
        }
        Err(error) => Err(error.into()),
    }
}

/// An object of any size that a record may have; `None`: there is none.
pub(super) async fn read(store: &Store, path: &str) -> Result<Option<Bytes>, StoreError> {
    match store.read(path).await {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Tells one content of an object from the next: what the server calls it, else its time and size.
pub(super) fn version_of(entry: &Entry) -> String {
    let stamp = || format!("{}-{}", entry.modified.unix_timestamp_nanos(), entry.size);
    entry.version.clone().unwrap_or_else(stamp)
}

/// The present as records have it: RFC 3339, UTC, whole seconds.
pub(super) fn now_text() -> String {
    let now = OffsetDateTime::now_utc();
    now.replace_nanosecond(0).unwrap_or(now).format(&Rfc3339).unwrap_or_default()
}

/// A time of a record, if it is one.
pub(super) fn parse_time(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}
