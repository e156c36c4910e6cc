//! A backup target on a file server, whichever kind it is: what has to go well with it, and what has to be said when it
//! does not.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use aurochs_engine::backup::{BackupUrl, Credentials, ErrorKind, Settings, Store, StoreError, Target, TestReport};
use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{BlockDevice, Durability};
use aurochs_engine::grpc::engine_v1::{BackupStatus, EngineStatus, RestoreStatus, TransferState};
use aurochs_engine::volume::backup::BackupRequest;
use serde_json::Value;

use crate::node::{MIB, noise};
use crate::parties::transfers::Shelf;
use crate::parties::{Parties, TestEngine};
use crate::server_address::ADDRESS;
use crate::{LOOK, PATIENCE};

/// What the backups of a shelf are of.
const STORED: &str = "v-stored";
/// A server that answers nobody is given up after 45 s. Whoever waits learns of it a little later; processors are emulated.
const GIVEN_UP: Duration = Duration::from_secs(60);

/// A file server that can be stopped in the middle of everything, and started again with what it has.
pub(crate) trait Server {
    async fn stop(&mut self);
    async fn start(&mut self);
}

/// A target, and the directory in which its server has it. Dropped, nothing of it is mounted any more.
pub(crate) struct Share {
    pub(crate) url: String,
    pub(crate) credentials: Vec<(String, String)>,
    pub(crate) directory: PathBuf,
}

impl Share {
    pub(crate) fn target(&self) -> Target {
        Target { url: self.url.parse().unwrap(), credentials: Credentials::new(self.credentials.clone()) }
    }

    fn shelf(&self) -> Shelf {
        Shelf::served(&self.directory, self.target())
    }

    /// The dashboard's "Test".
    pub(crate) async fn test(&self) -> Result<TestReport, StoreError> {
        let tested = async { Store::open(&self.target()).await?.test().await };
        tokio::time::timeout(PATIENCE, tested).await.expect("it ends, whatever comes of it")
    }

    /// The test fails for this reason.
    pub(crate) async fn is_refused(&self, kind: ErrorKind, word: &str) {
        let error = self.test().await.unwrap_err();
        println!("{}: {error}", self.url);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(word), "no {word:?} in: {error}");
        for (name, value) in &self.credentials {
            assert!(
                name == "CIFS_USERNAME" || !format!("{error} {error:?}").contains(value),
                "a secret is told: {error}"
            );
        }
    }

    /// `aurochs-engine backup …` with what stands for this volume, or a backup of it, behind the arguments.
    async fn command(&self, arguments: &[&str], backup: Option<&str>) -> Output {
        let url = self.url.parse().unwrap();
        let url = match backup {
            Some(backup) => BackupUrl::backup(url, STORED, backup),
            None => BackupUrl::volume(url, STORED),
        };
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_aurochs-engine"));
        command.arg("backup").args(arguments).arg(url.to_string()).envs(self.credentials.clone()).kill_on_drop(true);
        tokio::time::timeout(PATIENCE, command.output()).await.expect("the command ends").unwrap()
    }

    async fn answer(&self, arguments: &[&str], backup: Option<&str>) -> Value {
        let output = self.command(arguments, backup).await;
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// Waits until the server is of use again: somebody else, or the same a minute later, tries again too.
    async fn comes_back(&self) {
        let trying = async { while self.test().await.is_err() {} };
        tokio::time::timeout(PATIENCE, trying).await.expect("the target is of use again");
    }

    /// The first mount in an emulated machine may take longer than a mount may.
    async fn comes_up(&self) {
        self.comes_back().await;
    }

    /// What the kernel says of its mount, if it is mounted where our code does that.
    pub(crate) fn mount(&self) -> Option<String> {
        mounts().into_iter().find(|mount| self.is_at(place(mount)))
    }

    fn is_at(&self, place: &str) -> bool {
        Path::new(place).file_name() == self.directory.file_name()
    }

    /// The target is not used any more: this machine has nothing of it left.
    pub(crate) async fn forget(self) {
        Store::forget(&self.url.parse().unwrap(), &Settings::default()).await.unwrap();
        assert_eq!(self.mount(), None, "the mount stays");
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        for mount in mounts().iter().filter(|mount| self.is_at(place(mount))) {
            let _ = Command::new("umount").args(["-l", place(mount)]).stderr(Stdio::null()).status();
        }
    }
}

