//! `aurochs.state`: what a replica remembers about the engines it has served, and of its head. Longhorn ignores the file.
//!
//! | key | meaning |
//! |---|---|
//! | `version` | 1 |
//! | `epoch` | highest epoch seen |
//! | `generation` | last generation of the membership told by an engine of that epoch |
//! | `boot_id` | the host's boot id when the replica was last known to hold everything: opened clean, or rebuilt |
//! | `zeros_written` | no unwritten extent of the head means zeros that hide data ([`super::unfinished`]); absent: not known |
//!
//! A dirty replica keeps the boot id it had: writes lost in a reboot stay lost however often it is opened after that.
//!
//! Invariant: an epoch that `raise` accepted is on stable storage before `raise` returns, so that no crash makes the
//! replica accept an older one.

use serde::{Deserialize, Serialize};

use super::directory::Directory;
use super::error::ReplicaError;
use super::names;
use crate::disk::DiskError;

const VERSION: u32 = 1;
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What the replica knows about engines and its host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FenceState {
    /// Highest epoch seen; 0 before the first engine.
    pub epoch: u64,
    /// Last generation told in that epoch.
    pub generation: u64,
    /// The host's boot id now.
    pub boot_id: String,
    /// The host's boot id when the replica was last opened clean, or rebuilt, before this open; `None` if it never
    /// was. Where it differs from `boot_id` and the replica was dirty, acknowledged writes that were never flushed
    /// may be missing.
    pub previous_boot_id: Option<String>,
    /// What the file holds from now on.
    recorded_boot_id: String,
    /// Whether an unwritten extent of the head that hides data is an unfinished write; else it means zeros.
    pub(crate) zeros_written: bool,
}

#[derive(Serialize, Deserialize)]
struct StateFile {
    version: u32,
    epoch: u64,
    generation: u64,
    boot_id: String,
    #[serde(default)]
    zeros_written: bool,
}

impl FenceState {
    /// What the directory remembers, without changing it.
    pub(crate) fn load(directory: &Directory, was_dirty: bool) -> Result<Self, ReplicaError> {
        let path = std::path::Path::new(BOOT_ID);
        let boot_id = std::fs::read_to_string(path).map_err(DiskError::at("read", path))?.trim().to_owned();
        let Some(text) = directory.read(names::STATE_FILE)? else {
            return Ok(Self { recorded_boot_id: boot_id.clone(), boot_id, ..Self::default() });
        };
        let file: StateFile = serde_json::from_slice(&text)
            .map_err(|error| ReplicaError::corrupt(names::STATE_FILE, format!("its JSON does not parse: {error}")))?;
        if file.version != VERSION {
            let why = format!("it has version {}, and this program knows version {VERSION}", file.version);
            return Err(ReplicaError::corrupt(names::STATE_FILE, why));
        }
        let recorded_boot_id = if was_dirty { file.boot_id.clone() } else { boot_id.clone() };
        Ok(Self {
            epoch: file.epoch,
            generation: file.generation,
            boot_id,
            previous_boot_id: Some(file.boot_id),
            recorded_boot_id,
            zeros_written: file.zeros_written,
        })
    }

    /// Makes the state durable.
    pub(crate) fn store(&self, directory: &Directory) -> Result<(), ReplicaError> {
        let file = StateFile {
            version: VERSION,
            epoch: self.epoch,
            generation: self.generation,
            boot_id: self.recorded_boot_id.clone(),
            zeros_written: self.zeros_written,
        };
        let mut text =
            serde_json::to_vec(&file).map_err(|error| ReplicaError::corrupt(names::STATE_FILE, error.to_string()))?;
        text.push(b'\n');
        Ok(directory.replace(names::STATE_FILE, &text, 0o600)?)
    }

    /// The state of a replica that holds everything again.
    pub(crate) fn settled(&self) -> Self {
        let boot_id = self.boot_id.clone();
        Self { previous_boot_id: Some(boot_id.clone()), recorded_boot_id: boot_id, ..self.clone() }
    }

    /// The state of a replica with a head that this program made.
    pub(crate) fn with_own_head(&self) -> Self {
        Self { zeros_written: true, ..self.clone() }
    }

    /// The state after an engine named `epoch` and `generation`; a lower generation of the same epoch is an old
    /// message and changes nothing.
    pub(crate) fn raised(&self, epoch: u64, generation: u64) -> Result<Self, ReplicaError> {
        if epoch < self.epoch {
            return Err(ReplicaError::StaleEpoch { offered: epoch, seen: self.epoch });
        }
        let generation = if epoch == self.epoch { generation.max(self.generation) } else { generation };
        Ok(Self { epoch, generation, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_only_rise() {
        let start = FenceState::default();
        let five = start.raised(5, 2).unwrap();
        assert_eq!((five.epoch, five.generation), (5, 2));
        assert_eq!(five.raised(5, 1).unwrap().generation, 2);
        assert_eq!(five.raised(6, 1).unwrap().generation, 1);
        assert!(matches!(five.raised(4, 9), Err(ReplicaError::StaleEpoch { offered: 4, seen: 5 })));
    }
}
