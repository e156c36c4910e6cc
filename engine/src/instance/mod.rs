//! The instance manager: one per node, outlives the manager.
//!
//! `process` starts (with `arguments`), watches and stops engine and replica processes, which outlive it in turn:
//! `adoption` finds them again after a restart. `records` keeps the volumes' control records, or asks the API server of a cluster for them, `ports` are those of the processes that other machines reach, `disk` knows the node's
//! disks, `images` keeps backing images on them, `environment` knows what the node has and lacks, `trim` gives back what file systems on volumes do not use, `host` shows a container the node's directories, `service` is
//! the gRPC face of all that.

pub mod adoption;
mod arguments;
pub mod disk;
pub mod environment;
pub mod host;
pub mod images;
mod ports;
pub mod process;
pub mod records;
pub mod service;
pub mod trim;
