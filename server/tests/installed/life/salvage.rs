//! Replicas with all data are lost: what comes back is used, and what is lost for ever a person decides about.

use std::fs;

use aurochs_api::cause::{Cause, CauseCode};
use aurochs_server::resources::engine::SalvageOrder;
use aurochs_server::resources::setting::SettingSpec;
use aurochs_server::resources::volume::{Robustness, VolumeState};
use aurochs_server::resources::{Engine, Object, Setting, Volume, VolumeAttachment};

use crate::installation::{Installation, VOLUME, directory_of};
use crate::nbd::Nbd;

async fn write(installation: &Installation, offset: u64, byte: u8) {
    let uri = installation.engine().await.status.nbd_uri;
    tokio::task::block_in_place(|| Nbd::connect(&uri).unwrap().write(offset, &[byte; 4096]).unwrap());
}

async fn read(installation: &Installation, offset: u64) -> u8 {
    let uri = installation.engine().await.status.nbd_uri;
    tokio::task::block_in_place(|| Nbd::connect(&uri).unwrap().read(offset, 4096).unwrap()[0])
}

/// Waits until it is down and says what it needs.
async fn until_faulted(installation: &Installation) -> Cause {
    let needs = |volume: &Object<Volume>| {
        volume.status.causes.iter().find(|cause| cause.code == CauseCode::SalvageNeeded).cloned()
    };
    let faulted = installation
        .until_volume("it is faulted and down", |volume| {
            let status = &volume.status;
            status.robustness == Robustness::Faulted && status.state == VolumeState::Detached && needs(volume).is_some()
        })
        .await;
    needs(&faulted).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_come_back_lose_nothing_and_files_that_do_not_are_decided_about() {
    let installation = Installation::start(2).await;
    let store = installation.store();
    installation.create(2, |_| {}).await;
    installation.attach("node-1").await;
    installation.until_healthy().await;
    write(&installation, 0, 1).await;

    // One replica fails and is not rebuilt; what is written now is on the other one alone.
    let none = |setting: &mut Object<Setting>| setting.spec = SettingSpec { value: "0".into() };
    store.modify::<Setting>("concurrent-replica-rebuild-per-node-limit", none).await.unwrap();
    let replicas = installation.replicas().await;
    let (kept, failed) = (&replicas[0], &replicas[1]);
    installation.kill(failed.name()).await;
    installation.until_volume("it is degraded", |volume| volume.status.robustness == Robustness::Degraded).await;
    write(&installation, 4096, 2).await;
    installation.detach().await;

    // The files of the one with all data are away: no empty replica is made in their place.
    let (files, aside) = (directory_of(&kept.spec), directory_of(&kept.spec).with_extension("aside"));
    fs::rename(&files, &aside).unwrap();
    installation.attach("node-1").await;
    let cause = until_faulted(&installation).await;
    assert!(cause.message.contains(kept.name()), "{cause:?}");
    assert!(cause.next_step.contains(failed.name()), "{cause:?}");
    assert!(!files.exists(), "an empty replica was made in place of one with data");

    // They come back: the volume does too, by itself, with everything.
    fs::rename(&aside, &files).unwrap();
    let back =
        installation.until_volume("it is attached again", |volume| volume.status.state == VolumeState::Attached).await;
    assert!(!back.status.last_auto_salvaged_at.is_empty() && !back.status.remount_requested_at.is_empty());
    assert_eq!((read(&installation, 0).await, read(&installation, 4096).await), (1, 2));
    installation.detach().await;

    // They are gone for ever: nothing happens until a person orders it.
    fs::remove_dir_all(&files).unwrap();
    installation.attach("node-1").await;
    until_faulted(&installation).await;
    let engine = format!("{VOLUME}-e-0");
    let order = |engine: &mut Object<Engine>| {
        let replicas = vec![failed.name().to_owned()];
        engine.spec.salvage_order = SalvageOrder { number: 1, replicas, record_generation: None };
        engine.spec.salvage_requested = true;
    };
    store.modify::<Engine>(&engine, order).await.unwrap();
    installation.until_volume("it is attached", |volume| volume.status.state == VolumeState::Attached).await;
    installation
        .until("the order is answered", async |store| {
            let engine = store.get::<Engine>(&engine).await.unwrap();
            engine.status.salvage_answered == 1 && !engine.spec.salvage_requested
        })
        .await;
    let status = installation.engine().await.status;
    assert!(status.salvage.contains(failed.name()) && status.salvage_executed, "{}", status.salvage);
    assert_eq!((read(&installation, 0).await, read(&installation, 4096).await), (1, 0), "the later write is lost");
    installation
        .until("salvage lets it go", async |store| {
            let tickets = store.get::<VolumeAttachment>(VOLUME).await.unwrap().spec.attachment_tickets;
            !tickets.keys().any(|id| id.starts_with("salvage-controller"))
        })
        .await;
    installation.stop().await;
}
