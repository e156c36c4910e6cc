//! What a backup of the whole installation holds: its resources, in the files that Longhorn has for them.
//!
//! ```text
//!   <name>/metadata.yaml                who made it
//!         /yamls/longhorn/<kind>.yaml   a list of resources: settings, engine images, volumes, recurring jobs, …
//! ```
//! 1. [`contents`] — the resources as files; 2. [`archive`] — the files as a zip, and back;
//! 3. [`found`] — what is in files that anybody may have written.
//!
//! When one is made, and how it is brought back, is the business of [`crate::controllers::system_backup`] and
//! [`crate::controllers::system_restore`]. What Kubernetes alone has (its own objects, definitions of resources) is not written by
//! an installation without Kubernetes, and is left alone where it is found. No secret is in it: credentials of targets, users,
//! targets of notifications are kept elsewhere.

pub mod archive;
pub mod contents;
pub mod found;

/// As a version is named in a target.
#[must_use]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Who makes it, where Longhorn has the manager's image.
#[must_use]
pub fn manager_image() -> String {
    format!("aurochs:{}", version())
}
