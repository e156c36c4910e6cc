//! W27, W28: a VolumeSnapshot, and a volume made of it.

use std::fs;

use aurochs_e2e_k8s::product::NAMESPACE;
use aurochs_e2e_k8s::{Namespace, Product, kubectl};
use serde_json::{Value, json};

#[test]
#[ignore = "needs a Kubernetes with a node: make test-k8s"]
fn w27_w28_a_snapshot_is_a_backup_and_is_restored() {
    set_backup_target();
    let namespace = Namespace::new("w27");
    namespace.claim("mysql-pvc", "1Gi");
    let pod = namespace.pod_with("writer", "mysql-pvc");
    pod.run("echo taken >/data/file && sync");
    namespace.apply("w27-snapshot.yaml");
    namespace.wait(&["--for=jsonpath={.status.readyToUse}=true", "volumesnapshot/mysql-snapshot-demo"]);
    pod.run("echo later >/data/file && sync");

    let snapshot = namespace.object(&["volumesnapshot", "mysql-snapshot-demo"]);
    let content =
        kubectl::object(&["volumesnapshotcontent", text(&snapshot["status"]["boundVolumeSnapshotContentName"])]);
    let volume = namespace.volume_of("mysql-pvc");
    let handle = text(&content["status"]["snapshotHandle"]);
    let backup = handle.strip_prefix(&format!("bak://{volume}/")).unwrap_or_else(|| panic!("{handle}"));
    assert!(backup.starts_with("backup-"), "{handle}");
    let name = format!("snapshot-{}", text(&snapshot["metadata"]["uid"]));
    for object in [format!("snapshots.longhorn.io/{name}"), format!("backups.longhorn.io/{backup}")] {
        kubectl::run(&["-n", NAMESPACE, "get", &object]);
    }

    namespace.apply("w28-restore.yaml");
    namespace.volume_of("restored");
    let restored = namespace.pod_with("reader", "restored");
    assert_eq!(restored.run("cat /data/file"), "taken");

    namespace.run(&["delete", "volumesnapshot", "mysql-snapshot-demo", "--timeout=240s"]);
    kubectl::wait(&["-n", NAMESPACE, "--for=delete", &format!("backups.longhorn.io/{backup}")]);
    kubectl::run(&["delete", "volumesnapshotclass", "longhorn"]);
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// A directory of the node that manager and instance manager have at the same path.
fn set_backup_target() {
    Product::get();
    let backups = "/var/lib/aurochs/backups";
    fs::create_dir_all(backups).unwrap();
    let change = json!({"spec": {"backupTargetURL": format!("vfs://{backups}")}}).to_string();
    let target = "backuptargets.longhorn.io/default";
    kubectl::wait(&["-n", NAMESPACE, "--for=create", target]);
    kubectl::run(&["-n", NAMESPACE, "patch", target, "--type=merge", "-p", &change]);
    kubectl::wait(&["-n", NAMESPACE, "--for=jsonpath={.status.available}=true", target]);
}
