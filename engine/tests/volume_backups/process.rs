//! Real processes: an instance manager, engines and replicas, over gRPC; and a real S3 server.

use aurochs_engine::backup::layout;
use aurochs_engine::grpc::engine_v1::{
    BackupCreateRequest, BackupCredentials, BackupRestoreRequest, BackupStatus, EngineStatus, RestoreStatus,
    SnapshotCreateRequest, StatusRequest, TransferState,
};
use aurochs_engine::grpc::instance_v1::InstanceState;

use crate::content::MIB;
use crate::node::{Engine, Node, kill, run};
use crate::s3_server::{self, S3Server};

const SIZE: u64 = 16 * MIB;

fn is_over(state: TransferState) -> bool {
    !matches!(state, TransferState::Unspecified | TransferState::TransferInProgress)
}

async fn back_up(engine: &Engine, request: BackupCreateRequest) -> BackupStatus {
    let begun = engine.client.clone().backup_create(request).await.unwrap().into_inner();
    let ended = |status: &EngineStatus| {
        let found = status.backups.iter().find(|backup| backup.backup == begun.backup);
        found.is_some_and(|backup| is_over(backup.state()))
    };
    let status = engine.wait("the backup is over", ended).await;
    status.backups.into_iter().find(|backup| backup.backup == begun.backup).unwrap()
}

async fn restore(engine: &Engine, request: BackupRestoreRequest) -> RestoreStatus {
    engine.client.clone().backup_restore(request).await.unwrap();
    let ended = |status: &EngineStatus| status.restore.as_ref().is_some_and(|restore| is_over(restore.state()));
    engine.wait("the restore is over", ended).await.restore.unwrap()
}

/// A volume in use over NBD, with 1 to 9 MiB filled, and its snapshot `s`.
async fn source(node: &Node) -> Engine {
    let volume = node.create("source", SIZE, 2).await;
    let engine = node.attach(&volume, "nbd").await;
    let uri = engine.status().await.nbd_uri;
    run("qemu-io", &["-f", "raw", "-c", "write -P 7 1M 8M", "-c", "flush", &uri]).await;
    let request = SnapshotCreateRequest { name: "s".into(), user_created: true, ..Default::default() };
    engine.client.clone().snapshot_create(request).await.unwrap();
    engine
}

fn block_files(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { block_files(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_frontend_comes_up_before_a_restore_is_complete() {
    let node = Node::start().await;
    let engine = source(&node).await;
    let shelf = node.root.path().join("shelf");
    std::fs::create_dir(&shelf).unwrap();
    let target_url = format!("vfs://{}", shelf.display());
    let request =
        BackupCreateRequest { snapshot: "s".into(), target_url: target_url.clone(), ..BackupCreateRequest::default() };
    let backup = back_up(&engine, request).await;
    assert_eq!(backup.state(), TransferState::TransferComplete, "{}", backup.error);
    let wanted = BackupRestoreRequest {
        target_url,
        volume: "source".into(),
        backup: backup.backup.clone(),
        ..BackupRestoreRequest::default()
    };
    let refused = engine.client.clone().backup_restore(wanted.clone()).await.unwrap_err();
    assert!(refused.message().contains("maintenance"), "{refused}");

    let volume = node.create("target", SIZE, 2).await;
    let mut target = node.attach(&volume, "").await;
    // One block is lost, so the restore cannot end.
    let lost = block_files(&shelf.join(layout::blocks("source"))).pop().unwrap();
    let aside = shelf.join("aside");
    std::fs::rename(&lost, &aside).unwrap();
    let failed = restore(&target, wanted.clone()).await;
    assert_eq!(failed.state(), TransferState::TransferFailed);
    assert!(failed.error.contains("missing"), "{}", failed.error);
    assert_eq!(target.status().await.unfinished_restore, backup.backup);
    // Neither a clean end nor a kill makes it look complete.
    for is_killed in [false, true] {
        if is_killed {
            kill(target.pid);
        }
        node.stop(&target.name).await;
        let in_use = node.start_engine(&volume, "nbd").await;
        let ended = async {
            loop {
                match node.instance(&in_use.name).await {
                    Some(instance) if instance.state() == InstanceState::Error => return instance.error,
                    _ => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
                }
            }
        };
        let why = tokio::time::timeout(std::time::Duration::from_secs(60), ended).await.expect("the engine ends");
        assert!(why.contains("not complete") && why.contains(&backup.backup), "{why}");
        node.stop(&in_use.name).await;
        target = node.attach(&volume, "").await;
        assert_eq!(target.status().await.unfinished_restore, backup.backup);
    }
    std::fs::rename(&aside, &lost).unwrap();
    let complete = restore(&target, wanted).await;
    assert_eq!(complete.state(), TransferState::TransferComplete, "{}", complete.error);
    assert!(complete.resumed, "{complete:?}");
    node.stop(&target.name).await;
    let in_use = node.attach(&volume, "nbd").await;
    let uri = in_use.status().await.nbd_uri;
    run("qemu-io", &["-f", "raw", "-c", "read -P 7 1M 8M", "-c", "read -P 0 9M 7M", "-c", "read -P 0 0 1M", &uri])
        .await;
    node.stop(&in_use.name).await;
    node.stop(&engine.name).await;
    let content = node.equal_content(&volume.replicas).await;
    assert_eq!((content[MIB as usize], content[(9 * MIB) as usize]), (7, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_told_and_not_shown() {
    let node = Node::start().await;
    let engine = source(&node).await;
    let server = S3Server::start();
    let with_secret = |secret: &str| {
        let mut values: std::collections::HashMap<_, _> = server.credentials().into_iter().collect();
        values.insert("AWS_SECRET_ACCESS_KEY".to_owned(), secret.to_owned());
        BackupCreateRequest {
            backup: "b1".into(),
            snapshot: "s".into(),
            target_url: s3_server::url(s3_server::BUCKET, "here"),
            credentials: Some(BackupCredentials { values }),
            ..BackupCreateRequest::default()
        }
    };
    let failed = back_up(&engine, with_secret("not-the-secret")).await;
    assert_eq!(failed.state(), TransferState::TransferFailed);
    assert!(failed.next_step.contains("credentials"), "{failed:?}");
    let shown = format!("{:?} {:?}", engine.status().await, with_secret("not-the-secret"));
    assert!(!shown.contains("not-the-secret"), "{shown}");
    let complete = back_up(&engine, with_secret(s3_server::SECRET_KEY)).await;
    assert_eq!(complete.state(), TransferState::TransferComplete, "{}", complete.error);

    let volume = node.create("target", SIZE, 1).await;
    let target = node.attach(&volume, "").await;
    let request = with_secret(s3_server::SECRET_KEY);
    let restored = restore(
        &target,
        BackupRestoreRequest {
            target_url: request.target_url,
            credentials: request.credentials,
            volume: "source".into(),
            backup: "b1".into(),
            ..BackupRestoreRequest::default()
        },
    );
    let restored = restored.await;
    assert_eq!(restored.state(), TransferState::TransferComplete, "{}", restored.error);
    target.client.clone().restore_cancel(StatusRequest {}).await.unwrap();
    node.stop(&target.name).await;
    let content = node.equal_content(&volume.replicas).await;
    assert_eq!((content[0], content[MIB as usize], content[(9 * MIB) as usize]), (0, 7, 0));
}
