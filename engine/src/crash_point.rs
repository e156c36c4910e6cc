//! Named places in the middle of operations at which a test can end the process.
//!
//! A crash between two steps is the rule that every operation has to survive, so each step that changes a file (or
//! tells another process) and is followed by another has a name here. Tests start a process with
//! `AUROCHS_CRASH_AT=<name>` (or `<name>:<n>`: the n-th time it is reached) and it kills itself there, with all its
//! threads, as `kill -9` would. With `AUROCHS_CRASH_LIST=<file>` it writes every name that it reaches to the file, a
//! line each, so that a test can see what there is to go through. A release build has neither the look-up nor the
//! variables.
//!
//! `engine/tests/crash_points` ends a process at every one of them and fails for a name that nothing reaches.

/// Every name, so that a test can go through all of them and notice one that nothing reaches. A name is the operation,
/// a dot, and the step that has just been done.
pub const ALL: &[&str] = &[
    // Any small file, and any layer that goes.
    "replace.written",
    "replace.renamed",
    "remove-layer.file-removed",
    // The directory of a replica.
    "create.counter-made",
    "create.head-made",
    "create.head-described",
    "create.committed",
    "open.marked-dirty",
    "open.fence-stored",
    "open.sums-judged",
    "sums.synced",
    "sums.set-aside",
    "sums.back",
    "regions.bound",
    "regions.marked",
    "regions.cleared",
    "regions.absent-noted",
    "open.tidied",
    "open.unfinished-writes-gone",
    "fence.raised",
    "close.synced",
    "close.committed",
    "delete.layer-file-removed",
    "delete.small-file-removed",
    // Data.
    "write.in-image",
    "discard.punched",
    "flush.head-synced",
    // Layers.
    "fresh-head.image-made",
    "fresh-head.described",
    "fresh-head.committed",
    "snapshot.image-linked",
    "snapshot.prepared",
    "snapshot.described",
    "snapshot.old-head-removed",
    "abandon.one-marked",
    "abandon.marked",
    "abandon.images-removed",
    "abandon.mark-removed",
    "remove.marked",
    "expand.head-synced",
    "expand.taken",
    "remote.map-stored",
    "remote.mark-gone",
    "catch-up.marked",
    "catch-up.begun",
    "rebuild.begun",
    "rebuild.head-replaced",
    "rebuild.others-dropped",
    "rebuild.layer-image-made",
    "rebuild.layer-made",
    "rebuild.layer-written",
    "rebuild.synced",
    "rebuild.committed",
    // The replica's process, when an engine says HELLO.
    "hello.opened",
    "hello.fenced",
    // The engine of a volume.
    "volume-start.agreed",
    "volume-start.recorded",
    "barrier.member-answered",
    "barrier.done",
    "expand.done-on-replicas",
    "membership.recorded",
    "membership.absent-noted",
    "reconcile.region-equal",
    "join.recorded",
    "join.snapshot-taken",
    "join.begun",
    "join.group-copied",
    "join.caught-up-begun",
    "join.region-copied",
    "join.copied",
    "join.finished",
    "join.compared",
    "join.told",
    "membership.promoted-told",
    "volume-close.flushed",
    "volume-close.members-closed",
    "volume-close.recorded",
    // The keeper of control records.
    "record.written",
    "record.renamed",
    // Filling a volume with the content of another.
    "fill.image-made",
    "fill.synced",
    "fill.meta-written",
    "fill.named",
    "fill.head-made",
    "fill.committed",
    "clone.begun",
    "clone.data-written",
    "clone.filled",
    "clone.finished",
    // Restoring a backup.
    "restore.begun",
    "restore.marked",
    "restore.data-written",
    "restore.data-zeroed",
    "restore.flushed",
    "restore.taken",
    "restore.older-dropped",
    // A restore while the volume is in use.
    "lazy.introduced",
    "lazy.part-placed",
    "lazy.placed",
    "lazy.overwritten",
    "lazy.flushed",
    "lazy.member-answered",
    "lazy.cleared",
    "lazy.handed-over",
    "lazy.snapshots-dropped",
    "lazy.retired",
    // Hashes of snapshots, and starts that need more.
    "hash.lock-taken",
    "hash.summed",
    "hash.recorded",
    "settle.stored",
    "settle.told",
    "salvage.recorded",
    // Writing an image.
    "export.written",
    "export.synced",
    "export.renamed",
    // Backups: what is in the target.
    "backup.volume-made",
    "backup.begun",
    "backup.block-stored",
    "backup.recorded",
    "backup.volume-told",
    "backup-delete.record-removed",
    "backup-delete.last-forgotten",
    "backup-delete.block-removed",
    "backup-delete.counted",
    // Purges.
    "purge.leaf-image-gone",
    "purge.leaf-gone",
    "purge.grown",
    "purge.copied",
    "purge.synced",
    "purge.parent-prepared",
    "purge.linked",
    "purge.replaced",
    "purge.parent-written",
    "purge.merged",
    "purge.pruned",
];

/// Variable that names the place to end at.
pub const CRASH_AT: &str = "AUROCHS_CRASH_AT";

/// Variable that names the file to list reached places in.
pub const CRASH_LIST: &str = "AUROCHS_CRASH_LIST";

/// Ends the process if this is the place that it was told to end at.
#[cfg(debug_assertions)]
pub fn reached(point: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static TARGET: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static LIST: OnceLock<Option<std::fs::File>> = OnceLock::new();
    static TIMES: AtomicU64 = AtomicU64::new(0);

    debug_assert!(ALL.contains(&point), "crash point {point} is not in the list");
    if let Some(list) = LIST.get_or_init(open_list) {
        use std::io::Write;
        // One write, so that lines of several threads do not mix.
        let _ = (&mut &*list).write_all(format!("{point}\n").as_bytes());
    }
    let target = TARGET.get_or_init(|| std::env::var(CRASH_AT).ok().map(|text| parse(&text)));
    if let Some((name, nth)) = target
        && name == point
        && TIMES.fetch_add(1, Ordering::SeqCst) + 1 == *nth
    {
        let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
    }
}

/// Does nothing in a release build.
#[cfg(not(debug_assertions))]
#[inline]
pub fn reached(_: &'static str) {}

/// `name` or `name:n`; the first time where no number is given.
#[cfg(debug_assertions)]
fn parse(text: &str) -> (String, u64) {
    match text.split_once(':') {
        Some((name, nth)) => (name.to_owned(), nth.parse().unwrap_or(1)),
        None => (text.to_owned(), 1),
    }
}

#[cfg(debug_assertions)]
fn open_list() -> Option<std::fs::File> {
    let path = std::env::var_os(CRASH_LIST)?;
    std::fs::File::options().create(true).append(true).open(path).ok()
}
