//! Volumes with content that is known.

use std::collections::BTreeMap;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{BlockDevice, Durability};

use crate::parties::TestEngine;

pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const SIZE: u64 = 24 * MIB;

/// A running volume, and what it has to hold.
pub(crate) struct Story<'engine> {
    pub(crate) engine: &'engine TestEngine,
    pub(crate) content: Vec<u8>,
}

/// Bytes that do not compress away, different for each seed.
pub(crate) fn noise(seed: u64, length: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..length.div_ceil(8)).flat_map(|_| next().to_le_bytes()).take(length as usize).collect()
}

impl<'engine> Story<'engine> {
    pub(crate) fn of(engine: &'engine TestEngine, size: u64) -> Self {
        Self { engine, content: vec![0; size as usize] }
    }

    pub(crate) async fn write(&mut self, offset: u64, bytes: Vec<u8>) {
        self.content[offset as usize..offset as usize + bytes.len()].copy_from_slice(&bytes);
        for (at, piece) in bytes.chunks(MIB as usize).enumerate() {
            let (data, offset) = (AlignedBuf::copy_of(piece), offset + at as u64 * MIB);
            self.engine
                .run(|volume| async move { volume.write(offset, data, Durability::Written).await })
                .await
                .unwrap();
        }
    }

    pub(crate) async fn zero(&mut self, offset: u64, length: u64) {
        self.content[offset as usize..(offset + length) as usize].fill(0);
        let zeroed = self
            .engine
            .run(|volume| async move { volume.write_zeroes(offset, length, false, Durability::Written).await });
        zeroed.await.unwrap();
    }

    /// What the snapshot shows.
    pub(crate) async fn snapshot(&self, name: &'static str) -> Vec<u8> {
        self.engine.run(|volume| async move { volume.snapshot(name, BTreeMap::new(), true).await }).await.unwrap();
        self.content.clone()
    }

    /// Data in 0..4 and 5..14 MiB, zeros written over it in 8..9, holes, data in the last MiB; a snapshot of it.
    pub(crate) async fn begin(&mut self, name: &'static str) -> Vec<u8> {
        self.write(0, noise(1, 4 * MIB)).await;
        self.write(5 * MIB, noise(2, 9 * MIB)).await;
        self.write(SIZE - MIB, noise(3, MIB)).await;
        self.zero(8 * MIB, MIB).await;
        self.snapshot(name).await
    }
}

/// All that a reader of the volume sees.
pub(crate) async fn all(engine: &TestEngine) -> Vec<u8> {
    let reading = engine.run(|volume| async move {
        let mut content = Vec::new();
        for offset in (0..volume.size()).step_by(MIB as usize) {
            content.extend_from_slice(&volume.read(offset, MIB as u32).await.unwrap());
        }
        content
    });
    reading.await
}

pub(crate) fn assert_same(found: &[u8], expected: &[u8], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let differs = found.iter().zip(expected).position(|(a, b)| a != b);
    assert_eq!(differs, None, "{what}: the first byte that differs");
}
