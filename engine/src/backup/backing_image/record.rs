//! `backing-image.cfg`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::BLOCK_SIZE;
use crate::backup::backup_record::BlockList;
use crate::backup::block::Compression;
use crate::backup::store::Store;
use crate::backup::{BackupError, json, layout, names, store_access};

/// The keys in Longhorn's order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BackingImageRecord {
    pub name: String,
    /// Bytes of the file.
    #[serde(with = "json::text_number")]
    pub size: u64,
    /// Blocks in the list.
    #[serde(with = "json::text_number")]
    pub block_count: u64,
    /// SHA-512 of the file in hexadecimal.
    #[serde(deserialize_with = "json::or_default")]
    pub checksum: String,
    pub labels: Option<BTreeMap<String, String>>,
    /// `none`, `gzip` or `lz4`.
    #[serde(deserialize_with = "json::or_default")]
    pub compression_method: String,
    /// RFC 3339, UTC: when it was begun.
    #[serde(deserialize_with = "json::or_default")]
    pub created_time: String,
    /// When it was complete; empty: it is being made, or died.
    #[serde(deserialize_with = "json::or_default")]
    pub complete_time: String,
    #[serde(deserialize_with = "json::or_default")]
    pub secret: String,
    #[serde(deserialize_with = "json::or_default")]
    pub secret_namespace: String,
    pub processing_blocks: Option<Processing>,
    #[serde(skip_serializing_if = "BlockList::is_empty", deserialize_with = "json::or_default")]
    pub blocks: BlockList,
}

/// Means nothing once the backup is complete.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Processing {
    pub blocks: BTreeMap<String, serde_json::Value>,
}

impl BackingImageRecord {
    #[must_use]
    pub fn is_in_progress(&self) -> bool {
        self.complete_time.is_empty()
    }

    /// # Errors
    /// [`BackupError::Damaged`].
    pub fn compression(&self) -> Result<Compression, BackupError> {
        self.compression_method.parse().map_err(|why| self.damaged(why))
    }

    /// Bytes of the block at an offset of the list.
    #[must_use]
    pub fn block_length(&self, offset: u64) -> u64 {
        self.size.saturating_sub(offset).min(BLOCK_SIZE)
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, BackupError> {
        json::encode("writing the record of a backing image", self)
    }

    pub(super) async fn store(&self, store: &Store) -> Result<(), BackupError> {
        Ok(store.write(&layout::backing_image_record(&self.name), self.encode()?.into()).await?)
    }

    /// Reads the record of an image; `None`: there is none.
    ///
    /// # Errors
    /// The store's, or [`BackupError::Damaged`], also where the record is another image's.
    pub async fn find(store: &Store, name: &str) -> Result<Option<Self>, BackupError> {
        names::check("backing image", name)?;
        let path = layout::backing_image_record(name);
        let Some(text) = store_access::read(store, &path).await? else { return Ok(None) };
        Self::decode_as(&path, &text, name).map(Some)
    }

    pub(super) fn decode_as(path: &str, text: &[u8], name: &str) -> Result<Self, BackupError> {
        let record: Self = json::decode(path, text)?;
        if record.name != name {
            return Err(record.damaged_at(path, format!("it is the record of {:?}", record.name)));
        }
        let stray = record
            .blocks
            .entries()
            .iter()
            .find(|entry| !entry.offset.is_multiple_of(BLOCK_SIZE) || entry.offset >= record.size);
        match stray.filter(|_| !record.is_in_progress()) {
            Some(entry) => {
                let why =
                    format!("a block at offset {} is no block of an image of {} bytes", entry.offset, record.size);
                Err(record.damaged_at(path, why))
            }
            None => Ok(record),
        }
    }

    /// A backup that can be restored.
    ///
    /// # Errors
    /// [`BackupError::NoBackingImage`], [`BackupError::BackingImageInProgress`], and those of
    /// [`BackingImageRecord::find`].
    pub async fn load_complete(store: &Store, name: &str) -> Result<Self, BackupError> {
        let missing = || BackupError::NoBackingImage { name: name.to_owned() };
        let record = Self::find(store, name).await?.ok_or_else(missing)?;
        if record.is_in_progress() {
            return Err(BackupError::BackingImageInProgress { name: name.to_owned() });
        }
        Ok(record)
    }

    fn damaged(&self, why: String) -> BackupError {
        self.damaged_at(&layout::backing_image_record(&self.name), why)
    }

    fn damaged_at(&self, path: &str, why: String) -> BackupError {
        BackupError::Damaged { path: path.to_owned(), why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = r#"{"Name":"golden-bi","Size":"5244416","BlockCount":"2","Checksum":"78a0c2c2e631039231f5d885b4867ffe2c73318746c3a07474748e0960d0a274c01c3b56bb2768d8eb704a67f1539d14a30979d8ff66f854c5354ca6d0629ed5","Labels":{"golden":"yes"},"CompressionMethod":"lz4","CreatedTime":"2026-11-21T02:11:28Z","CompleteTime":"2026-11-21T02:11:31Z","Secret":"","SecretNamespace":"","ProcessingBlocks":{"Blocks":{}},"Blocks":[{"Offset":0,"BlockChecksum":"8cf9e3aada4c54f3f55d5d6d61207811ea633a8eb21684ab50ae607698f62eb5"},{"Offset":4194304,"BlockChecksum":"dfade6afecdef8f48d244e207ad204230fd2d1ab6418df1a77e8271a5a52ae5b"}]}"#;

    #[test]
    fn the_record_is_longhorns_to_the_byte() {
        let record = BackingImageRecord::decode_as("cfg", GOLDEN.as_bytes(), "golden-bi").unwrap();
        assert_eq!(String::from_utf8(record.encode().unwrap()).unwrap(), GOLDEN);
        // The last block is as short as the image leaves it.
        assert_eq!((record.block_length(0), record.block_length(4_194_304)), (2 << 20, 1_050_112));
        assert!(BackingImageRecord::decode_as("cfg", GOLDEN.as_bytes(), "other").is_err());
        let outside = GOLDEN.replace("\"Size\":\"5244416\"", "\"Size\":\"4194304\"");
        let refused = BackingImageRecord::decode_as("cfg", outside.as_bytes(), "golden-bi").unwrap_err();
        assert!(refused.to_string().contains("4194304"), "{refused}");
    }
}
