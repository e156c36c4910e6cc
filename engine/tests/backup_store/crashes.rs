//! The command itself, killed at every step, on a target that other backups are in. After each kill: what was complete
//! restores, no record that is complete names a block that is not there, and the same command finishes.

use std::collections::BTreeMap;
use std::process::Command;

use aurochs_engine::backup::delete::delete_backup_with;
use aurochs_engine::backup::restore::restore_with;
use aurochs_engine::backup::{self, Progress, Read, VolumeRecord};
use aurochs_engine::crash_point;

use crate::QUICK;
use crate::archive::Place;
use crate::golden_archive::Golden;
use crate::volume::{Memory, restoring};

const VOLUME: &str = "vol";

/// A target with a backup of the first snapshot, and what to do with it.
struct Story {
    golden: Golden,
    place: Place,
}

impl Story {
    async fn begin() -> Self {
        Self { golden: Golden::extract("s01-basic"), place: Place::empty().await }
    }

    fn url(&self, backup: Option<&str>) -> String {
        let backup = backup.map(|backup| format!("backup={backup}&")).unwrap_or_default();
        format!("{}?{backup}volume={VOLUME}", self.place.url())
    }

    fn create(&self, backup: &str, snapshot: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aurochs-engine"));
        command.args(["backup", "create"]).arg(&self.golden.dir).arg(self.url(None));
        command.args(["--snapshot", snapshot, "--name", backup]);
        command
    }

    fn delete(&self, backup: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aurochs-engine"));
        command.args(["backup", "delete"]).arg(self.url(Some(backup)));
        command
    }

    /// The hash of a snapshot.
    fn expected(&self, snapshot: &str) -> &str {
        &self.golden.manifest.disks[&format!("volume-snap-{snapshot}.img")].sha256_at_volume_size
    }

    /// Everything that is complete can be restored, and is right.
    async fn check(&self, what: &str) -> BTreeMap<String, bool> {
        let listed = backup::list_backups(&self.place.store, VOLUME, &BTreeMap::new()).await.unwrap();
        let mut states = BTreeMap::new();
        for found in listed {
            let Read::Is(summary) = found.record else { panic!("{what}: {found:?}") };
            states.insert(found.name.clone(), !summary.is_in_progress());
            if summary.is_in_progress() {
                continue;
            }
            let sink = Memory::empty(self.golden.manifest.volume_size);
            let request = restoring(VOLUME, &found.name);
            restore_with(&self.place.store, &request, &sink, &Progress::default(), QUICK)
                .await
                .unwrap_or_else(|error| panic!("{what}: {} cannot be restored: {error}", found.name));
            assert_eq!(sink.sha256(), self.expected(&summary.snapshot), "{what}: {}", found.name);
        }
        states
    }
}

/// Runs to the end, or to where it is killed; tells the points that it reached.
fn run(mut command: Command, story: &Story, kill_at: Option<&str>) -> Vec<String> {
    let list = story.place.scratch.path().join("points");
    let _ = std::fs::remove_file(&list);
    command.env(crash_point::CRASH_LIST, &list);
    if let Some(point) = kill_at {
        command.env(crash_point::CRASH_AT, point);
    }
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    match kill_at {
        None => assert!(output.status.success(), "{told}"),
        Some(point) => assert_eq!(output.status.code(), None, "not killed at {point}: {told}"),
    }
    std::fs::read_to_string(list).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Each with how often it was reached: `name:n`.
fn places(points: &[String], only: &str) -> Vec<String> {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    let ours = points.iter().filter(|point| point.starts_with(only));
    ours.map(|point| {
        let time = times.entry(point).or_default();
        *time += 1;
        format!("{point}:{time}")
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn backups_killed_anywhere() {
    let story = Story::begin().await;
    let points = places(&run(story.create("first", "snap-1"), &story, None), "backup.");
    assert_eq!(story.check("without a kill").await, BTreeMap::from([("first".to_owned(), true)]));
    let kills = points.into_iter().map(|point| {
        tokio::spawn(async move {
            let story = Story::begin().await;
            run(story.create("first", "snap-1"), &story, Some(&point));
            let states = story.check(&point).await;
            assert_eq!(states.get("first").copied().unwrap_or(false), is_complete(&point), "{point}: {states:?}");
            run(story.create("first", "snap-1"), &story, None);
            run(story.create("second", "snap-2"), &story, None);
            let states = story.check(&point).await;
            assert_eq!(states, BTreeMap::from([("first".to_owned(), true), ("second".to_owned(), true)]), "{point}");
            let volume = VolumeRecord::load(&story.place.store, VOLUME).await.unwrap();
            assert_eq!(volume.last_backup_name, "second");
            // What died had a lock; it is of the same kind as that of a backup, and dies before a deletion comes.
            forget_locks(&story.place);
            delete_backup_with(&story.place.store, VOLUME, "first", QUICK).await.unwrap();
            story.check(&point).await;
        })
    });
    for kill in kills.collect::<Vec<_>>() {
        kill.await.unwrap();
    }
}

fn is_complete(point: &str) -> bool {
    point.starts_with("backup.recorded") || point.starts_with("backup.volume-told")
}

async fn prepared() -> Story {
    let story = Story::begin().await;
    for (backup, snapshot) in [("first", "snap-1"), ("second", "snap-2")] {
        run(story.create(backup, snapshot), &story, None);
    }
    story
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn deletions_killed_anywhere() {
    let story = prepared().await;
    // The last backup of the volume: its record has to name another one.
    let points = places(&run(story.delete("second"), &story, None), "backup-delete.");
    for name in crash_point::ALL.iter().filter(|name| name.starts_with("backup-delete.")) {
        assert!(points.iter().any(|point| point.starts_with(name)), "{name} is not reached: {points:?}");
    }
    let clean = story.place.blocks(VOLUME);
    let kills = points.into_iter().map(|point| {
        let clean = clean.clone();
        tokio::spawn(async move {
            let story = prepared().await;
            run(story.delete("second"), &story, Some(&point));
            forget_locks(&story.place);
            assert_eq!(story.check(&point).await, BTreeMap::from([("first".to_owned(), true)]), "{point}");
            delete_backup_with(&story.place.store, VOLUME, "second", QUICK).await.unwrap();
            assert_eq!(story.place.blocks(VOLUME), clean, "{point}");
            run(story.create("third", "snap-2"), &story, None);
            story.check(&point).await;
        })
    });
    for kill in kills.collect::<Vec<_>>() {
        kill.await.unwrap();
    }
}

/// As if their owners had been dead for long.
fn forget_locks(place: &Place) {
    for path in place.files().into_keys().filter(|path| path.contains("/locks/")) {
        let file = std::fs::File::options().write(true).open(place.path(&path)).unwrap();
        file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(3600)).unwrap();
    }
}

#[tokio::test]
async fn every_step_of_a_backup_has_a_name_that_is_reached() {
    let story = Story::begin().await;
    let reached = run(story.create("first", "snap-1"), &story, None);
    for name in crash_point::ALL.iter().filter(|name| name.starts_with("backup.")) {
        assert!(reached.iter().any(|point| point == name), "{name} is not reached");
    }
}
