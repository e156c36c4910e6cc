//! What a running engine's script can't tell, because directories change between two processes: a member's host
//! reboots, and later every member is lost and a person asks for what is left. Replicas and engine are one process here.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{BlockDevice, Durability};
use aurochs_engine::link::Address;
use aurochs_engine::link::server::ReplicaServer;
use aurochs_engine::replica::{OpenOptions, Replica};
use aurochs_engine::volume::Volume;
use aurochs_engine::volume::record::{Epoch, Generation, Keeper, Record};
use aurochs_engine::volume::start::StartOptions;
use tokio::runtime::Runtime;

use super::script::{Records, VOLUME, socket};
use super::{REPLICAS, SIZE};
use crate::child::{self, Ended, Place};
use crate::model::fill_bytes;
use crate::steps::BLOCK;

const TEST: &str = "engine::disasters::disasters";
/// Points that only this story reaches.
const POINTS: [&str; 3] = ["settle.stored", "settle.told", "salvage.recorded"];
/// Longest wait for a member to be told something.
const PATIENCE: Duration = Duration::from_secs(60);
const LOST: &str = REPLICAS[0];
const KEPT: &str = REPLICAS[1];

fn state_file(root: &Path) -> PathBuf {
    root.join(KEPT).join("aurochs.state")
}

fn boot_id(root: &Path) -> String {
    let state: serde_json::Value = serde_json::from_slice(&std::fs::read(state_file(root)).unwrap()).unwrap();
    state["boot_id"].as_str().unwrap().to_owned()
}

/// Serves the replicas that have a directory, and starts an engine on them.
async fn start(root: &Path, salvage: bool) -> Volume {
    let mut replicas = std::collections::BTreeMap::new();
    for name in [LOST, KEPT].into_iter().filter(|name| root.join(name).exists()) {
        let at = socket(root, name);
        let _ = std::fs::remove_file(&at);
        let address = Address::Unix(at);
        let server = ReplicaServer::new(VOLUME, name, root.join(name), OpenOptions::default());
        tokio::spawn(server.serve(address.listen().await.unwrap()));
        replicas.insert(name.to_owned(), address);
    }
    let records = Records::open(root);
    let now = records.get(VOLUME).await.unwrap();
    let next = Record { epoch: Epoch(now.epoch.0 + 1), ..now.clone() };
    records.compare_and_set(now.epoch, now.generation, &next).await.unwrap();
    let options = StartOptions { volume: VOLUME.to_owned(), size: SIZE, epoch: next.epoch, replicas, salvage };
    Volume::start(options, Arc::new(records)).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn put(volume: &Volume, block: usize) {
    let data = AlignedBuf::copy_of(&[block as u8 + 1; BLOCK]);
    volume.write((block * BLOCK) as u64, data, Durability::Stable).await.unwrap();
}

/// Replicas and engine go without a word.
fn vanish(runtime: Runtime, volume: Volume) {
    drop(volume);
    runtime.shutdown_timeout(PATIENCE);
}

fn make(root: &Path) {
    for name in [LOST, KEPT] {
        Replica::create(&root.join(name), SIZE, OpenOptions::default()).unwrap();
    }
    let first = Record {
        volume: VOLUME.to_owned(),
        epoch: Epoch(1),
        generation: Generation(1),
        members: [LOST, KEPT].map(str::to_owned).into(),
        clean: true,
        ..Record::default()
    };
    let made = Records::open(root);
    let nothing = Record::default();
    Runtime::new().unwrap().block_on(made.compare_and_set(nothing.epoch, nothing.generation, &first)).unwrap();
}

/// The child's whole life. Does nothing when it is run as a test.
#[test]
#[ignore = "started by the other tests"]
fn disasters() {
    let Some((_, root, _)) = child::called() else {
        return;
    };
    make(&root);
    let runtime = Runtime::new().unwrap();
    let volume = runtime.block_on(start(&root, false));
    runtime.block_on(put(&volume, 0));
    vanish(runtime, volume);

    let now = boot_id(&root);
    let state = std::fs::read_to_string(state_file(&root)).unwrap();
    std::fs::write(state_file(&root), state.replace(&now, "another boot")).unwrap();
    let runtime = Runtime::new().unwrap();
    let volume = runtime.block_on(start(&root, false));
    runtime.block_on(async {
        let forgotten = async {
            while boot_id(&root) != now {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, forgotten).await.unwrap();
        volume.snapshot("s", std::collections::BTreeMap::new(), true).await.unwrap();
        volume.remove_replica(KEPT).await.unwrap();
        put(&volume, 1).await;
    });
    vanish(runtime, volume);

    std::fs::remove_dir_all(root.join(LOST)).unwrap();
    let runtime = Runtime::new().unwrap();
    let volume = runtime.block_on(start(&root, true));
    runtime.block_on(async {
        put(&volume, 2).await;
        volume.close().await.unwrap();
    });
}

pub(crate) fn list_points() -> Vec<String> {
    let place = Place::new("disasters");
    assert_eq!(child::run(TEST, VOLUME, &place, None), Ended::WithSuccess);
    check(&place, [1, 0, 3]);
    place.listed_points()
}

/// The volume comes up in the normal way, with these blocks.
fn check(place: &Place, expected: [u8; 3]) {
    let runtime = Runtime::new().unwrap();
    let content = runtime.block_on(async {
        let volume = start(&place.root(), false).await;
        let content = fill_bytes(&volume.read(0, 3 * BLOCK as u32).await.unwrap());
        volume.close().await.unwrap();
        content
    });
    assert_eq!(content, expected, "{}", place.what);
}

#[test]
fn killed_in_a_disaster() {
    for point in POINTS {
        let place = Place::new(point);
        assert_eq!(child::run(TEST, VOLUME, &place, Some(point)), Ended::Killed, "{point}");
        // Whoever was salvaged is all there is from the record on; before, nobody is lost.
        check(&place, [1, 0, 0]);
        let members = Records::open(&place.root()).record().members;
        let both = [LOST, KEPT].map(str::to_owned).into();
        assert_eq!(members, if point == "salvage.recorded" { [KEPT.to_owned()].into() } else { both }, "{point}");
    }
}
