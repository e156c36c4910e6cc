//! `volume.cfg`: what a backup store knows of a volume (formats.md §10.1), byte for byte.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::block::Compression;
use super::store::Store;
use super::{BackupError, json, layout, store_access};

/// Largest record that is read, in bytes. Only its labels have no size of their own, and they come from annotations, of
/// which Kubernetes takes a quarter of this.
pub const RECORD_BYTES_MAXIMUM: u64 = 1 << 20;

/// The keys in Longhorn's order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeRecord {
    pub name: String,
    /// Bytes of the volume at the last backup; a restore of any backup has this size.
    #[serde(with = "json::text_number")]
    pub size: u64,
    /// Of the last backup.
    pub labels: Option<BTreeMap<String, String>>,
    /// RFC 3339, UTC: when the first backup was started.
    #[serde(deserialize_with = "json::or_default")]
    pub created_time: String,
    /// Empty before the first backup is complete.
    #[serde(deserialize_with = "json::or_default")]
    pub last_backup_name: String,
    /// When that one was started.
    #[serde(deserialize_with = "json::or_default")]
    pub last_backup_at: String,
    /// Blocks stored, different ones.
    #[serde(with = "json::text_number")]
    pub block_count: u64,
    #[serde(with = "json::twice_encoded")]
    pub backing_image_name: String,
    #[serde(with = "json::twice_encoded")]
    pub backing_image_checksum: String,
    /// `none`, `gzip` or `lz4`; empty is gzip. See [`VolumeRecord::compression`].
    #[serde(with = "json::twice_encoded")]
    pub compression_method: String,
    #[serde(with = "json::twice_encoded")]
    pub storage_class_name: String,
    /// `v1` or `v2`; empty is `v1`.
    #[serde(with = "json::twice_encoded")]
    pub data_engine: String,
    /// What a newer Longhorn may have put there, kept when the file is written again.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

impl VolumeRecord {
    /// # Errors
    /// [`BackupError::Damaged`].
    pub fn decode(path: &str, text: &[u8]) -> Result<Self, BackupError> {
        json::decode(path, text)
    }

    /// # Errors
    /// None that the caller can cause.
    pub fn encode(&self) -> Result<Vec<u8>, BackupError> {
        json::encode("writing the record of a volume", self)
    }

    /// # Errors
    /// [`BackupError::Damaged`].
    pub fn compression(&self) -> Result<Compression, BackupError> {
        self.compression_method
            .parse()
            .map_err(|why| BackupError::Damaged { path: layout::volume_record(&self.name), why })
    }

    /// Reads the record of `volume`, a valid name; `None`: there is none.
    ///
    /// # Errors
    /// The store's, or [`BackupError::Damaged`], also where the record is another volume's, or larger than one can be.
    pub async fn find(store: &Store, volume: &str) -> Result<Option<Self>, BackupError> {
        let path = layout::volume_record(volume);
        let text = store_access::read_small(store, &path, RECORD_BYTES_MAXIMUM).await?;
        let Some(text) = text else { return Ok(None) };
        let record = Self::decode(&path, &text)?;
        if record.name != volume {
            let why = format!("it is the record of {:?}", record.name);
            return Err(BackupError::Damaged { path, why });
        }
        Ok(Some(record))
    }

    /// As [`VolumeRecord::find`], for a volume that is meant to be there.
    ///
    /// # Errors
    /// [`BackupError::NoVolume`], and those.
    pub async fn load(store: &Store, volume: &str) -> Result<Self, BackupError> {
        let missing = || BackupError::NoVolume { volume: volume.to_owned() };
        Self::find(store, volume).await?.ok_or_else(missing)
    }

    /// # Errors
    /// The store's.
    pub(super) async fn store(&self, store: &Store) -> Result<(), BackupError> {
        Ok(store.write(&layout::volume_record(&self.name), self.encode()?.into()).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_strings_are_encoded_twice_and_read_both_ways() {
        let text = r#"{"Name":"v1","Size":"4096","Labels":{"a":"\u003c\u0026\u003e"},"CreatedTime":"2026-11-21T02:09:28Z","LastBackupName":"","LastBackupAt":"","BlockCount":"0","BackingImageName":"\"a\\\"b\"","BackingImageChecksum":"\"\"","CompressionMethod":"\"none\"","StorageClassName":"\"0\"","DataEngine":"\"v1\""}"#;
        let record = VolumeRecord::decode("volume.cfg", text.as_bytes()).unwrap();
        assert_eq!(record.backing_image_name, "a\"b");
        assert_eq!(record.compression().unwrap(), Compression::None);
        assert_eq!(String::from_utf8(record.encode().unwrap()).unwrap(), text);
        let plain =
            text.replace(r#""\"none\"""#, r#""none""#).replace(r#""DataEngine":"\"v1\"""#, r#""DataEngine":null"#);
        let read = VolumeRecord::decode("volume.cfg", plain.as_bytes()).unwrap();
        assert_eq!(read.compression().unwrap(), Compression::None);
        assert_eq!(read.data_engine, "");
        assert!(String::from_utf8(read.encode().unwrap()).unwrap().contains(r#""CompressionMethod":"\"none\"""#));
    }

    #[test]
    fn old_and_new_files_lose_nothing() {
        let old = VolumeRecord::decode("volume.cfg", br#"{"Name":"v1","Size":"4096"}"#).unwrap();
        assert_eq!(old.compression().unwrap(), Compression::Gzip);
        let new = br#"{"Name":"v1","Size":4096,"Future":{"x":[1,2]}}"#;
        let text = VolumeRecord::decode("volume.cfg", new).unwrap().encode().unwrap();
        assert!(String::from_utf8(text).unwrap().ends_with(r#","Future":{"x":[1,2]}}"#));
    }

    #[test]
    fn damage_is_told_with_its_place() {
        for bad in ["", "{", "[]", "{\"Name\":\"v1\",\"Size\":\"x\"}", "{\"Name\":7}", "\u{0}\u{0}"] {
            let error = VolumeRecord::decode("a/volume.cfg", bad.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("a/volume.cfg"), "{error}");
        }
    }
}
