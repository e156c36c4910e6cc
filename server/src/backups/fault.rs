//! What goes wrong with a target: why, and what a person can do about it.

use std::fmt;
use std::time::Duration;

use aurochs_engine::backup::{BackupError, ErrorKind, StoreError, UrlError};

/// A sentence for people without its full stop, and the next one. No secret is in either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub message: String,
    pub next_step: String,
    /// Which part failed: `address`, `credentials`, `connect`, `list`, `write`, `read`, `delete`; empty where it is none.
    pub step: &'static str,
    /// It may pass by itself.
    pub is_transient: bool,
    /// What was asked for is not there.
    pub is_missing: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl Fault {
    fn new(step: &'static str, message: String, next_step: impl Into<String>) -> Self {
        Self { message, next_step: sentence(&next_step.into()), step, is_transient: false, is_missing: false }
    }

    #[must_use]
    pub(super) fn credentials(message: String, next_step: &str) -> Self {
        Self::new("credentials", message, next_step)
    }

    #[must_use]
    pub(super) fn address(error: &UrlError) -> Self {
        let (message, next_step) = split(&error.to_string());
        Self::new("address", message, next_step.unwrap_or_else(|| "Correct the address".to_owned()))
    }

    #[must_use]
    pub(crate) fn damaged(message: String) -> Self {
        Self::new("read", message, "Look at this file in the target; everything else can be used")
    }

    /// The name is somebody else's.
    #[must_use]
    pub(super) fn taken(message: String) -> Self {
        Self::new("", message, "Choose another name")
    }

    /// What is shown of a target is not of the address that it has now.
    #[must_use]
    pub(crate) fn moved(target: &str) -> Self {
        let message = format!("backup target {target} has not been read since it got its address");
        let next_step = "Let the target be read first; it is tried again by itself";
        Self { is_transient: true, ..Self::new("address", message, next_step) }
    }

    #[must_use]
    pub(crate) fn timeout(doing: impl fmt::Display, limit: Duration) -> Self {
        let message = format!("{doing} did not end within {} s", limit.as_secs());
        let next_step = "Look whether the server answers, and at the network to it; it is tried again by itself";
        Self { is_transient: true, ..Self::new("connect", message, next_step) }
    }
}

/// Begins with a large letter and ends with a full stop.
fn sentence(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), letters.as_str()),
        None => String::new(),
    }
}

/// What the library says: why, and behind the first semicolon what to do.
fn split(text: &str) -> (String, Option<String>) {
    match text.split_once("; ") {
        Some((why, what)) => (why.to_owned(), Some(what.to_owned())),
        None => (text.to_owned(), None),
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        let message = format!("cannot {} {}: {}", error.operation(), error.subject(), error.reason());
        let kind = error.kind();
        let step = match kind {
            ErrorKind::Credentials => "credentials",
            ErrorKind::Unreachable | ErrorKind::Certificate | ErrorKind::ClockSkew | ErrorKind::Mount => "connect",
            _ => step_of(error.operation()),
        };
        Self {
            is_transient: kind.is_transient(),
            is_missing: kind == ErrorKind::NotFound,
            ..Self::new(step, message, error.next_step())
        }
    }
}

/// The library's word for what it did, as this API names it.
#[must_use]
pub(super) fn step_of(operation: &str) -> &'static str {
    match operation {
        "open" | "mount" => "connect",
        "list" => "list",
        "put" => "write",
        "get" | "look up" => "read",
        "remove" => "delete",
        _ => "",
    }
}

impl From<BackupError> for Fault {
    fn from(error: BackupError) -> Self {
        let (is_transient, is_missing) = (error.is_transient(), error.is_not_found());
        if let BackupError::Store(store) = error {
            return store.into();
        }
        let (message, next_step) = split(&error.to_string());
        let next_step = next_step.unwrap_or_else(|| "Look at this file in the target".to_owned());
        Self { is_transient, is_missing, ..Self::new("", message, next_step) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_is_a_sentence_of_its_own() {
        let fault: Fault = BackupError::InProgress { backup: "b".into() }.into();
        assert!(fault.message.starts_with("backup \"b\" is not complete"), "{fault:?}");
        assert!(fault.next_step.starts_with("Let it end") && fault.next_step.ends_with('.'), "{fault:?}");
        let fault = Fault::credentials("there is none".into(), "write one");
        assert_eq!((fault.next_step.as_str(), fault.step), ("Write one.", "credentials"));
        assert_eq!(sentence(" "), "");
    }
}