/// Lines of the kernel's list for what our code has mounted.
fn mounts() -> Vec<String> {
    let all = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    all.lines().filter(|line| line.contains("/longhorn-backupstore-mounts/")).map(str::to_owned).collect()
}

/// Where it is mounted, out of such a line.
fn place(mount: &str) -> &str {
    mount.split(' ').nth(4).unwrap_or_default()
}

/// A volume with known content, which is written to and backed up.
struct Source {
    engine: TestEngine,
    content: Vec<u8>,
    parties: Parties,
}

impl Source {
    async fn new(size: u64) -> Self {
        let parties = Parties::new(size, 1).await;
        let engine = parties.attach().await.unwrap();
        Self { engine, content: vec![0; size as usize], parties }
    }

    /// Fills some MiB with what is nowhere else and can't be compressed.
    async fn fill(&mut self, from_mib: u64, mibs: u64, seed: u64) {
        for at in from_mib..from_mib + mibs {
            let bytes = noise(seed * 1000 + at, MIB as usize);
            let (offset, data) = (at * MIB, AlignedBuf::copy_of(&bytes));
            self.content[offset as usize..][..bytes.len()].copy_from_slice(&bytes);
            let written =
                self.engine.run(|volume| async move { volume.write(offset, data, Durability::Written).await });
            written.await.unwrap();
        }
    }

    async fn snapshot(&self, name: &'static str) -> Vec<u8> {
        let taken = self.engine.run(|volume| async move { volume.snapshot(name, [].into(), true).await });
        taken.await.unwrap();
        self.content.clone()
    }

    fn file(&self) -> PathBuf {
        self.parties.root.path().join("restored.img")
    }
}

/// Does what a user does with a target: tests it, backs a volume up twice, lists, looks, verifies, and restores, to a file
/// and to another volume; in this process and in others.
pub(crate) async fn keeps_a_volume(share: &Share) {
    let report = share.test().await.unwrap();
    let steps: Vec<_> = report.steps.iter().map(|step| step.name).collect();
    assert_eq!(steps, ["list", "put", "get", "remove"]);

    let size = 8 * MIB;
    let shelf = share.shelf();
    let mut source = Source::new(size).await;
    source.fill(0, 3, 1).await;
    source.fill(6, 1, 2).await;
    let early = source.snapshot("s1").await;
    source.engine.back_up(shelf.backup("b1", "s1")).await;
    source.fill(1, 1, 3).await;
    let late = source.snapshot("s2").await;
    let second = source.engine.back_up(shelf.backup("b2", "s2")).await;
    assert!(second.incremental && second.newly_uploaded_bytes < 2 * MIB, "{second:?}");
    assert_eq!(shelf.blocks(), 5, "on the server's disk");

    let listed = share.answer(&["ls", "--json"], None).await;
    let states: Vec<_> =
        listed["backups"].as_array().unwrap().iter().map(|one| (&one["name"], &one["state"])).collect();
    assert_eq!(states.len(), 2, "{listed}");
    assert!(states.iter().all(|(_, state)| **state == "complete"), "{listed}");
    let shown = share.answer(&["inspect", "--json"], Some("b1")).await;
    assert_eq!(shown["blocks"].as_array().map(Vec::len), Some(4), "{shown}");
    assert_eq!(share.answer(&["verify", "--json"], Some("b2")).await["good"], true);
    restores_to_file(share, "b1", &source.file(), &early).await;

    let restored = restored_volume(share, size).await;
    assert!(restored == late, "the restored volume has other bytes");
    assert_eq!(mounts().len(), 1, "all use one mount: {:?}", mounts());
}

