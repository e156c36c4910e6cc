//! The CSI driver `driver.longhorn.io`: Kubernetes asks it for volumes, it asks the manager, over REST.
//!
//! A pod gets its volume so; each step may be repeated at any time, and is then answered by what is there already:
//! 1. `CreateVolume` ([`controller`]): the manager makes a volume, empty or of a snapshot, a backup, another volume.
//! 2. `ControllerPublishVolume`: a ticket attaches it to the pod's node; the device `/dev/longhorn/<volume>` appears there.
//! 3. `NodeStageVolume` ([`node`]): the device, or its plain side where it is encrypted, is formatted if it is empty, checked,
//!    mounted once for the node, grown.
//! 4. `NodePublishVolume`: that mount, or the device itself, is bound to where the pod sees it.
//!
//! `NodeUnpublishVolume`, `NodeUnstageVolume`, `ControllerUnpublishVolume` and `DeleteVolume` are the way back.
//!
//! # Invariants of the node's part
//! 1. A device is formatted only when it was read without error, nothing that is known was found on it, and where file systems
//!    and their like begin and end there are zeros (`node::content`). A device that can't be read is not empty.
//! 2. Nobody else has the device while that is found out and done: it is opened for us alone.
//! 3. A file system that may hold what was not written yet is never unmounted lazily: the staging mount goes by a plain
//!    unmount, which writes it out, and the call fails as long as it can't. Lazily go only mounts of devices that are not the
//!    volume's any more, and binds of a file system that stays mounted at its staging path.
//! 4. `NodeUnstageVolume` succeeds when nobody on this machine has the device's file system mounted, in whatever namespace;
//!    what was written is with the volume then. So a detach that follows takes nothing away.
//! 5. Nothing is removed recursively: what is not ours and not empty stays.
//!
//! A call that its caller gave up goes on to its end ([`driver`]); for each volume one call works at a time ([`turns`]).

pub mod arguments;
pub mod capability;
pub mod controller;
pub mod driver;
pub mod failure;
pub mod handle;
pub mod identity;
pub mod manager;
pub mod names;
pub mod node;
pub mod parameters;
pub mod server;
pub mod size;
pub mod socket;
pub mod turns;
pub mod wait;

/// `proto/csi.proto`.
#[allow(
    clippy::all,
    clippy::pedantic,
    unreachable_pub,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    rustdoc::all,
    reason = "generated code"
)]
pub mod csi {
    tonic::include_proto!("csi.v1");
}
