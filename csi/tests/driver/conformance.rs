//! csi-sanity, the Kubernetes project's own tests of CSI drivers, whole: with snapshots that stay here, and with backups. What it
//! skips is what the driver does not offer.

use std::path::PathBuf;
use std::process::Command;

use super::installation::Installation;

/// Of what it says when it fails.
const SHOWN_LINES: usize = 400;

/// The program, made first where it is missing.
fn program() -> Command {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("csi-sanity");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/csi-sanity.sh");
    let made = Command::new(script).arg(&directory).output().unwrap();
    assert!(made.status.success(), "no csi-sanity: {}", String::from_utf8_lossy(&made.stderr));
    Command::new(directory.join("csi-sanity"))
}

async fn sanity(installation: &Installation, kind: &str) {
    let root = &installation.root;
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
    let lines: Vec<&str> = text.lines().collect();
    let end = lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default().join("\n");
    assert!(output.status.success(), "{end}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(installation.mounts().is_empty(), "{:?}", installation.mounts());
    assert!(installation.get("v1/volumes").await["data"].as_array().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn csi_sanity_with_snapshots() {
    let installation = Installation::start().await;
    sanity(&installation, "snap").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn csi_sanity_with_backups() {
    let installation = Installation::start().await;
    installation.set_backup_target().await;
    sanity(&installation, "bak").await;
}
