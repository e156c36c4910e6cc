//! A mounted file system on a real engine: it grows while it is used, a snapshot of it needs no repair, and a trim gives back
//! what it does not use. Needs root, FUSE and loop devices.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod node;

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aurochs_engine::frontend::freeze::{self, FreezeError, Patience};
use aurochs_engine::grpc::engine_v1::{ExpandRequest, SnapshotCreateRequest};
use aurochs_engine::grpc::instance_v1::{FilesystemTrimReply, FilesystemTrimRequest};
use aurochs_engine::replica::{OpenOptions, Replica};
use node::{Engine, MIB, Node, noise, run, run_any};

const SIZE: u64 = 64 * MIB;

/// A file system on a volume's block device; unmounted in any case.
struct Mounted {
    device: PathBuf,
    at: PathBuf,
}

impl Mounted {
    async fn make(node: &Node, engine: &Engine, mkfs: &str) -> Self {
        let device = PathBuf::from(engine.status().await.endpoint);
        let at = node.root.path().join("mnt");
        std::fs::create_dir(&at).unwrap();
        run(mkfs, &["-q", text(&device)]).await;
        run("mount", &[text(&device), text(&at)]).await;
        Self { device, at }
    }

    /// A writer that never rests: files that grow, are synced, and go.
    fn writer(&self) -> Writer {
        let (at, stop) = (self.at.clone(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut files = 0_u64;
            while !stopped.load(Ordering::Relaxed) {
                let path = at.join(format!("busy-{}", files % 8));
                let file = std::fs::File::create(&path).unwrap();
                file.write_all_at(&noise(files, 100_000), 0).unwrap();
                if files.is_multiple_of(4) {
                    file.sync_all().unwrap();
                }
                files += 1;
            }
            files
        });
        Writer { stop, thread }
    }

    fn can_be_written(&self) -> bool {
        let probe = self.at.join("probe");
        let (sender, answer) = std::sync::mpsc::channel();
        // A frozen file system holds the writer back; it must not hold the test back too.
        std::thread::spawn(move || {
            let _ = sender.send(std::fs::write(probe, "x").is_ok());
        });
        answer.recv_timeout(std::time::Duration::from_secs(20)).unwrap_or(false)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("fsfreeze").arg("-u").arg(&self.at).stderr(std::process::Stdio::null()).status();
        let _ = Command::new("umount").arg("-l").arg(&self.at).stderr(std::process::Stdio::null()).status();
    }
}

struct Writer {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<u64>,
}

