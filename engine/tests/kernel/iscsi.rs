//! The kernel's iSCSI initiator, logged in to the engine's own target.

use std::os::unix::fs::PermissionsExt;

use aurochs_engine::grpc::engine_v1::ExpandRequest;

use crate::assert_equal_replicas;
use crate::evidence::Evidence;
use crate::file_system::{FileSystem, text};
use crate::initiator::Initiator;
use crate::launched::Launched;
use crate::node::{MIB, Node, run};
use crate::writer::Writer;

const SIZE: u64 = 64 * MIB;
const PORTAL: &str = "127.0.0.1:3260";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the iSCSI initiator: make test-kernel"]
async fn a_file_system_lives_and_grows_on_it() {
    let initiator = Initiator::start().await;
    let node = Node::start().await;
    let _evidence = Evidence::of(node.root.path());
    let volume = node.create("lives", SIZE, 2).await;
    let engine = node.attach(&volume, "iscsi").await;
    let status = engine.status().await;
    assert_eq!(status.frontend, "iscsi", "{}", status.frontend_reason);
    let mut parts = status.endpoint.strip_prefix("iscsi://").unwrap().split('/');
    let (portal, iqn) = (parts.next().unwrap(), parts.next().unwrap());
    let session = initiator.login(portal, iqn).await;
    let disk = session.disk().await;
    assert_eq!(run("blockdev", &["--getsize64", text(&disk)]).await.trim(), SIZE.to_string());
    let at = node.root.path().join("mnt");
    FileSystem::live(&disk, &at).await;

    let file_system = FileSystem::make(&disk, &at).await;
    file_system.write_tree(2).await;
    let before = file_system.size_bytes().await;
    engine.client.clone().expand(ExpandRequest { size_bytes: 2 * SIZE }).await.unwrap();
    session.rescan().await;
    assert_eq!(run("blockdev", &["--getsize64", text(&disk)]).await.trim(), (2 * SIZE).to_string());
    run("resize2fs", &[text(&disk)]).await;
    assert!(file_system.size_bytes().await > before + SIZE / 2);
    file_system.unmount_and_check().await;
    file_system.mount().await;
    file_system.assert_tree(2);
    file_system.unmount().await;

    session.logout().await;
    node.stop(&engine.name).await;
    assert!(node.record(&volume).await.clean);
    assert_equal_replicas(&node, &volume).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the iSCSI initiator: make test-kernel"]
async fn a_session_outlives_the_engine() {
    let initiator = Initiator::start().await;
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    let how = ["--size", "64mb", "--frontend", "iscsi", "--iscsi-listen", PORTAL];
    let launched = Launched::start(place.path(), "outlives", &how);
    let session = initiator.login(PORTAL, "iqn.2019-10.io.longhorn:outlives").await;
    let disk = session.disk().await;
    let file_system = FileSystem::make(&disk, &place.path().join("mnt")).await;
    file_system.write_tree(1).await;
    let writer = Writer::start(file_system.at());
    writer.go_on_for(5).await;
    launched.kill();
    let launched = Launched::start(place.path(), "outlives", &how);
    writer.go_on_for(10).await;
    assert_eq!(session.find_disk().as_ref(), Some(&disk), "the disk that is mounted, and no other");
    let written = writer.end().await;
    file_system.unmount_and_check().await;
    file_system.mount().await;
    file_system.assert_tree(1);
    written.assert_there();
    file_system.unmount().await;
    session.logout().await;
    drop(launched);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the iSCSI initiator: make test-kernel"]
async fn who_does_not_know_the_secret_is_not_let_in() {
    let initiator = Initiator::start().await;
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    let accounts = place.path().join("chap");
    let (user, secret, target_user, target_secret) = ("host", "a secret of the host", "volume", "one of the volume");
    let lines =
        format!("user = {user}\nsecret = {secret}\ntarget-user = {target_user}\ntarget-secret = {target_secret}\n");
    std::fs::write(&accounts, lines).unwrap();
    std::fs::set_permissions(&accounts, std::fs::Permissions::from_mode(0o600)).unwrap();
    let how = ["--size", "64mb", "--frontend", "iscsi", "--iscsi-listen", PORTAL, "--iscsi-chap-file"];
    let _launched = Launched::start(place.path(), "closed", &[&how[..], &[text(&accounts)]].concat());
    let iqn = "iqn.2019-10.io.longhorn:closed";
    initiator.know(PORTAL, iqn).await;
    assert!(!initiator.try_login(PORTAL, iqn).await.status.success(), "without a name");
    let set = async |name: &str, value: &str| {
        initiator.set(PORTAL, iqn, &format!("node.session.auth.{name}"), value).await;
    };
    set("authmethod", "CHAP").await;
    set("username", user).await;
    set("password", "not the secret of it").await;
    assert!(!initiator.try_login(PORTAL, iqn).await.status.success(), "with another secret");
    set("password", secret).await;
    set("username_in", target_user).await;
    set("password_in", target_secret).await;
    let session = initiator.enter(PORTAL, iqn).await;
    FileSystem::live(&session.disk().await, &place.path().join("mnt")).await;
    session.logout().await;
}
