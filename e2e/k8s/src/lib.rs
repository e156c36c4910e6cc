//! Tests on a real Kubernetes with a node: what `cluster.sh` starts, with our manager, our CSI plugin and the real sidecars on it.
//!
//! [`kubectl`] asks the API server, and waits for what it tells; [`Product`] is what a user installs, there once for all tests of
//! a process; [`Namespace`] is a test's own, and goes with all that is in it; [`Pod`] runs a command inside; [`processes`] are killed;
//! a [`Visitor`] opens the dashboard.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test fixture fails by panicking, and says why")]

pub mod kubectl;
pub mod namespace;
pub mod pod;
pub mod processes;
pub mod product;
pub mod visitor;

pub use namespace::Namespace;
pub use pod::Pod;
pub use product::Product;
pub use visitor::Visitor;

use std::path::PathBuf;

/// Longest wait for anything, as kubectl has it; whoever needs it has failed.
pub const PATIENCE: &str = "240s";

/// A directory of the cluster that this runs in.
///
/// # Panics
/// Outside of `cluster.sh`.
#[must_use]
pub fn directory() -> PathBuf {
    let directory = std::env::var_os("CLUSTER_DIR");
    PathBuf::from(directory.unwrap_or_else(|| panic!("run by e2e/k8s/cluster.sh (make test-k8s)")))
}

/// A variable of `cluster.sh`.
///
/// # Panics
/// Outside of it.
#[must_use]
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run by e2e/k8s/cluster.sh (make test-k8s)"))
}