async fn restores_to_file(share: &Share, backup: &str, file: &Path, expected: &[u8]) {
    share.answer(&["restore-to-file", "--output", file.to_str().unwrap()], Some(backup)).await;
    assert!(std::fs::read(file).unwrap() == expected, "the file that was restored has other bytes");
}

/// The content of a new volume to which `b2` was restored.
async fn restored_volume(share: &Share, size: u64) -> Vec<u8> {
    let mut parties = Parties::new(size, 1).await;
    let engine = parties.attach().await.unwrap();
    engine.restore(share.shelf().restore("b2")).await;
    engine.run(|volume| async move { volume.close().await }).await.unwrap();
    let name = parties.replicas[0].name.clone();
    parties.equal_content(&[name]).await
}

/// The server is stopped while a backup is made: that ends with an error that names it, whoever looks at the target meanwhile
/// is told, and when it is back the next attempt goes on with what is there.
pub(crate) async fn loses_nothing_when_its_server_goes(share: &Share, server: &mut impl Server) {
    let blocks = 16;
    share.comes_up().await;
    let shelf = share.shelf();
    let mut source = Source::new(blocks * MIB).await;
    source.fill(0, blocks, 1).await;
    let expected = source.snapshot("s").await;
    let mut request = shelf.backup("b1", "s");
    request.concurrency = 2;
    source.engine.begin_backup(request).await;
    source.engine.wait("a part is stored", |status| status.backups[0].done_bytes >= 2 * MIB).await;
    server.stop().await;
    let stopped = Instant::now();
    let (broken, at) = broken_off(|| backup_of(&source.engine, "b1"), BackupStatus::state).await;
    is_told("the server was stopped, and the backup", at.duration_since(stopped), &broken.error, &broken.next_step);
    is_out_of_reach(share).await;
    server.start().await;
    share.comes_back().await;
    let stored = shelf.blocks() as u64;
    assert!((2..blocks).contains(&stored), "{stored} blocks are there");
    let over = back_up(&source.engine, shelf.backup("b1", "s")).await;
    assert!(over.newly_uploaded_bytes <= (blocks - stored) * (MIB + 4096), "{over:?}, {stored} were there");
    assert_eq!(share.answer(&["verify", "--json"], Some("b1")).await["good"], true);
    restores_to_file(share, "b1", &source.file(), &expected).await;
}

/// The network loses all packets to the server while a backup is made and another one restored: both end in time with an
/// error that names it, and when it is back both go on.
pub(crate) async fn is_given_up_when_its_server_is_silent(share: &Share, network: &mut impl Server) {
    let blocks = 32;
    share.comes_up().await;
    let shelf = share.shelf();
    let mut source = Source::new(blocks * MIB).await;
    source.fill(0, blocks / 2, 1).await;
    let early = source.snapshot("s1").await;
    back_up(&source.engine, shelf.backup("b1", "s1")).await;
    source.fill(0, blocks, 2).await;
    source.snapshot("s2").await;

    let mut target = Parties::new(blocks * MIB, 1).await;
    let engine = target.attach().await.unwrap();
    let (mut restore, mut backup) = (shelf.restore("b1"), shelf.backup("b2", "s2"));
    (restore.concurrency, backup.concurrency) = (1, 1);
    engine.begin_restore(restore).await;
    source.engine.begin_backup(backup).await;
    let stored = |status: &EngineStatus| status.backups.iter().any(|one| one.backup == "b2" && one.done_bytes >= MIB);
    source.engine.wait("a part is stored", stored).await;
    network.stop().await;
    let silent = Instant::now();
    let ((backup, backup_at), (restore, restore_at)) = tokio::join!(
        broken_off(|| backup_of(&source.engine, "b2"), BackupStatus::state),
        broken_off(|| engine.status().restore, RestoreStatus::state)
    );
    is_told(
        "the server was silent, and the backup",
        backup_at.duration_since(silent),
        &backup.error,
        &backup.next_step,
    );
    let restore_took = restore_at.duration_since(silent);
    is_told("the server was silent, and the restore", restore_took, &restore.error, &restore.next_step);
    assert_eq!(engine.status().unfinished_restore, "b1");
    is_out_of_reach(share).await;
    network.start().await;
    let back = Instant::now();
    share.comes_back().await;
    show(&format!("the server was of use again {:.1?} after its network was", back.elapsed()));
    let over = engine.restore(shelf.restore("b1")).await;
    assert!(over.resumed, "{over:?}");
    back_up(&source.engine, shelf.backup("b2", "s2")).await;
    assert_eq!(share.answer(&["verify", "--json"], Some("b2")).await["good"], true);
    engine.run(|volume| async move { volume.close().await }).await.unwrap();
    let name = target.replicas[0].name.clone();
    assert!(target.equal_content(&[name]).await == early, "the restored volume has other bytes");
}

