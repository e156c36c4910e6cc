//! The data plane of Aurochs: replicated block volumes in Longhorn's on-disk layout.
//!
//! The way of a write, file by file:
//! 1. [`frontend`] — `nbd` or `fuse_loop` turns what the kernel or a client asks into a call on a [`frontend::BlockDevice`];
//! 2. [`volume`] — `ordering` holds it back while an overlapping request is in flight, `fan_out` hands it to every replica;
//! 3. [`link`] — `client` frames it, `server` (in the replica's process) reads it;
//! 4. [`replica`] — `write` puts it into the head image and remembers where the newest data of each block lies;
//! 5. [`disk`] — aligned, owned buffers and direct I/O.
//!
//! The answer goes back the same way. A read takes the same path to one replica; a flush goes to all of them and
//! returns when every disk has synced.
//!
//! What changes layers (snapshot, revert, removal, expansion) is one request to all replicas under `volume::barrier`; what
//! takes long (rebuild, purge, clone, hash) runs beside I/O and shows in the status. Beside that path: [`backing`] is
//! the image under all layers, [`image_format`] reads and writes qcow2, `offline` looks at a directory that nobody
//! serves, [`mod@backup`] keeps snapshots in Longhorn's backup stores, [`instance`] keeps processes and control records, [`crash_point`] names every step a crash test
//! ends at, [`rule`] what a test leaves out to see that it would be missed.
//! `docs/engine.md` has the files, the steps of every operation, and what differs from Longhorn.
//!
//! Invariants (SAFETY.md): every acknowledged write is on every recorded member; at most one epoch completes I/O; a
//! replica outside the membership serves nothing; an acknowledged flush is on stable storage everywhere; a snapshot
//! never changes.

pub mod backing;
pub mod backup;
pub mod crash_point;
pub mod disk;
pub mod frontend;
pub mod grpc;
pub mod image_format;
pub mod instance;
pub mod link;
pub mod offline;
pub mod process;
pub mod rebuild;
pub mod replica;
pub mod rule;
pub mod sys;
pub mod volume;
