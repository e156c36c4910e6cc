//! The real driver over a real manager with three nodes on this machine: everything from `CreateVolume` to `DeleteVolume`, with
//! file systems and devices of this kernel. Needs root and `aurochs` (`AUROCHS_BIN_DIR`, else beside this binary's directory).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod blocks;
mod conformance;
mod content;
mod encryption;
mod expansion;
mod installation;
mod life;
mod repeated;
mod restores;
mod stubborn;
mod volume;
