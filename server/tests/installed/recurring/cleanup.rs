//! `snapshot-cleanup` for real: what no user took goes, what users took stays, and the data is the same.

use serde_json::json;

use crate::installation::{Installation, MIB};
use crate::snapshots::run;

const JOB: &str = "tidy";

/// Names of the layers, the users' and the others', without the removed ones.
async fn layers(installation: &Installation) -> (Vec<String>, Vec<String>) {
    let living = installation.layers().await.into_iter().filter(|layer| !layer.removed);
    let (users, system): (Vec<_>, Vec<_>) = living.partition(|layer| layer.user_created);
    let names = |layers: Vec<aurochs_engine::grpc::engine_v1::Snapshot>| {
        let mut names: Vec<String> = layers.into_iter().map(|layer| layer.name).collect();
        names.sort();
        names
    };
    (names(users), names(system))
}

async fn rebuild_a_replica(installation: &Installation) {
    let gone = installation.replicas().await.remove(0);
    installation.act("replicaRemove", json!({"name": gone.name()})).await;
    installation
        .until("another replica was rebuilt", async |_| {
            let (volume, replicas) = (installation.volume().await, installation.replicas().await);
            volume["robustness"] == "healthy"
                && replicas.len() == 2
                && replicas.iter().all(|one| one.name() != gone.name())
        })
        .await;
}

async fn holds(installation: &Installation, offset: u64, byte: u8) {
    let uri = installation.engine().await.status.nbd_uri;
    let command = format!("read -P {byte} {offset} {MIB}");
    let read = run("qemu-io", &["-f", "raw", "-c", &command, &uri]).await;
    let told = String::from_utf8_lossy(&read.stdout);
    assert!(read.status.success() && !told.contains("verification failed"), "{command}: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cleanup_takes_away_what_no_user_took() {
    let installation = Installation::with_volume(2, "nbd").await;
    // Else the controller is quicker.
    installation.set("auto-cleanup-system-generated-snapshot", "false").await;
    installation.attach_by_api(false).await;
    installation.write(0, MIB, 1).await;
    installation.act("snapshotCreate", json!({"name": "before"})).await;
    installation.write(MIB, MIB, 2).await;
    rebuild_a_replica(&installation).await;
    installation.write(2 * MIB, MIB, 3).await;
    installation.act("snapshotCreate", json!({"name": "later"})).await;
    let users = vec!["before".to_owned(), "later".to_owned()];
    let (found, system) = layers(&installation).await;
    assert_eq!(found, users);
    assert!(!system.is_empty(), "the rebuild left nothing to clean up");

    // Not while the test runs.
    installation.add_job(JOB, "snapshot-cleanup", "0 0 29 2 *", 0, 1).await;
    installation.set("disable-snapshot-purge", "true").await;
    installation.run_now(JOB).await;
    let refused = installation.until_run(JOB, 1).await;
    assert_eq!(refused.outcome, "succeeded", "{refused:?}");
    let runs = installation.runs_in_history(JOB).await;
    assert!(installation.log_of(&runs[0]).await.contains("switched off by the setting disable-snapshot-purge"));
    assert_eq!(layers(&installation).await.1, system);

    installation.set("disable-snapshot-purge", "false").await;
    installation.run_now(JOB).await;
    let done = installation.until_run(JOB, 2).await;
    assert_eq!((done.outcome.as_str(), done.message.as_str()), ("succeeded", "done for 1 volume"), "{done:?}");
    // No waiting: the run is over when the purge is.
    assert_eq!(layers(&installation).await, (users, vec![]));
    let runs = installation.runs_in_history(JOB).await;
    let log = installation.log_of(&runs[0]).await;
    assert!(system.iter().all(|name| log.contains(name)) && log.contains("purged"), "{log}");
    for (offset, byte) in [(0, 1), (MIB, 2), (2 * MIB, 3)] {
        holds(&installation, offset, byte).await;
    }

    installation.run_now(JOB).await;
    installation.until_run(JOB, 3).await;
    let runs = installation.runs_in_history(JOB).await;
    assert!(installation.log_of(&runs[0]).await.contains("no removed snapshot can be purged"));
    installation.stop().await;
}
