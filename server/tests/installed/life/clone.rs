//! A volume is filled from another one that is in use, and a manager that goes away meanwhile makes no second copy.

use aurochs_api::size::ByteSize;
use aurochs_server::resources::volume::{CloneState, Frontend, VolumeSpec, VolumeState};
use aurochs_server::resources::{Engine, Object, Volume, VolumeAttachment};
use aurochs_server::store::Store;

use crate::installation::{Installation, VOLUME};
use crate::nbd::Nbd;

const COPY: &str = "copy";
const MIB: u64 = 1 << 20;

async fn state(store: &Store) -> CloneState {
    store.get::<Volume>(COPY).await.unwrap().status.clone_status.state
}

/// Everything that the volume shows.
async fn content(installation: &Installation, volume: &str, length: u64) -> Vec<u8> {
    let engine = installation.store().get::<Engine>(&format!("{volume}-e-0")).await.unwrap();
    tokio::task::block_in_place(|| {
        let mut nbd = Nbd::connect(&engine.status.nbd_uri).unwrap();
        let pieces = (0..length / MIB).map(|piece| nbd.read(piece * MIB, usize::try_from(MIB).unwrap()).unwrap());
        pieces.collect::<Vec<_>>().concat()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_what_the_source_was_when_it_was_begun() {
    let mut installation = Installation::start(2).await;
    let store = installation.store();
    installation.create(2, |_| {}).await;
    installation.attach("node-1").await;
    installation.until_healthy().await;
    let uri = installation.engine().await.status.nbd_uri;
    tokio::task::block_in_place(|| {
        let mut nbd = Nbd::connect(&uri).unwrap();
        for piece in 0..32_u8 {
            nbd.write(u64::from(piece) * 2 * MIB, &vec![piece + 1; 1 << 20]).unwrap();
        }
    });
    let before = content(&installation, VOLUME, 64 * MIB).await;

    let spec = VolumeSpec {
        size: ByteSize(96 * MIB),
        number_of_replicas: 2,
        frontend: Frontend::Nbd,
        data_source: format!("vol://{VOLUME}"),
        ..VolumeSpec::default()
    };
    store.create(&Object::<Volume>::new(COPY, spec)).await.unwrap();
    installation
        .until("the snapshot is taken", async |store| {
            let source = store.get::<Engine>(&format!("{VOLUME}-e-0")).await.unwrap().status.snapshots;
            source.keys().any(|name| name.starts_with("clone-")) || state(store).await == CloneState::Completed
        })
        .await;
    // The source is written while it is read, and the manager goes away.
    tokio::task::block_in_place(|| Nbd::connect(&uri).unwrap().write(0, &vec![255; 1 << 20]).unwrap());
    installation.stop_manager().await;
    installation.start_manager(2).await;
    let store = installation.store();
    installation.until("the copy is complete", async |store| state(store).await == CloneState::Completed).await;
    installation
        .until("both are let go", async |store| {
            let copy = store.get::<Volume>(COPY).await.unwrap();
            let of_source = store.get::<VolumeAttachment>(VOLUME).await.unwrap().spec.attachment_tickets;
            copy.status.state == VolumeState::Detached && of_source.len() == 1
        })
        .await;

    installation.attach_volume(COPY, "node-2").await;
    installation
        .until("the copy is attached", async |store| {
            store.get::<Volume>(COPY).await.unwrap().status.state == VolumeState::Attached
        })
        .await;
    let copied = content(&installation, COPY, 96 * MIB).await;
    assert!(copied[..before.len()] == before[..], "the copy differs from its source");
    assert!(copied[before.len()..].iter().all(|byte| *byte == 0), "what is larger is not empty");
    let source = installation.engine().await.status.snapshots;
    assert!(!source.values().any(|layer| layer.name.starts_with("clone-") && !layer.removed), "{source:?}");
    store.delete::<Volume>(COPY).await.unwrap();
    installation.until("the copy is gone", async |store| store.find::<Volume>(COPY).await.unwrap().is_none()).await;
    installation.stop().await;
}

/// A copy of a volume that waits for its own data has all of it, and is not in the way of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_copy_in_the_making_waits_for_it() {
    const SECOND: &str = "second";
    let installation = Installation::start(1).await;
    let store = installation.store();
    installation.create(1, |_| {}).await;
    installation.attach("node-1").await;
    installation.until_healthy().await;
    installation.write(0, 2 * MIB, 7).await;
    let before = content(&installation, VOLUME, 64 * MIB).await;

    for (copy, source) in [(COPY, format!("snap://{VOLUME}/late")), (SECOND, format!("vol://{COPY}"))] {
        let size = ByteSize(64 * MIB);
        let spec = VolumeSpec { size, number_of_replicas: 1, frontend: Frontend::Nbd, ..VolumeSpec::default() };
        store.create(&Object::<Volume>::new(copy, VolumeSpec { data_source: source, ..spec })).await.unwrap();
    }
    installation
        .until("the second copy is made, or says that it waits", async |store| {
            let second = store.get::<Volume>(SECOND).await.unwrap();
            let waits = |cause: &aurochs_api::cause::Cause| cause.message.contains("all of its own data");
            second.is_filled() || second.status.causes.iter().any(waits)
        })
        .await;
    assert!(!store.get::<Volume>(SECOND).await.unwrap().is_filled(), "there is nothing to copy yet");
    installation.act("snapshotCRCreate", serde_json::json!({"name": "late"})).await;
    installation
        .until("both copies are made", async |store| {
            let volumes = store.list::<Volume>().await.unwrap();
            volumes.iter().all(|volume| volume.is_filled() && (volume.name() == VOLUME || is_detached(volume)))
        })
        .await;
    for copy in [COPY, SECOND] {
        installation.attach_volume(copy, "node-1").await;
        installation
            .until("the copy is attached", async |store| {
                store.get::<Volume>(copy).await.unwrap().status.state == VolumeState::Attached
            })
            .await;
        assert!(content(&installation, copy, 64 * MIB).await == before, "{copy} differs from its source");
    }
    installation.stop().await;
}

fn is_detached(volume: &Object<Volume>) -> bool {
    volume.status.state == VolumeState::Detached
}
