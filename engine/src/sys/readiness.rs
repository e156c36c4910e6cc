//! Waiting for a descriptor with the runtime.

use std::fs::File;
use std::io;
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Lets the runtime say when `file` is ready. Needs a tokio runtime; the file has to be open so that calls do not wait.
pub(crate) fn of(file: Arc<File>, interest: Interest) -> io::Result<AsyncFd<Arc<File>>> {
    // SAFETY: a `File` keeps its descriptor open, and the same, until it is dropped, which is not before this `Arc` is.
    Ok(unsafe { AsyncFd::register_with_interest(file, interest) }?)
}
