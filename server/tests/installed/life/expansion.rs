//! A volume grows: while nobody uses it, in use, without room, and with a manager that goes away at every step.

use aurochs_api::cause::CauseCode;
use aurochs_api::size::ByteSize;
use aurochs_server::resources::engine::InstanceState;
use aurochs_server::resources::node::DiskSpec;
use aurochs_server::resources::volume::VolumeState;
use aurochs_server::resources::{Engine, Node, Object, Volume, VolumeAttachment};
use aurochs_server::store::Store;

use crate::installation::{Installation, VOLUME};
use crate::nbd::Nbd;

const MIB: u64 = 1 << 20;

async fn wish(store: &Store, mib: u64) {
    let change = |volume: &mut Object<Volume>| volume.spec.size = ByteSize(mib * MIB);
    store.modify(VOLUME, change).await.unwrap();
}

/// The engine has the size, and nothing is left of the way there.
async fn is_settled(store: &Store, mib: u64) -> bool {
    let size = ByteSize(mib * MIB);
    let volume = store.get::<Volume>(VOLUME).await.unwrap();
    let engine = store.get::<Engine>(&format!("{VOLUME}-e-0")).await.unwrap();
    engine.status.current_size == size
        && engine.spec.volume_size == size
        && volume.spec.size == size
        && !volume.status.expansion_required
        && !is_wanted_by_expansion(store).await
}

async fn is_wanted_by_expansion(store: &Store) -> bool {
    let tickets = store.get::<VolumeAttachment>(VOLUME).await.unwrap().spec.attachment_tickets;
    tickets.keys().any(|id| id.starts_with("volume-expansion-controller"))
}

#[tokio::test(flavor = "multi_thread")]
async fn detached_it_comes_up_without_a_device_grows_and_goes_down() {
    let mut installation = Installation::start(2).await;
    installation.create(2, |_| {}).await;
    installation.attach("node-1").await;
    installation.until_healthy().await;
    let uri = installation.engine().await.status.nbd_uri;
    tokio::task::block_in_place(|| Nbd::connect(&uri).unwrap().write(0, &[7; 4096]).unwrap());
    installation.detach().await;

    // What is there now comes first; from then on every change.
    let mut engines = installation.store().watch::<Engine>();
    engines.next().await.unwrap();
    wish(&installation.store(), 96).await;
    installation.until("it has grown", async |store| is_settled(store, 96).await).await;
    installation.until_volume("it is detached again", |volume| volume.status.state == VolumeState::Detached).await;
    let mut came_up = false;
    while let Ok(Some(event)) = tokio::time::timeout(std::time::Duration::from_millis(200), engines.next()).await {
        let status = &event.object().status;
        assert!(status.endpoint.is_empty(), "a device appeared: {}", status.endpoint);
        came_up |= status.current_state == InstanceState::Running;
    }
    assert!(came_up, "the engine was never seen running");

    // The manager goes away at every step on the way, and the next one finishes it.
    for (step, mib) in
        ["the room is promised", "the ticket is there", "the engine runs"].into_iter().zip([98, 100, 102])
    {
        wish(&installation.store(), mib).await;
        installation
            .until(step, async |store| match mib {
                98 => store.get::<Volume>(VOLUME).await.unwrap().status.expansion_required,
                100 => is_wanted_by_expansion(store).await || is_settled(store, mib).await,
                _ => {
                    let engine = store.get::<Engine>(&format!("{VOLUME}-e-0")).await.unwrap();
                    engine.status.current_state == InstanceState::Running || is_settled(store, mib).await
                }
            })
            .await;
        installation.stop_manager().await;
        installation.start_manager(2).await;
        installation.until("it has grown", async |store| is_settled(store, mib).await).await;
        installation.until_volume("it is detached", |volume| volume.status.state == VolumeState::Detached).await;
    }

    // In use it grows at once, and what was written is there.
    installation.attach("node-2").await;
    installation.until_healthy().await;
    wish(&installation.store(), 128).await;
    installation.until("it has grown", async |store| is_settled(store, 128).await).await;
    installation.until_healthy().await;
    let uri = installation.engine().await.status.nbd_uri;
    tokio::task::block_in_place(|| {
        let mut nbd = Nbd::connect(&uri).unwrap();
        assert_eq!(nbd.size, 128 * MIB);
        assert_eq!(nbd.read(0, 4096).unwrap(), [7; 4096]);
        nbd.write(128 * MIB - 4096, &[9; 4096]).unwrap();
        assert_eq!(nbd.read(128 * MIB - 4096, 4096).unwrap(), [9; 4096]);
    });
    without_room_it_says_so_and_can_be_taken_back(&installation).await;
    installation.stop().await;
}

async fn without_room_it_says_so_and_can_be_taken_back(installation: &Installation) {
    let store = installation.store();
    let reserve = |node: &mut Object<Node>| {
        let keep_all = |disk: &mut DiskSpec| disk.storage_reserved = ByteSize(1 << 60);
        node.spec.disks.values_mut().for_each(keep_all);
    };
    store.modify::<Node>("node-1", reserve).await.unwrap();
    wish(&store, 256).await;
    let volume = installation
        .until_volume("it says why it does not grow", |volume| {
            volume.status.causes.iter().any(|cause| cause.code == CauseCode::ExpansionWaiting)
        })
        .await;
    let cause = volume.status.causes.iter().find(|cause| cause.code == CauseCode::ExpansionWaiting).unwrap();
    assert!(cause.message.contains("more bytes to disk") && cause.message.contains("node-1"), "{cause:?}");
    assert!(volume.status.expansion_required);
    wish(&store, 128).await;
    installation.until("it is settled", async |store| is_settled(store, 128).await).await;
    let replicas = installation.replicas().await;
    assert!(replicas.iter().all(|replica| replica.spec.volume_size == ByteSize(128 * MIB)), "promises were left");
}
