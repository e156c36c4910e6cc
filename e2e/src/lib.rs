//! A whole installation for process tests: the real manager with three nodes, its API, and the tools to use and to
//! break it.
//!
//! [`Installation`] starts `aurochs serve` in a directory of its own and ends everything when it is dropped;
//! [`SchemaClient`] is a client made from what the manager
//! tells of itself; [`ControlPlane`] is a Kubernetes API server; [`Guard`] cleans up after a test that was killed; [`Mounted`]
//! holds a file system on a volume; [`tree`] compares directory trees by checksum.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test fixture fails by panicking, and says why")]

pub mod control_plane;
pub mod device;
pub mod guard;
pub mod installation;
pub mod processes;
pub mod schema_client;
pub mod tree;

pub use control_plane::ControlPlane;
pub use device::Mounted;
pub use guard::Guard;
pub use installation::{ApiError, Installation};
pub use schema_client::SchemaClient;

use std::time::Duration;

/// Longest wait for anything; whoever needs it has failed.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Pause between two looks at a state that has no event to wait for.
pub const LOOK: Duration = Duration::from_millis(50);
