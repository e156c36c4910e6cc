//! What we write follows Longhorn's formats byte by byte.
//!
//! Two questions, asked of the directories that Longhorn itself made (`fixtures/golden`):
//!
//! - **The same steps.** The tree of layers and the data each of them holds say which writes, snapshots and reverts led
//!   to a directory. Done again with our replica, they must lead to the same directory: names, modes, metadata byte by
//!   byte, sizes, which blocks of each image are allocated, and what is in them.
//! - **Our steps on theirs.** A directory of Longhorn's is opened, written, snapshotted, reverted and pruned by us. A
//!   reader that knows nothing but the formats ([`reader`]) must find in it what was written.
//!
//! Not compared: `aurochs.state`, `aurochs.regions` and `aurochs.sums.*`, which Longhorn ignores; `*.checksum`, which a hash job writes; and the number in
//! `revision.counter`, because an image does not tell by how many writes it was filled.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

#[path = "../golden_archive/mod.rs"]
mod golden_archive;
mod reader;
mod steps;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::replica::{OpenOptions, Replica};
use golden_archive::Golden;
use reader::Reader;

/// Files that are not compared.
fn is_apart(file: &str) -> bool {
    file == "aurochs.state"
        || file == "aurochs.regions"
        || file.starts_with("aurochs.sums.")
        || file.ends_with(".checksum")
}

fn files(dir: &Path) -> BTreeMap<String, u32> {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap()));
    named.filter(|(name, _)| !is_apart(name)).map(|(name, facts)| (name, facts.permissions().mode())).collect()
}

/// Does the golden directory's steps again and compares what came out.
fn write_again(name: &str) {
    let golden = Golden::extract(name);
    let ours = golden.beside("ours");
    steps::repeat(&golden, &ours, name != "s07-dirty");
    assert_eq!(files(&ours), files(&golden.dir), "{name}: files and their modes");
    for file in files(&golden.dir).keys() {
        let (theirs, made) = (golden.dir.join(file), ours.join(file));
        if file == "revision.counter" {
            check_counter(&made);
        } else if file.ends_with(".img") {
            assert_eq!(reader::extents(&made), reader::extents(&theirs), "{name}: allocated blocks of {file}");
            assert!(std::fs::read(&made).unwrap() == std::fs::read(&theirs).unwrap(), "{name}: content of {file}");
        } else {
            let text = |path| String::from_utf8(std::fs::read(path).unwrap()).unwrap();
            assert_eq!(text(&made), text(&theirs), "{name}: {file}");
        }
    }
}

/// 4096 bytes: a decimal number, and NULs behind it.
fn check_counter(file: &Path) {
    let content = std::fs::read(file).unwrap();
    assert_eq!(content.len(), 4096);
    let digits = content.iter().take_while(|byte| byte.is_ascii_digit()).count();
    assert!(digits > 0 && content[digits..].iter().all(|byte| *byte == 0));
}

/// Works on Longhorn's directory with our replica, and lets the independent reader judge.
fn work_on(name: &str) {
    let golden = Golden::extract(name);
    let before = Reader::open(&golden.dir);
    let (mut head, mut snapshots) = (before.head(), before.live_snapshots());
    let options =
        OpenOptions { revision_counter: golden.dir.join("revision.counter").exists(), ..OpenOptions::default() };
    let replica = Replica::open(&golden.dir, options).unwrap();
    let counted = replica.revision_counter();
    let put = |head: &mut Vec<u8>, offset: usize, byte: u8, length: usize| {
        replica.write(offset as u64, &AlignedBuf::copy_of(&vec![byte; length])).unwrap();
        head[offset..offset + length].fill(byte);
    };
    let take = |name: &str| replica.snapshot(name, true, "2026-11-22T00:00:00Z", &BTreeMap::new()).unwrap();

    put(&mut head, 5000, 0xa1, 20_000);
    replica.write_zeroes(100_000, 50_000, false).unwrap();
    head[100_000..150_000].fill(0);
    take("ours-1");
    snapshots.insert("ours-1".to_owned(), head.clone());
    put(&mut head, 0, 0xa2, 4096);
    take("ours-2");
    snapshots.insert("ours-2".to_owned(), head.clone());
    replica.revert("ours-1", "2026-11-22T00:00:01Z").unwrap();
    head = snapshots["ours-1"].clone();
    put(&mut head, 4096, 0xa3, 100);
    // A leaf: its files go.
    replica.remove_snapshot("ours-2").unwrap();
    snapshots.remove("ours-2");
    // Under the head: it stays in the chain, marked.
    replica.remove_snapshot("ours-1").unwrap();
    snapshots.remove("ours-1");
    let counted = counted.map(|counted| counted + 4);
    assert_eq!(replica.revision_counter(), counted, "{name}");
    replica.close().unwrap();

    let after = Reader::open(&golden.dir);
    assert!(after.head() == head, "{name}: the head");
    let found = after.live_snapshots();
    assert_eq!(found.keys().collect::<Vec<_>>(), snapshots.keys().collect::<Vec<_>>(), "{name}");
    for (snapshot, content) in snapshots {
        assert!(found[&snapshot] == content, "{name}: snapshot {snapshot}");
    }
    if let Some(counted) = counted {
        let text = std::fs::read_to_string(golden.dir.join("revision.counter")).unwrap();
        assert_eq!(text.trim_end_matches('\0'), counted.to_string());
    }
}

macro_rules! golden {
    ($check:ident: $($test:ident: $name:literal),* $(,)?) => {
        mod $check {
            $(#[test] fn $test() { super::$check($name); })*
        }
    };
}

golden! {
    write_again:
    basic: "s01-basic",
    without_revision_counter: "s02-norev",
    removed: "s03-removed-before-purge",
    branched: "s05-branched",
    rebuilt_source: "s06-rebuilt-source",
    dirty: "s07-dirty",
    hashed: "s08-hashed",
    unmap_chain: "s09-unmap-chain",
    unmapped: "s09-unmapped",
    head_wrap: "s13-headwrap",
}

golden! {
    work_on:
    basic: "s01-basic",
    without_revision_counter: "s02-norev",
    removed_before_purge: "s03-removed-before-purge",
    removed_after_purge: "s03-removed-after-purge",
    expanded: "s04-expanded",
    branched: "s05-branched",
    branched_purged: "s05-branched-purged",
    rebuilt_source: "s06-rebuilt-source",
    rebuilt_target: "s06-rebuilt-target",
    dirty: "s07-dirty",
    hashed: "s08-hashed",
    unmap_chain: "s09-unmap-chain",
    unmapped: "s09-unmapped",
    cloned: "s11-cloned",
    restored_full: "s12-restored-full",
    restored_incremental: "s12-restored-incremental",
    head_wrap: "s13-headwrap",
}
