//! `filesystem-trim` for real: what is mounted is trimmed, what is detached is left out, and what is attached and not mounted
//! fails alone.

use std::path::PathBuf;

use aurochs_server::resources::{Engine, LABEL_VOLUME, Replica};
use serde_json::{Value, json};

use crate::installation::{Installation, MIB};
use crate::mounted::{self, Mounted, allocated, noise};

const JOB: &str = "weekly-trim";
/// Devices are named after volumes, on the whole machine: no other test has this one.
const MOUNTED: &str = "trimmed-weekly";
const LARGE: usize = 20_000_000;
/// What a file system may take for itself meanwhile.
const NEARLY: u64 = LARGE as u64 - 1_000_000;

async fn another(installation: &Installation, name: &str, frontend: &str, mebibytes: u64) {
    let size = (mebibytes * MIB).to_string();
    let body = json!({"name": name, "size": size, "numberOfReplicas": 1, "frontend": frontend});
    installation.call("POST", "/v1/volumes", body).await;
    until(installation, name, "detached").await;
}

async fn until(installation: &Installation, name: &str, state: &str) {
    installation
        .until(&format!("{name} is {state}"), async |_| {
            installation.call("GET", &format!("/v1/volumes/{name}"), Value::Null).await["state"] == state
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trim_frees_what_is_not_used_on_mounted_volumes_and_leaves_out_detached_ones() {
    if !mounted::is_possible() {
        return;
    }
    let installation = Installation::start(1).await;
    another(&installation, "idle", "nbd", 16).await;
    another(&installation, MOUNTED, "blockdev", 64).await;
    installation.attach_volume(MOUNTED, "node-1").await;
    until(&installation, MOUNTED, "attached").await;
    // It would be attached for another task.
    installation.set("allow-recurring-job-while-volume-detached", "true").await;
    let engine = async || installation.store().get::<Engine>(&format!("{MOUNTED}-e-0")).await.unwrap().status;
    installation.until("it has a device", async |_| !engine().await.endpoint.is_empty()).await;
    let device = engine().await.endpoint;
    let mounted = Mounted::make(&device, installation.path().join("mnt")).await;
    let replicas = installation.store().list_labelled::<Replica>(LABEL_VOLUME, MOUNTED).await.unwrap();
    let directory = PathBuf::from(replicas[0].spec.data_path());
    let file = mounted.at.join("large");
    std::fs::write(&file, noise(LARGE)).unwrap();
    mounted.sync().await;
    let full = allocated(&directory);
    std::fs::remove_file(&file).unwrap();
    mounted.sync().await;

    // Not while the test runs.
    installation.add_job(JOB, "filesystem-trim", "0 0 29 2 *", 0, 1).await;
    installation.run_now(JOB).await;
    let first = installation.until_run(JOB, 1).await;
    assert_eq!((first.outcome.as_str(), first.message.as_str()), ("succeeded", "done for 1 volume"), "{first:?}");
    let trimmed = allocated(&directory);
    assert!(trimmed + NEARLY < full, "{full} bytes before, {trimmed} after");
    let runs = installation.runs_in_history(JOB).await;
    let log = installation.log_of(&runs[0]).await;
    let at = format!("given back of the file system at {}", mounted.at.display());
    assert!(log.contains(&at) && log.contains("volume idle is left out: it is detached"), "{log}");

    // A snapshot that may go with what it held is purged before the run is over, unless the live data stands on it.
    std::fs::write(&file, noise(LARGE)).unwrap();
    mounted.sync().await;
    let act = async |action: &str, body: Value| {
        installation.call("POST", &format!("/v1/volumes/{MOUNTED}?action={action}"), body).await
    };
    act("snapshotCreate", json!({"name": "holds"})).await;
    act("updateUnmapMarkSnapChainRemoved", json!({"unmapMarkSnapChainRemoved": "enabled"})).await;
    let knows = async |_: &_| engine().await.unmap_mark_snap_chain_removed_enabled;
    installation.until("the running engine knows", knows).await;
    std::fs::remove_file(&file).unwrap();
    mounted.sync().await;
    mounted.mount_again().await;
    // One volume that fails does not stop the others.
    installation.attach_volume("idle", "node-1").await;
    until(&installation, "idle", "attached").await;
    installation.run_now(JOB).await;
    let second = installation.until_run(JOB, 2).await;
    assert_eq!(
        (second.outcome.as_str(), second.message.as_str()),
        ("failed", "1 of 2 volumes failed: idle"),
        "{second:?}"
    );
    installation.until_snapshot("holds", "is marked removed", |one| one.status.mark_removed).await;
    installation.until("its space is free", async |_| allocated(&directory) < trimmed + 4_000_000).await;
    let runs = installation.runs_in_history(JOB).await;
    let log = installation.log_of(&runs[0]).await;
    assert!(log.contains("volume idle:") && log.contains("given back of the file system at"), "{log}");
    drop(mounted);
    installation.stop().await;
}