impl Writer {
    /// How many files it wrote.
    async fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        tokio::task::spawn_blocking(|| self.thread.join().unwrap()).await.unwrap()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

async fn take(engine: &Engine, name: &str, freeze_filesystem: bool) -> Result<(), tonic::Status> {
    let request =
        SnapshotCreateRequest { name: name.into(), user_created: true, freeze_filesystem, ..Default::default() };
    engine.client.clone().snapshot_create(request).await.map(drop)
}

/// The content of a snapshot, in a file.
fn export(node: &Node, replica: &str, snapshot: &str) -> PathBuf {
    let open = Replica::open(&node.directory(replica), OpenOptions::default()).unwrap();
    let path = node.root.path().join(format!("{snapshot}.img"));
    let file = std::fs::File::create(&path).unwrap();
    for offset in (0..open.size()).step_by(MIB as usize) {
        let layer = format!("volume-snap-{snapshot}.img");
        file.write_all_at(&open.read_layer_chain(&layer, offset, MIB as u32).unwrap(), offset).unwrap();
    }
    open.close().unwrap();
    path
}

async fn needs_recovery(image: &Path) -> bool {
    run("dumpe2fs", &["-h", text(image)]).await.contains("needs_recovery")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_snapshot_is_a_clean_file_system() {
    let node = Node::start().await;
    let volume = node.create("frozen", SIZE, 2).await;
    let engine = node.attach(&volume, "blockdev").await;
    let mounted = Mounted::make(&node, &engine, "mkfs.ext4").await;
    std::fs::write(mounted.at.join("kept"), noise(1, 300_000)).unwrap();
    let writer = mounted.writer();
    take(&engine, "as-it-runs", false).await.unwrap();
    take(&engine, "frozen", true).await.unwrap();
    assert!(mounted.can_be_written(), "thawed when the snapshot is there");
    assert!(writer.end().await > 0);
    // Somebody's own freeze is not ours to end.
    run("fsfreeze", &["-f", text(&mounted.at)]).await;
    let refused = take(&engine, "twice", true).await.unwrap_err();
    assert!(refused.message().contains("frozen already"), "{refused}");
    assert!(!run_any("fsfreeze", &["-f", text(&mounted.at)]).await.status.success(), "it is still frozen");
    run("fsfreeze", &["-u", text(&mounted.at)]).await;
    assert!(!engine.status().await.snapshots.iter().any(|snapshot| snapshot.name == "twice"));

    run("umount", &[text(&mounted.at)]).await;
    node.stop(&engine.name).await;
    node.stop(&volume.replicas[0]).await;
    let running = export(&node, &volume.replicas[0], "as-it-runs");
    assert!(needs_recovery(&running).await, "without a freeze the journal has to be replayed");
    let image = export(&node, &volume.replicas[0], "frozen");
    assert!(!needs_recovery(&image).await);
    run("e2fsck", &["-fn", text(&image)]).await;
    let kept = node.root.path().join("kept");
    run("debugfs", &["-R", &format!("dump /kept {}", text(&kept)), text(&image)]).await;
    assert!(std::fs::read(kept).unwrap() == noise(1, 300_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_ends_by_itself() {
    let node = Node::start().await;
    let volume = node.create("ends", SIZE, 1).await;
    let engine = node.attach(&volume, "blockdev").await;
    let mounted = Mounted::make(&node, &engine, "mkfs.ext4").await;
    let hold = |hold| Patience { hold, ..Patience::default() };

    // Its time is up: whoever takes a snapshot then is told.
    let quiet = freeze::quiesce(&mounted.device, true, hold(std::time::Duration::ZERO)).await.unwrap();
    let witness = quiet.witness();
    assert!(mounted.can_be_written());
    assert!(matches!(witness.check(), Err(FreezeError::Over { .. })));
    quiet.release().await;

    // The asker is gone.
    let quiet = freeze::quiesce(&mounted.device, true, Patience::default()).await.unwrap();
    quiet.witness().check().unwrap();
    let second = freeze::quiesce(&mounted.device, true, Patience::default()).await.unwrap_err();
    assert!(matches!(second, FreezeError::Frozen { .. }), "{second}");
    drop(quiet);
    assert!(mounted.can_be_written());

    // The process that froze it is gone: the stop of the frontend looks after it.
    run("fsfreeze", &["-f", text(&mounted.at)]).await;
    freeze::thaw_before_stop(&mounted.device).await;
    assert!(mounted.can_be_written());
    run("umount", &[text(&mounted.at)]).await;
    let nothing = freeze::quiesce(&mounted.device, true, Patience::default()).await.unwrap();
    nothing.witness().check().expect("what is not mounted is as quiet as can be");
    node.stop(&engine.name).await;
}

/// XFS, because growing a mounted ext4 needs a capability that containers lack (`CAP_SYS_RESOURCE`).
#[tokio::test(flavor = "multi_thread")]
async fn a_mounted_file_system_grows_while_it_is_written() {
    let size = 320 * MIB;
    let node = Node::start().await;
    let volume = node.create("grows", size, 2).await;
    let engine = node.attach(&volume, "blockdev").await;
    let mounted = Mounted::make(&node, &engine, "mkfs.xfs").await;
    std::fs::write(mounted.at.join("kept"), noise(1, 3_000_000)).unwrap();
    let df = async || {
        let said = run("df", &["--output=size", "-B1", text(&mounted.at)]).await;
        said.lines().last().unwrap().trim().parse::<u64>().unwrap()
    };
    let before = df().await;
    let writer = mounted.writer();
    expand(&engine, &mounted, 2 * size).await;
    run("xfs_growfs", &[text(&mounted.at)]).await;
    assert!(writer.end().await > 0);
    assert!(df().await > before + size / 2, "{} and {before} bytes", df().await);
    take(&engine, "frozen", true).await.unwrap();
    // More than fitted in before.
    std::fs::write(mounted.at.join("large"), vec![0x5a; 350_000_000]).unwrap();
    let device = text(&mounted.device);
    run("umount", &[text(&mounted.at)]).await;
    run("mount", &[device, text(&mounted.at)]).await;
    assert!(std::fs::read(mounted.at.join("kept")).unwrap() == noise(1, 3_000_000));
    assert!(std::fs::read(mounted.at.join("large")).unwrap() == vec![0x5a; 350_000_000]);
    run("umount", &[text(&mounted.at)]).await;
    run("xfs_repair", &["-n", device]).await;
    node.stop(&engine.name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmounted_file_system_grows_and_the_volume_keeps_its_size() {
    let node = Node::start().await;
    let volume = node.create("grows-too", SIZE, 2).await;
    let engine = node.attach(&volume, "blockdev").await;
    let mounted = Mounted::make(&node, &engine, "mkfs.ext4").await;
    std::fs::write(mounted.at.join("kept"), noise(1, 3_000_000)).unwrap();
    expand(&engine, &mounted, 2 * SIZE).await;
    let device = text(&mounted.device);
    run("umount", &[text(&mounted.at)]).await;
    run("e2fsck", &["-fp", device]).await;
    run("resize2fs", &[device]).await;
    run("mount", &[device, text(&mounted.at)]).await;
    assert!(std::fs::read(mounted.at.join("kept")).unwrap() == noise(1, 3_000_000));
    std::fs::write(mounted.at.join("large"), noise(2, 70_000_000)).unwrap();
    run("umount", &[text(&mounted.at)]).await;
    node.stop(&engine.name).await;

    // The manager that starts it again knows only the old size.
    let engine = node.attach(&volume, "blockdev").await;
    assert_eq!(engine.status().await.size_bytes, 2 * SIZE);
    run("e2fsck", &["-fn", device]).await;
    node.stop(&engine.name).await;
    let content = node.equal_content(&volume.replicas).await;
    assert_eq!(content.len() as u64, 2 * SIZE);
}

/// Expands the volume, and expects every kind of user to be told.
async fn expand(engine: &Engine, mounted: &Mounted, size_bytes: u64) {
    let expanded = engine.client.clone().expand(ExpandRequest { size_bytes }).await.unwrap().into_inner();
    assert_eq!((expanded.size_bytes, expanded.last_expansion_error.as_str()), (size_bytes, ""));
    assert!(!expanded.is_expanding);
    let shown = run("blockdev", &["--getsize64", text(&mounted.device)]).await;
    assert_eq!(shown.trim(), size_bytes.to_string());
    assert_eq!(run("nbdinfo", &["--size", &expanded.nbd_uri]).await.trim(), size_bytes.to_string());
}

/// Bytes that the files of a replica take on the disk.
fn allocated(node: &Node, replica: &str) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let files = std::fs::read_dir(node.directory(replica)).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().blocks() * 512).sum()
}

async fn trim(node: &Node, volume: &str) -> Result<FilesystemTrimReply, tonic::Status> {
    let request = FilesystemTrimRequest { volume: volume.into() };
    node.client.clone().filesystem_trim(request).await.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trim_gives_back_what_the_file_system_does_not_use() {
    let node = Node::start().await;
    let volume = node.create("trimmed", SIZE, 2).await;
    let engine = node.attach(&volume, "blockdev").await;
    let mounted = Mounted::make(&node, &engine, "mkfs.ext4").await;
    std::fs::write(mounted.at.join("kept"), noise(1, 3_000_000)).unwrap();
    std::fs::write(mounted.at.join("goes"), noise(2, 30_000_000)).unwrap();
    run("sync", &["-f", text(&mounted.at)]).await;
    let before = allocated(&node, &volume.replicas[1]);
    std::fs::remove_file(mounted.at.join("goes")).unwrap();
    run("sync", &["-f", text(&mounted.at)]).await;
    let trimmed = trim(&node, "trimmed").await.unwrap();
    assert_eq!(Path::new(&trimmed.mounted_at), mounted.at);
    assert!(trimmed.trimmed_bytes >= 30_000_000, "{trimmed:?}");
    for replica in &volume.replicas {
        let left = allocated(&node, replica);
        assert!(left + 29_000_000 < before, "{replica}: {before} bytes before, {left} after");
    }
    assert!(std::fs::read(mounted.at.join("kept")).unwrap() == noise(1, 3_000_000));

    run("umount", &[text(&mounted.at)]).await;
    let refused = trim(&node, "trimmed").await.unwrap_err();
    assert!(refused.message().contains("not mounted"), "{refused}");
    node.stop(&engine.name).await;
    let refused = trim(&node, "trimmed").await.unwrap_err();
    assert!(refused.message().contains("no running engine"), "{refused}");
    node.equal_content(&volume.replicas).await;
}

/// A container's mount, that the node itself does not see.
#[tokio::test(flavor = "multi_thread")]
async fn a_mount_of_another_namespace_is_trimmed_too() {
    let node = Node::start().await;
    let volume = node.create("elsewhere", SIZE, 1).await;
    let engine = node.attach(&volume, "blockdev").await;
    let mounted = Mounted::make(&node, &engine, "mkfs.ext4").await;
    run("umount", &[text(&mounted.at)]).await;
    let script = format!("mount {} {} && echo ready && read end", text(&mounted.device), text(&mounted.at));
    let mut container = tokio::process::Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut ready = [0; 6];
    tokio::io::AsyncReadExt::read_exact(container.stdout.as_mut().unwrap(), &mut ready).await.unwrap();
    let trimmed = trim(&node, "elsewhere").await.unwrap();
    assert!(trimmed.trimmed_bytes > 0 && trimmed.mounted_at.ends_with("/mnt"), "{trimmed:?}");
    drop(container.stdin.take());
    container.wait().await.unwrap();
    node.stop(&engine.name).await;
}
