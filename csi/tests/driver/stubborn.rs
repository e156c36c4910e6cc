//! Volumes that somebody holds on to: what was written is with the volume before anything is taken away.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tonic::Code;

use super::installation::{Installation, name};
use super::volume::{MIB, Volume, create_request, filesystem};

/// A process that is ended in any case.
struct Holder(Child);

impl Holder {
    /// `script` says `ready` and then waits for the end of its input.
    fn start(program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready");
        Self(child)
    }

    fn end(mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_in_another_namespace_keeps_the_volume() {
    let installation = Installation::start().await;
    let volume =
        Volume::create(&installation, create_request(&name("held"), 64 * MIB, &filesystem("ext4"))).await.unwrap();
    volume.begin().await;
    // As a container that has not ended: its namespace has the mounts of when it began, and sees no unmount. What tests beside
    // this one have mounted is none of its business.
    let script = "while read -r source at rest; do
          case $at in $0/*) ;; /var/tmp/* | /tmp/*) umount -l \"$at\" ;; esac
        done </proc/self/mounts
        echo ready; read -r x";
    let root = installation.root.to_str().unwrap();
    let holder = Holder::start("unshare", &["-m", "--propagation", "private", "sh", "-c", script, root]);
    fs::write(volume.target().join("file"), "written last").unwrap();
    volume.unpublish().await.unwrap();
    let status = volume.unstage().await.unwrap_err();
    assert!(status.code() == Code::Internal && status.message().contains("in use"), "{status}");
    holder.end();
    volume.unstage().await.unwrap();
    volume.detach().await.unwrap();
    volume.begin().await;
    assert_eq!(fs::read_to_string(volume.target().join("file")).unwrap(), "written last");
    volume.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_away_while_it_is_published() {
    let installation = Installation::start().await;
    let volume =
        Volume::create(&installation, create_request(&name("published"), 64 * MIB, &filesystem("ext4"))).await.unwrap();
    volume.begin().await;
    fs::write(volume.target().join("file"), "here").unwrap();
    let status = volume.detach().await.unwrap_err();
    assert!(status.code() == Code::FailedPrecondition && status.message().contains("mounted"), "{status}");
    let status = volume.delete().await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    let status = volume.unstage().await.unwrap_err();
    assert!(status.code() == Code::Internal && status.message().contains("still mounted"), "{status}");
    assert_eq!(fs::read_to_string(volume.target().join("file")).unwrap(), "here");
    // A kubelet that was started again stages it once more, and the pod never knew.
    volume.stage().await.unwrap();
    volume.publish().await.unwrap();
    assert_eq!(fs::read_to_string(volume.staging().join("file")).unwrap(), "here");
    volume.end().await;
    volume.delete().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manager_may_be_away_while_a_volume_is_given_back() {
    let mut installation = Installation::start().await;
    let request = create_request(&name("away"), 64 * MIB, &filesystem("ext4"));
    let volume = Volume::create(&installation, request.clone()).await.unwrap();
    volume.begin().await;
    fs::write(volume.target().join("file"), "kept").unwrap();
    installation.kill_manager();
    let volume = Volume {
        installation: &installation,
        id: name("away"),
        capability: filesystem("ext4"),
        context: Default::default(),
    };
    volume.unpublish().await.unwrap();
    volume.unstage().await.unwrap();
    assert_eq!(volume.detach().await.unwrap_err().code(), Code::Unavailable);
    installation.start_manager();
    let volume = Volume::create(&installation, request).await.unwrap();
    volume.detach().await.unwrap();
    volume.begin().await;
    assert_eq!(fs::read_to_string(volume.target().join("file")).unwrap(), "kept");
    volume.end().await;
}
