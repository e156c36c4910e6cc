//! The backup that everything here is restored from, and volumes on their way to it.

use std::collections::BTreeMap;
use std::time::Duration;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{BlockDevice, Durability, IoError};
use aurochs_engine::grpc::engine_v1::{EngineStatus, RestoreStatus, TransferState};
use aurochs_engine::volume::lazy::InstantRestore;
use aurochs_engine::volume::restore::RestoreRequest;
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

use crate::parties::transfers::Shelf;
use crate::parties::{Parties, TestEngine};

pub(crate) const MIB: u64 = 1 << 20;
/// A block of the backup, as the shelf has them.
pub(crate) const BLOCK: u64 = MIB;
/// Seven blocks.
pub(crate) const BACKED_UP: u64 = 7 * MIB;
/// The volumes are larger than the one that was backed up.
pub(crate) const SIZE: u64 = 8 * MIB;
pub(crate) const BACKUP: &str = "b1";

pub(crate) fn noise(seed: u64, length: u64) -> Vec<u8> {
    let mut bytes = vec![0; length as usize];
    StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

/// A volume with a backup, and what that shows.
pub(crate) struct Source {
    /// Its engine and replicas go last.
    _parties: Parties,
    pub(crate) shelf: Shelf,
    /// Of `SIZE` bytes.
    pub(crate) content: Vec<u8>,
}

impl Source {
    /// Block 2 is not in the backup, block 3 holds little, the others are full.
    pub(crate) async fn new() -> Self {
        Self::with(1).await
    }

    pub(crate) async fn with(seed: u64) -> Self {
        let parties = Parties::new(BACKED_UP, 1).await;
        let engine = parties.attach().await.unwrap();
        let shelf = Shelf::new(parties.root.path());
        let mut content = vec![0; SIZE as usize];
        let pieces = [(0, 2 * MIB), (3 * MIB + 300 * 1024, 8192), (4 * MIB, BACKED_UP - 4 * MIB)];
        for (at, length) in pieces {
            let bytes = noise(seed + at, length);
            content[at as usize..(at + length) as usize].copy_from_slice(&bytes);
            write(&engine, at, &bytes).await.unwrap();
        }
        engine.run(|volume| async move { volume.snapshot("s1", BTreeMap::new(), true).await }).await.unwrap();
        engine.back_up(shelf.backup(BACKUP, "s1")).await;
        Self { _parties: parties, shelf, content }
    }

    pub(crate) fn request(&self, options: InstantRestore) -> RestoreRequest {
        let mut request = self.shelf.restore(BACKUP);
        request.instant = Some(options);
        request
    }
}

/// Nothing comes but what requests ask for.
pub(crate) fn on_demand() -> InstantRestore {
    InstantRestore { on_demand_only: true, ..InstantRestore::default() }
}

/// As [`on_demand`], and requests lose their patience soon.
pub(crate) fn impatient() -> InstantRestore {
    InstantRestore { io_patience: Duration::from_millis(300), ..on_demand() }
}

pub(crate) async fn write(engine: &TestEngine, at: u64, bytes: &[u8]) -> Result<(), IoError> {
    for (index, piece) in bytes.chunks(2 * MIB as usize).enumerate() {
        let (data, at) = (AlignedBuf::copy_of(piece), at + index as u64 * 2 * MIB);
        engine.run(|volume| async move { volume.write(at, data, Durability::Written).await }).await?;
    }
    Ok(())
}

pub(crate) async fn read(engine: &TestEngine, at: u64, length: u64) -> Result<Vec<u8>, IoError> {
    let length = u32::try_from(length).unwrap();
    Ok(engine.run(|volume| async move { volume.read(at, length).await }).await?.to_vec())
}

/// Bytes from `at` on, found to be these.
pub(crate) fn assert_same(found: &[u8], expected: &[u8], at: u64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let differs = found.iter().zip(expected).position(|(a, b)| a != b).map(|index| at + index as u64);
    assert_eq!(differs, None, "{what}: the first byte that differs");
}

pub(crate) fn restore(status: &EngineStatus) -> RestoreStatus {
    status.restore.clone().unwrap_or_default()
}

/// Bytes still in the backup.
pub(crate) fn remote(engine: &TestEngine) -> u64 {
    restore(&engine.status()).remote_bytes
}

/// Begins, and waits until the volume may be used.
pub(crate) async fn begin(engine: &TestEngine, request: RestoreRequest) {
    engine.begin_restore(request).await;
    let status = engine.wait("the volume may be used", |status| {
        let restore = restore(status);
        restore.instant || restore.state() == TransferState::TransferFailed
    });
    let restore = restore(&status.await);
    assert!(restore.instant, "{}", restore.error);
}

pub(crate) async fn complete(engine: &TestEngine) -> RestoreStatus {
    let is_over = |status: &EngineStatus| restore(status).state() == TransferState::TransferComplete;
    let over = restore(&engine.wait("all of it is here", is_over).await);
    assert_eq!((over.remote_bytes, over.error.as_str()), (0, ""));
    engine.wait("all work is over", |status| status.exclusive_work.is_empty()).await;
    over
}

/// What a replica's directory says to those who know nothing of instant restores.
pub(crate) fn says_rebuilding(directory: &std::path::Path) -> bool {
    let text = std::fs::read_to_string(directory.join("volume.meta")).unwrap();
    let meta: serde_json::Value = serde_json::from_str(&text).unwrap();
    meta["Rebuilding"].as_bool().unwrap()
}

/// Closes the volume, and checks all replicas: the right bytes, nothing left of the restore, one layer to read.
pub(crate) async fn check_at_end(engine: TestEngine, mut parties: Parties, expected: &[u8], what: &str) {
    engine.run(|volume| async move { volume.close().await }).await.unwrap();
    drop(engine);
    let names: Vec<_> = parties.replicas.iter().map(|replica| replica.name.clone()).collect();
    assert_same(&parties.equal_content(&names).await, expected, 0, &format!("{what}: all replicas"));
    for replica in &parties.replicas {
        assert!(!says_rebuilding(&replica.directory), "{what}: {}", replica.name);
        assert!(!replica.directory.join("aurochs.remote").exists(), "{what}: {}", replica.name);
    }
}
