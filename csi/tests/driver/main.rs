//! The real driver over a real manager with three nodes on this machine: everything from `CreateVolume` to `DeleteVolume`, with
//! file systems and devices of this kernel. Needs root and `aurochs` (`AUROCHS_BIN_DIR`, else beside this binary's directory).

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
