//! `concurrency`: so many volumes are worked on at once, and no more.

use std::collections::BTreeSet;

use aurochs_server::resources::volume::VolumeState;
use aurochs_server::resources::{Kind, Snapshot, Volume, VolumeAttachment};
use aurochs_server::store::{RawEvent, Store};
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use crate::installation::{Installation, MIB};

const VOLUMES: [&str; 3] = ["va", "vb", "vc"];

/// The most volumes that the job wanted at once, in the order in which the store was changed. Reads what was told until now.
fn most_at_once(changes: &mut Receiver<RawEvent>, job: &str) -> usize {
    let ticket = format!("snapshot-controller-recurring-job:{job}");
    let (mut wanted, mut most) = (BTreeSet::new(), 0);
    loop {
        let event = match changes.try_recv() {
            Ok(event) => event,
            Err(TryRecvError::Empty) => break,
            Err(error) => panic!("{error}"),
        };
        if event.plural != VolumeAttachment::PLURAL {
            continue;
        }
        let name = event.object.metadata.name.clone();
        if event.object.spec["attachmentTickets"].get(&ticket).is_some() {
            wanted.insert(name);
        } else {
            wanted.remove(&name);
        }
        most = most.max(wanted.len());
    }
    assert!(wanted.is_empty(), "still wanted: {wanted:?}");
    most
}

async fn have_snapshots(store: &Store, of_each: usize) -> bool {
    let known = store.list::<Snapshot>().await.unwrap();
    let of = |volume: &str| known.iter().filter(|one| one.spec.volume == volume && one.status.ready_to_use).count();
    VOLUMES.iter().all(|volume| of(volume) == of_each)
}

async fn until_all_detached(installation: &Installation) {
    installation
        .until("all are detached, and take part", async |store| {
            let volumes = store.list::<Volume>().await.unwrap();
            volumes.iter().all(|volume| {
                volume.status.state == VolumeState::Detached
                    && volume.metadata.labels.contains_key("recurring-job-group.longhorn.io/default")
            })
        })
        .await;
}

/// The volumes are detached, so that the run attaches each for its part, and gives it back before the part is over: the
/// tickets tell which parts are under way.
#[tokio::test(flavor = "multi_thread")]
async fn as_many_volumes_are_worked_on_at_once_as_the_job_says() {
    let installation = Installation::start(1).await;
    for volume in VOLUMES {
        let body = json!({"name": volume, "size": (16 * MIB).to_string(), "numberOfReplicas": 1, "frontend": "nbd"});
        installation.call("POST", "/v1/volumes", body).await;
    }
    installation.set("allow-recurring-job-while-volume-detached", "true").await;
    for (round, concurrency) in [1, 2, 3].into_iter().enumerate() {
        let job = format!("by-{concurrency}");
        // Not while the test runs.
        installation.add_job(&job, "snapshot-force-create", "0 0 29 2 *", 20, concurrency).await;
        // One that still has its engine of the round before needs no ticket.
        until_all_detached(&installation).await;
        let mut changes = installation.store().changes();
        installation.run_now(&job).await;
        let ended = installation.until_run(&job, 1).await;
        assert_eq!((ended.outcome.as_str(), ended.message.as_str()), ("succeeded", "done for 3 volumes"), "{ended:?}");
        assert!(have_snapshots(&installation.store(), round + 1).await, "one more of each");
        assert_eq!(most_at_once(&mut changes, &job), concurrency as usize);
    }
    installation.stop().await;
}
