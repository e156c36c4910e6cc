//! csi-sanity, the Kubernetes project's own tests of CSI drivers, whole. `AUROCHS_CSI_SANITY` names its binary, else it is the
//! tool of `e2e/k8s`, which needs Go. Not run by `cargo test` alone, since it takes minutes and that tool:
//! `cargo test -p aurochs-csi --test driver -- --ignored`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::installation::Installation;

fn program() -> Command {
    if let Some(named) = std::env::var_os("AUROCHS_CSI_SANITY") {
        return Command::new(PathBuf::from(named));
    }
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/k8s");
    assert!(module.join("go.mod").exists(), "csi-sanity is not there: set AUROCHS_CSI_SANITY to its binary");
    let mut command = Command::new("go");
    command.args(["tool", "csi-sanity"]).current_dir(module);
    command
}

async fn sanity(installation: &Installation, kind: &str) {
    let root = installation.root.path();
    let parameters = root.join("snapshot-parameters");
    std::fs::write(&parameters, format!("type: {kind}\n")).unwrap();
    let volume_parameters = root.join("volume-parameters");
    std::fs::write(&volume_parameters, "numberOfReplicas: \"2\"\n").unwrap();
    let mut command = program();
    command.arg(format!("-csi.endpoint={}", installation.socket().display()));
    command.arg(format!("-csi.mountdir={}", root.join("target").display()));
    command.arg(format!("-csi.stagingdir={}", root.join("staging").display()));
    command.arg(format!("-csi.testsnapshotparameters={}", parameters.display()));
    command.arg(format!("-csi.testvolumeparameters={}", volume_parameters.display()));
    command.args(["-csi.testvolumesize=67108864", "-csi.testvolumeexpandsize=134217728", "-ginkgo.no-color"]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let end: Vec<&str> = text.lines().rev().take(400).collect();
    let end: Vec<&str> = end.into_iter().rev().collect();
    assert!(output.status.success(), "{}\n{}", end.join("\n"), String::from_utf8_lossy(&output.stderr));
    assert!(installation.mounts().is_empty(), "{:?}", installation.mounts());
    assert!(installation.get("v1/volumes").await["data"].as_array().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs csi-sanity, a Go program"]
async fn csi_sanity_with_snapshots() {
    let installation = Installation::start().await;
    sanity(&installation, "snap").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs csi-sanity, a Go program"]
async fn csi_sanity_with_backups() {
    let installation = Installation::start().await;
    installation.set_backup_target().await;
    sanity(&installation, "bak").await;
}
