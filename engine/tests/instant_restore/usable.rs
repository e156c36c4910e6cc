//! What works while blocks are remote, and what is refused.

use std::collections::BTreeMap;

use aurochs_engine::frontend::{Allocation, BlockDevice, Durability, Unchanged};

use crate::parties::Parties;
use crate::source::{
    BACKED_UP, BACKUP, BLOCK, MIB, SIZE, Source, assert_same, begin, check_at_end, complete, noise, on_demand, read,
    remote, restore, says_rebuilding, write,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_read_brings_its_block_and_no_other() {
    let source = Source::new().await;
    let parties = Parties::new(SIZE, 2).await;
    let engine = parties.attach().await.unwrap();
    begin(&engine, source.request(on_demand())).await;
    let all = 6 * BLOCK;
    assert_eq!(remote(&engine), all, "what the backup holds");
    assert!(parties.replicas.iter().all(|replica| says_rebuilding(&replica.directory)), "others leave it alone");
    let at = 5 * BLOCK + 1000;
    assert_same(&read(&engine, at, 5000).await.unwrap(), &source.content[at as usize..][..5000], at, "on demand");
    assert_eq!(remote(&engine), all - BLOCK);
    // What the backup does not name is here.
    assert_same(&read(&engine, 2 * BLOCK, BLOCK).await.unwrap(), &vec![0; BLOCK as usize], 2 * BLOCK, "not remote");
    assert_same(&read(&engine, BACKED_UP, 4096).await.unwrap(), &[0; 4096], BACKED_UP, "past the backup");
    assert_eq!(remote(&engine), all - BLOCK);
    let across = 4 * BLOCK - 4096;
    let found = read(&engine, across, 8192).await.unwrap();
    assert_same(&found, &source.content[across as usize..][..8192], across, "two blocks");
    assert_eq!(remote(&engine), all - 3 * BLOCK);
    // Now the rest.
    engine.begin_restore(source.request(Default::default())).await;
    let over = complete(&engine).await;
    assert_eq!((over.planned_bytes, over.done_bytes), (all, all));
    assert_same(&read(&engine, 0, SIZE).await.unwrap(), &source.content, 0, "complete");
    engine.run(|volume| async move { volume.snapshot("after", BTreeMap::new(), true).await }).await.unwrap();
    check_at_end(engine, parties, &source.content, "usable").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_go_on_top_of_what_is_in_the_backup() {
    let source = Source::new().await;
    let parties = Parties::new(SIZE, 2).await;
    let engine = parties.attach().await.unwrap();
    begin(&engine, source.request(on_demand())).await;
    let mut expected = source.content.clone();
    let all = remote(&engine);
    // Within a block, at no boundary: the block comes first.
    let bytes = noise(7, 10_000);
    write(&engine, 777, &bytes).await.unwrap();
    expected[777..10_777].copy_from_slice(&bytes);
    assert_eq!(remote(&engine), all - BLOCK);
    // A whole block, and with it a part of the next.
    let bytes = noise(8, BLOCK);
    write(&engine, BLOCK, &bytes).await.unwrap();
    expected[BLOCK as usize..2 * BLOCK as usize].copy_from_slice(&bytes);
    assert_eq!(remote(&engine), all - 2 * BLOCK, "overwritten");
    // Zeros over a whole block, and past the end of the backup.
    let (from, to) = (6 * BLOCK, SIZE);
    engine
        .run(|volume| async move { volume.write_zeroes(from, to - from, true, Durability::Written).await })
        .await
        .unwrap();
    expected[from as usize..].fill(0);
    assert_eq!(remote(&engine), all - 3 * BLOCK);
    // Compare and write.
    let at = 5 * BLOCK + 4096;
    let was = source.content[at as usize..][..4096].to_vec();
    let changed = engine.run(|volume| async move {
        let change = move |mut data: aurochs_engine::disk::AlignedBuf| {
            assert!(data[..] == was[..], "it was read when it was there");
            data.fill(9);
            Ok::<_, ()>(data)
        };
        volume.read_modify_write(at, 4096, Durability::Stable, change).await
    });
    changed.await.map_err(|error: Unchanged<()>| format!("{error:?}")).unwrap();
    expected[at as usize..][..4096].fill(9);
    // Holes are told where nothing is and nothing comes.
    let extents = engine.run(|volume| async move { volume.allocation(0, SIZE).await }).await.unwrap();
    let mut told = Vec::new();
    for extent in extents {
        told.extend(std::iter::repeat_n(extent.state, (extent.length / 4096) as usize));
    }
    for (index, state) in told.iter().enumerate() {
        let block = &expected[index * 4096..(index + 1) * 4096];
        assert!(*state == Allocation::Data || block.iter().all(|byte| *byte == 0), "4 KiB block {index} is no hole");
    }
    assert_eq!(told[(2 * BLOCK / 4096) as usize], Allocation::Hole, "the backup holds nothing there");
    // That was the last of it: the restore ends by itself.
    assert_same(&read(&engine, 0, SIZE).await.unwrap(), &expected, 0, "all of it");
    complete(&engine).await;
    assert_same(&read(&engine, 0, SIZE).await.unwrap(), &expected, 0, "complete");
    check_at_end(engine, parties, &expected, "changed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discard_of_everything_brings_nothing() {
    let source = Source::new().await;
    let parties = Parties::new(SIZE, 2).await;
    let engine = parties.attach().await.unwrap();
    begin(&engine, source.request(on_demand())).await;
    engine.run(|volume| async move { volume.discard(0, SIZE).await }).await.unwrap();
    complete(&engine).await;
    let blocks = source.shelf.blocks();
    assert!(blocks > 0);
    let zeros = vec![0; SIZE as usize];
    assert_same(&read(&engine, 0, SIZE).await.unwrap(), &zeros, 0, "discarded");
    check_at_end(engine, parties, &zeros, "discarded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_show_an_incomplete_volume_is_refused() {
    let source = Source::new().await;
    let parties = Parties::new(SIZE, 1).await;
    let engine = parties.attach().await.unwrap();
    begin(&engine, source.request(on_demand())).await;
    let snapshot = engine.run(|volume| async move { volume.snapshot("s", BTreeMap::new(), true).await }).await;
    let revert = engine.run(|volume| async move { volume.revert("s").await }).await;
    let backup = source.shelf.backup("b2", "s");
    let backup = engine.run(|volume| async move { volume.back_up(backup).await.map(drop) }).await;
    let plain = source.shelf.restore(BACKUP);
    let plain = engine.run(|volume| async move { volume.restore(plain).await }).await;
    for refused in [snapshot.map(drop), revert, backup, plain] {
        let why = refused.unwrap_err().to_string();
        assert!(why.contains("only in the backup") && why.contains("try again"), "{why}");
    }
    let mut other = source.shelf.restore("b2");
    other.instant = Some(on_demand());
    let other = engine.run(|volume| async move { volume.restore(other).await }).await.unwrap_err().to_string();
    assert!(other.contains("backup b1"), "{other}");
    // Expansion is possible, and what it leaves below the head goes at the end.
    let larger = SIZE + 4 * MIB;
    engine.run(|volume| async move { volume.expand(larger, async { Ok(()) }).await }).await.unwrap();
    engine.begin_restore(source.request(Default::default())).await;
    complete(&engine).await;
    let mut expected = source.content.clone();
    expected.resize(larger as usize, 0);
    assert_same(&read(&engine, 0, larger).await.unwrap(), &expected, 0, "larger");
    let snapshots = engine.status().snapshots;
    assert!(snapshots.iter().all(|snapshot| snapshot.removed || snapshot.name == "volume-head"), "{snapshots:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_with_data_is_left_alone() {
    let source = Source::new().await;
    let parties = Parties::new(SIZE, 1).await;
    let engine = parties.attach().await.unwrap();
    write(&engine, 4096, &noise(3, 4096)).await.unwrap();
    let request = source.request(on_demand());
    let refused = engine.run(|volume| async move { volume.restore(request).await }).await.unwrap_err().to_string();
    assert!(refused.contains("holds data"), "{refused}");
    assert!(engine.status().exclusive_work.is_empty());
    assert_same(&read(&engine, 4096, 4096).await.unwrap(), &noise(3, 4096), 4096, "untouched");
}

#[tokio::test(flavor = "multi_thread")]
async fn detached_and_attached_again_it_goes_on() {
    let source = Source::new().await;
    let parties = Parties::new(SIZE, 2).await;
    let engine = parties.attach().await.unwrap();
    begin(&engine, source.request(on_demand())).await;
    let mut expected = source.content.clone();
    let bytes = noise(5, 4096);
    write(&engine, 4 * BLOCK, &bytes).await.unwrap();
    expected[4 * BLOCK as usize..][..4096].copy_from_slice(&bytes);
    engine.run(|volume| async move { volume.close().await }).await.unwrap();
    drop(engine);
    assert!(parties.replicas.iter().all(|replica| says_rebuilding(&replica.directory)));
    let engine = parties.attach().await.unwrap();
    assert!(restore(&engine.status()).resumed);
    assert_same(&read(&engine, 0, SIZE).await.unwrap(), &expected, 0, "attached again");
    complete(&engine).await;
    check_at_end(engine, parties, &expected, "attached again").await;
}
