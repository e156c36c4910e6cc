//! Volumes that stand on a backing file.

use std::collections::BTreeMap;
use std::path::Path;

use aurochs_engine::backup::{Mode, layout};
use aurochs_engine::replica::{OpenOptions, Replica};
use aurochs_engine::volume::backup::BackupRequest;

use crate::content::{MIB, Story, all, assert_same, noise};
use crate::parties::transfers::Shelf;
use crate::parties::{Parties, VOLUME, scratch};

const SIZE: u64 = 12 * MIB;
const IMAGE: u64 = 8 * MIB;

/// A volume of one replica on this image.
async fn on(image: &Path) -> Parties {
    let root = scratch::directory();
    let replica = root.path().join(format!("{VOLUME}-r-0"));
    Replica::create_on(&replica, SIZE, Some(image), OpenOptions::default()).unwrap();
    Parties::over(root, SIZE, 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_image_shows_wherever_a_backup_has_no_block() {
    let place = scratch::directory();
    let image = place.path().join("image.raw");
    std::fs::write(&image, noise(1, IMAGE)).unwrap();
    let source = on(&image).await;
    let engine = source.attach().await.unwrap();
    let shelf = Shelf::new(source.root.path());
    let mut story = Story::of(&engine, SIZE);
    story.content[..IMAGE as usize].copy_from_slice(&noise(1, IMAGE));
    let untouched = story.snapshot("s0").await;
    story.write(MIB + 4096, noise(2, 4096)).await;
    story.zero(4 * MIB, MIB).await;
    story.write(9 * MIB, noise(3, MIB)).await;
    let mut expected = vec![("b1", story.snapshot("s1").await)];
    let first = engine.back_up(shelf.backup("b1", "s1")).await;
    assert_eq!(first.size_bytes, 3 * MIB, "the image itself is not backed up");
    // Back to the image alone; what the second backup has is elsewhere.
    engine.run(|volume| async move { volume.revert("s0").await }).await.unwrap();
    story.content = untouched;
    story.write(6 * MIB, noise(4, MIB)).await;
    expected.push(("b2", story.snapshot("s2").await));
    engine.back_up(BackupRequest { mode: Mode::Full, ..shelf.backup("b2", "s2") }).await;
    story.write(7 * MIB, noise(5, 8192)).await;
    expected.push(("b3", story.snapshot("s3").await));
    engine.back_up(shelf.backup("b3", "s3")).await;

    let target = on(&image).await;
    let standby = target.attach().await.unwrap();
    for (backup, content) in &expected {
        if *backup == "b3" {
            // Nobody can tell any more what the second one held: everything is compared.
            let record = layout::backup_record("v-stored", "b2");
            std::fs::remove_file(source.root.path().join("shelf").join(record)).unwrap();
        }
        standby.restore(shelf.restore(backup)).await;
        assert_same(&all(&standby).await, content, backup);
    }
    standby.run(|volume| async move { volume.snapshot("later", BTreeMap::new(), true).await }).await.unwrap();
}
