//! What a node has and lacks for serving volumes, and what to do about it.
//!
//! [`kernel`] looks at the kernel and at what may be done with it, [`programs`] at installed programs, [`disks`] at the
//! directories that are to hold replicas; [`host`] is the machine as they see it. Nothing is changed.

mod disks;
mod host;
mod kernel;
mod programs;

use std::path::PathBuf;

use serde::Serialize;

use host::Host;

/// What it means that something is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Something of the product will not work.
    Warning,
    /// No volume can be served.
    Error,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// One word: `io-uring`, `package-nfs`.
    pub name: String,
    pub ok: bool,
    pub severity: Severity,
    /// What was found.
    pub message: String,
    /// What a person can do; empty when there is nothing to do.
    pub remedy: String,
}

impl Item {
    fn good(name: &str, severity: Severity, message: impl Into<String>) -> Self {
        Self { name: name.to_owned(), ok: true, severity, message: message.into(), remedy: String::new() }
    }

    fn bad(name: &str, severity: Severity, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name: name.to_owned(), ok: false, severity, message: message.into(), remedy: remedy.into() }
    }
}

/// Looks at this machine and at these directories. Blocks.
#[must_use]
pub fn check(disk_paths: &[PathBuf]) -> Vec<Item> {
    let host = Host::this();
    let mut items = kernel::check(&host);
    items.extend(programs::check(&host));
    items.extend(disks::check(disk_paths));
    items
}