/// What is told of a transfer that failed, and when.
async fn broken_off<T>(look: impl FnMut() -> Option<T>, state: impl Fn(&T) -> TransferState) -> (T, Instant) {
    let (over, at) = ended(look, &state).await;
    assert_eq!(state(&over), TransferState::TransferFailed, "it was over before the server was gone");
    (over, at)
}

async fn ended<T>(mut look: impl FnMut() -> Option<T>, state: impl Fn(&T) -> TransferState) -> (T, Instant) {
    let over = async {
        loop {
            match look().filter(|found| state(found) != TransferState::TransferInProgress) {
                Some(over) => return (over, Instant::now()),
                None => tokio::time::sleep(LOOK).await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, over).await.expect("it ends")
}

/// A backup that has to succeed; of more, or by a slower machine, than those that other tests have patience with.
async fn back_up(engine: &TestEngine, request: BackupRequest) -> BackupStatus {
    let name = request.backup.clone();
    engine.begin_backup(request).await;
    let (over, _) = ended(|| backup_of(engine, &name), BackupStatus::state).await;
    assert_eq!(over.state(), TransferState::TransferComplete, "{}", over.error);
    over
}

/// Whoever looks at the target is told who does not answer, and nothing is left behind that goes on trying.
async fn is_out_of_reach(share: &Share) {
    let begun = Instant::now();
    let error = share.test().await.unwrap_err();
    show(&format!("and meanwhile, after {:.1?}: {error}", begun.elapsed()));
    assert!(matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Timeout), "{error}");
    assert!(error.to_string().contains(ADDRESS), "{error}");
    assert_nobody_mounts().await;
}

fn backup_of(engine: &TestEngine, name: &str) -> Option<BackupStatus> {
    engine.status().backups.into_iter().find(|backup| backup.backup == name)
}

/// What is worth reading also where all goes well; tests that pass print nothing.
fn show(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

#[track_caller]
fn is_told(what: &str, took: Duration, error: &str, next_step: &str) {
    show(&format!("{what} over after {took:.1?}: {error}"));
    assert!(error.contains(ADDRESS) && !next_step.is_empty(), "{error} ({next_step})");
    assert!(took < GIVEN_UP, "{what} over after {took:?}");
}

/// Nothing that was started to mount goes on behind our back: a helper of mount(8) that is left alone does for two minutes.
pub(crate) async fn assert_nobody_mounts() {
    let looking = async {
        while is_mounting() {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE / 4, looking).await.expect("what mounts has ended");
}

fn is_mounting() -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut names = processes.filter_map(|entry| std::fs::read_to_string(entry.path().join("comm")).ok());
    names.any(|name| name.starts_with("mount"))
}
