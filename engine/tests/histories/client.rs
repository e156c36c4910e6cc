//! Who uses the volume meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{BlockDevice, Durability, IoError};
use aurochs_engine::volume::Volume;
use rand::Rng;
use rand::rngs::StdRng;

use super::model::{ANYTHING, Model};
use super::{CLIENTS, PLAYGROUND, SECTOR, SECTORS};

#[derive(Clone, Copy, Debug)]
enum Act {
    Write { stable: bool },
    Zero,
    Discard,
    Read,
    Flush,
}

/// One client: owns runs of sectors, so that several share a block, and works on one run at a time.
pub(crate) struct Client {
    pub(crate) rng: StdRng,
    pub(crate) number: usize,
    pub(crate) model: Arc<Mutex<Model>>,
    /// The volume is about to be taken away from its users.
    pub(crate) enough: Arc<AtomicBool>,
}

impl Client {
    /// Sectors of this client: every run of `width` sectors whose number modulo the clients is its own.
    fn run_of_sectors(&mut self) -> (usize, usize) {
        // The first half is shared sector by sector, the second in runs of three blocks and a bit.
        let (from, to, width) = if self.rng.random_bool(0.5) { (0, 64, 1) } else { (64, SECTORS, 16) };
        let runs = (to - from) / width / CLIENTS;
        let run = self.rng.random_range(0..runs) * CLIENTS + self.number;
        let start = self.rng.random_range(0..width);
        let length = self.rng.random_range(1..=width - start);
        (from + run * width + start, length)
    }

    pub(crate) async fn work(mut self, volume: Volume) {
        while !self.enough.load(Ordering::Relaxed) {
            let act = match self.rng.random_range(0..11) {
                0 => Act::Flush,
                1 | 2 => Act::Read,
                3 => Act::Zero,
                4 => Act::Discard,
                other => Act::Write { stable: other == 5 },
            };
            if self.act(&volume, act).await.is_err() {
                // The volume is over, or its disks are.
                return;
            }
        }
    }

    async fn act(&mut self, volume: &Volume, act: Act) -> Result<(), IoError> {
        let (start, count) = self.run_of_sectors();
        let (offset, length) = (PLAYGROUND + (start * SECTOR) as u64, count * SECTOR);
        match act {
            Act::Flush => volume.flush().await,
            Act::Read => {
                let bytes = volume.read(offset, length as u32).await?;
                let mut model = self.model.lock().unwrap();
                for (at, sector) in bytes.chunks(SECTOR).enumerate() {
                    model.check(start + at, sector, "read");
                }
                Ok(())
            }
            Act::Write { stable } => {
                let value = self.begin(start, count, None);
                let data = AlignedBuf::copy_of(&value.to_le_bytes().repeat(length / 8));
                let durability = if stable { Durability::Stable } else { Durability::Written };
                volume.write(offset, data, durability).await?;
                self.acknowledged(start, count, value);
                Ok(())
            }
            Act::Zero => {
                let may_unmap = self.rng.random_bool(0.5);
                let value = self.begin(start, count, Some(0));
                volume.write_zeroes(offset, length as u64, may_unmap, Durability::Written).await?;
                self.acknowledged(start, count, value);
                Ok(())
            }
            Act::Discard => {
                let value = self.begin(start, count, Some(ANYTHING));
                volume.discard(offset, length as u64).await?;
                self.acknowledged(start, count, value);
                Ok(())
            }
        }
    }

    fn begin(&self, start: usize, count: usize, value: Option<u64>) -> u64 {
        self.model.lock().unwrap().begin(start, count, value)
    }

    fn acknowledged(&self, start: usize, count: usize, value: u64) {
        self.model.lock().unwrap().acknowledged(start, count, value);
    }
}
