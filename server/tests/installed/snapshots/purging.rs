//! Deleted snapshots are merged away, and what is left holds what it held.

use aurochs_engine::replica::{OpenOptions, Replica};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;

use crate::installation::{Installation, MIB, SIZE};

const SNAPSHOTS: usize = 20;
const BLOCK: u64 = MIB;

/// What each block of the volume holds, as one byte.
type Model = Vec<u8>;

#[tokio::test(flavor = "multi_thread")]
async fn twenty_snapshots_are_deleted_in_any_order_and_the_rest_keeps_its_content() {
    let seed: u64 = rand::random();
    eprintln!("seed {seed}");
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let mut installation = Installation::with_volume(2, "nbd").await;
    installation.attach_by_api(false).await;
    let mut now: Model = vec![0; usize::try_from(SIZE / BLOCK).unwrap()];
    let mut taken: Vec<(String, Model)> = Vec::new();
    for at in 0..SNAPSHOTS {
        for _ in 0..3 {
            let (block, byte) = (random.random_range(0..now.len()), random.random_range(1..=255));
            installation.write(block as u64 * BLOCK, BLOCK, byte).await;
            now[block] = byte;
        }
        let name = format!("s{at}");
        installation.act("snapshotCRCreate", json!({"name": name})).await;
        installation.until_ready(&name).await;
        taken.push((name, now.clone()));
    }
    // The head has a block of its own, so that the last snapshot is not what is seen.
    installation.write(0, BLOCK, 0xee).await;
    now[0] = 0xee;

    // All but two, one of them below the head; the manager is replaced in the middle.
    let kept: Vec<(String, Model)> = [7, SNAPSHOTS - 1].map(|at| taken[at].clone()).into();
    let mut going: Vec<String> =
        taken.iter().map(|(name, _)| name.clone()).filter(|name| kept.iter().all(|(kept, _)| kept != name)).collect();
    going.shuffle(&mut random);
    for (at, name) in going.iter().enumerate() {
        installation.act("snapshotCRDelete", json!({"name": name})).await;
        if at == going.len() / 2 {
            installation.start_manager(2).await;
        }
    }
    for name in &going {
        installation.until_gone(name).await;
    }
    installation.until("only what was kept is left", async |_| installation.layers().await.len() == kept.len()).await;

    installation.detach_by_api().await;
    for replica in installation.replicas().await {
        let open = Replica::open(std::path::Path::new(&replica.spec.data_path()), OpenOptions::default()).unwrap();
        for (name, model) in &kept {
            let layer = format!("volume-snap-{name}.img");
            compare(&format!("{} {name}", replica.name()), model, |offset, length| {
                open.read_layer_chain(&layer, offset, length).unwrap()
            });
        }
        compare(&format!("{} head", replica.name()), &now, |offset, length| open.read(offset, length).unwrap());
        open.close().unwrap();
    }
    installation.stop().await;
}

fn compare<B: AsRef<[u8]>>(what: &str, model: &Model, read: impl Fn(u64, u32) -> B) {
    for (block, byte) in model.iter().enumerate() {
        let bytes = read(block as u64 * BLOCK, u32::try_from(BLOCK).unwrap());
        assert!(bytes.as_ref().iter().all(|found| found == byte), "{what}: block {block} is not {byte}");
    }
}

/// A rebuild leaves a snapshot that nobody asked for.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_rebuild_leaves_is_cleaned_up_unless_the_setting_says_no() {
    let installation = Installation::with_volume(2, "nbd").await;
    installation.attach_by_api(false).await;
    installation.write(0, MIB, 1).await;
    for (cleans, left) in [("false", 1), ("true", 0)] {
        installation.set("auto-cleanup-system-generated-snapshot", cleans).await;
        let replica = installation.replicas().await.remove(0);
        installation.act("replicaRemove", json!({"name": replica.name()})).await;
        installation
            .until("another replica was rebuilt", async |_| {
                let (volume, replicas) = (installation.volume().await, installation.replicas().await);
                volume["robustness"] == "healthy"
                    && replicas.len() == 2
                    && replicas.iter().all(|one| one.name() != replica.name())
            })
            .await;
        let system = async || {
            let layers = installation.layers().await;
            layers.into_iter().filter(|layer| !layer.user_created && !layer.removed).count()
        };
        installation.until("system snapshots are as the setting says", async |_| system().await == left).await;
    }
    // What is below the head stays until something stands between, and is shown as removed meanwhile.
    installation.act("snapshotCreate", json!({"name": "mine"})).await;
    installation
        .until("only the user's is left", async |_| {
            let snapshots = installation.snapshots().await;
            snapshots.len() == 1 && snapshots[0].name() == "mine"
        })
        .await;
    installation.stop().await;
}
