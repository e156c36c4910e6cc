//! `backup_<name>.cfg`: one backup and the list of its blocks (formats.md §10.2), byte for byte.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::block::{Checksum, Compression, LARGEST_BLOCK};
use super::create::DEFAULT_BLOCK_SIZE;
use super::store::Store;
use super::{BackupError, json, layout};

/// Keys of [`BackupRecord::parameters`].
pub const MODE_PARAMETER: &str = "backup-mode";
pub const BLOCK_SIZE_PARAMETER: &str = "backup-block-size";

/// The keys in Longhorn's order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BackupRecord {
    pub name: String,
    pub volume_name: String,
    #[serde(deserialize_with = "json::or_default")]
    pub snapshot_name: String,
    /// RFC 3339, UTC: when the backup was **started**. Orders the backups of a volume.
    #[serde(deserialize_with = "json::or_default")]
    pub snapshot_created_at: String,
    /// RFC 3339, UTC: when it was complete; empty: it is being made, or died.
    #[serde(deserialize_with = "json::or_default")]
    pub created_time: String,
    /// Bytes of all blocks in the list.
    #[serde(with = "json::text_number")]
    pub size: u64,
    pub labels: Option<BTreeMap<String, String>>,
    pub parameters: Option<BTreeMap<String, String>>,
    #[serde(deserialize_with = "json::or_default")]
    pub is_incremental: bool,
    /// `none`, `gzip` or `lz4`; empty is gzip.
    #[serde(deserialize_with = "json::or_default")]
    pub compression_method: String,
    /// Compressed bytes.
    #[serde(with = "json::text_number")]
    pub newly_uploaded_data_size: u64,
    #[serde(with = "json::text_number")]
    pub re_uploaded_data_size: u64,
    /// Means nothing; `{}` in full backups, else `null`.
    pub processing_blocks: Option<Ignored>,
    #[serde(skip_serializing_if = "BlockList::is_empty", deserialize_with = "json::or_default")]
    pub blocks: BlockList,
    #[serde(deserialize_with = "json::or_default")]
    pub single_file: SingleFile,
}

/// An object whose content nobody reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {}

/// Backups of early Longhorns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SingleFile {
    #[serde(deserialize_with = "json::or_default")]
    pub file_path: String,
}

/// Where a block belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockEntry {
    /// Bytes.
    pub offset: u64,
    pub checksum: Checksum,
}

/// Sorted by offset, each offset once. Forty bytes a block in memory, a hundred in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockList(Vec<BlockEntry>);

impl BlockList {
    /// Sorts; two blocks at one offset are refused.
    pub(super) fn new(mut entries: Vec<BlockEntry>) -> Result<Self, String> {
        if !entries.is_sorted_by_key(|entry| entry.offset) {
            entries.sort_by_key(|entry| entry.offset);
        }
        match entries.windows(2).find(|pair| pair[0].offset == pair[1].offset) {
            Some(pair) => Err(format!("it has two blocks at offset {}", pair[0].offset)),
            None => Ok(Self(entries)),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn entries(&self) -> &[BlockEntry] {
        &self.0
    }

    /// These blocks, where `newer` has none at their offset, and those of `newer`.
    #[must_use]
    pub(super) fn overlaid(&self, newer: &Self) -> Self {
        let mut merged = Vec::with_capacity(self.len() + newer.len());
        let mut older = self.0.iter().peekable();
        for entry in &newer.0 {
            while let Some(old) = older.next_if(|old| old.offset <= entry.offset) {
                if old.offset < entry.offset {
                    merged.push(*old);
                }
            }
            merged.push(*entry);
        }
        merged.extend(older);
        Self(merged)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WrittenBlock {
    offset: u64,
    #[serde(serialize_with = "as_text")]
    block_checksum: Checksum,
}

fn as_text<S: Serializer>(checksum: &Checksum, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(checksum)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReadBlock<'file> {
    offset: u64,
    #[serde(borrow)]
    block_checksum: std::borrow::Cow<'file, str>,
}

impl Serialize for BlockList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            self.0.iter().map(|entry| WrittenBlock { offset: entry.offset, block_checksum: entry.checksum }),
        )
    }
}

impl<'de> Deserialize<'de> for BlockList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Blocks;
        impl<'de> Visitor<'de> for Blocks {
            type Value = BlockList;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of blocks")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<BlockList, A::Error> {
                let mut entries = Vec::new();
                while let Some(block) = list.next_element::<ReadBlock<'_>>()? {
                    let checksum = block.block_checksum.parse().map_err(serde::de::Error::custom)?;
                    entries.push(BlockEntry { offset: block.offset, checksum });
                }
                BlockList::new(entries).map_err(serde::de::Error::custom)
            }
        }
        deserializer.deserialize_seq(Blocks)
    }
}

impl BackupRecord {
    /// What Longhorn, too, writes before it stores the first block: it keeps others from clearing blocks away.
    pub(super) fn in_progress(volume: &str, backup: &str, compression: Compression) -> Self {
        Self {
            name: backup.to_owned(),
            volume_name: volume.to_owned(),
            compression_method: compression.to_string(),
            ..Self::default()
        }
    }

    /// # Errors
    /// [`BackupError::Damaged`].
    pub fn decode(path: &str, text: &[u8]) -> Result<Self, BackupError> {
        json::decode(path, text)
    }

    /// # Errors
    /// None that the caller can cause.
    pub fn encode(&self) -> Result<Vec<u8>, BackupError> {
        json::encode("writing the record of a backup", self)
    }

    /// Nothing of it can be restored, and blocks that no list names may be its own.
    #[must_use]
    pub fn is_in_progress(&self) -> bool {
        self.created_time.is_empty()
    }

    /// # Errors
    /// [`BackupError::Damaged`].
    pub fn compression(&self) -> Result<Compression, BackupError> {
        self.compression_method.parse().map_err(|why| self.damaged(why))
    }

    /// Bytes of each block.
    ///
    /// # Errors
    /// [`BackupError::Damaged`]: no size, or one that cannot be.
    pub fn block_size(&self) -> Result<u64, BackupError> {
        let text = self.parameters.as_ref().and_then(|parameters| parameters.get(BLOCK_SIZE_PARAMETER));
        let size = match text.map_or("", String::as_str).trim() {
            "" => 0,
            text => quantity(text).ok_or_else(|| self.damaged(format!("{text:?} is no size of blocks")))?,
        };
        match size {
            0 => Ok(DEFAULT_BLOCK_SIZE),
            size if size.is_multiple_of(4096) && size <= LARGEST_BLOCK => Ok(size),
            size => Err(self.damaged(format!(
                "its blocks have {size} bytes, and only multiples of 4096 up to {LARGEST_BLOCK} are possible"
            ))),
        }
    }

    /// Reads the record of a backup, both names valid; `None`: there is none.
    ///
    /// # Errors
    /// The store's, or [`BackupError::Damaged`], also where the record is another backup's.
    pub async fn find(store: &Store, volume: &str, backup: &str) -> Result<Option<Self>, BackupError> {
        let path = layout::backup_record(volume, backup);
        let Some(text) = super::store_access::read(store, &path).await? else { return Ok(None) };
        Self::decode_as(&path, &text, volume, backup).map(Some)
    }

    /// Decodes what is said to be the record of `backup`.
    pub(super) fn decode_as(path: &str, text: &[u8], volume: &str, backup: &str) -> Result<Self, BackupError> {
        let record = Self::decode(path, text)?;
        if record.name == backup && (record.volume_name == volume || record.volume_name.is_empty()) {
            return Ok(record);
        }
        let why = format!("it is the record of backup {:?} of {:?}", record.name, record.volume_name);
        Err(BackupError::Damaged { path: path.to_owned(), why })
    }

    /// A backup that can be restored.
    ///
    /// # Errors
    /// [`BackupError::NoBackup`], [`BackupError::InProgress`], [`BackupError::SingleFile`], and those of
    /// [`BackupRecord::find`]; [`BackupError::Damaged`] where its blocks do not fit together.
    pub async fn load_complete(store: &Store, volume: &str, backup: &str) -> Result<Self, BackupError> {
        let missing = || BackupError::NoBackup { volume: volume.to_owned(), backup: backup.to_owned() };
        let record = Self::find(store, volume, backup).await?.ok_or_else(missing)?;
        if record.is_in_progress() {
            return Err(BackupError::InProgress { backup: backup.to_owned() });
        }
        if !record.single_file.file_path.is_empty() {
            return Err(BackupError::SingleFile { backup: backup.to_owned() });
        }
        record.check_blocks()?;
        Ok(record)
    }

    /// No block lies wholly past the end of a volume of `size` bytes.
    ///
    /// # Errors
    /// [`BackupError::Damaged`].
    pub(super) fn check_within(&self, size: u64) -> Result<(), BackupError> {
        match self.blocks.entries().last() {
            Some(last) if last.offset >= size => Err(self.damaged(format!(
                "a block is at offset {}, and the volume's record tells a size of {size} bytes",
                last.offset
            ))),
            _ => Ok(()),
        }
    }

    fn check_blocks(&self) -> Result<(), BackupError> {
        let block_size = self.block_size()?;
        let stray = self.blocks.entries().iter().find(|entry| !entry.offset.is_multiple_of(block_size));
        match stray {
            Some(entry) => Err(self.damaged(format!(
                "a block is at offset {}, which is no multiple of the blocks' {block_size} bytes",
                entry.offset
            ))),
            None => Ok(()),
        }
    }

    fn damaged(&self, why: String) -> BackupError {
        BackupError::Damaged { path: layout::backup_record(&self.volume_name, &self.name), why }
    }
}

/// Bytes of a Kubernetes quantity: `2097152`, `2Mi`.
fn quantity(text: &str) -> Option<u64> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let unit = match &text[digits..] {
        "" => 1,
        "k" => 1000,
        "Ki" => 1 << 10,
        "M" => 1_000_000,
        "Mi" => 1 << 20,
        "G" => 1_000_000_000,
        "Gi" => 1 << 30,
        _ => return None,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[(u64, &str)]) -> BlockList {
        let entry =
            |&(offset, content): &(u64, &str)| BlockEntry { offset, checksum: Checksum::of(content.as_bytes()) };
        BlockList::new(entries.iter().map(entry).collect()).unwrap()
    }

    #[test]
    fn the_newer_list_wins_at_its_offsets() {
        let older = list(&[(0, "a"), (2, "b"), (4, "c"), (9, "d")]);
        let newer = list(&[(1, "e"), (2, "f"), (4, "c"), (12, "g")]);
        let merged = list(&[(0, "a"), (1, "e"), (2, "f"), (4, "c"), (9, "d"), (12, "g")]);
        assert_eq!(older.overlaid(&newer), merged);
        assert_eq!(BlockList::default().overlaid(&newer), newer);
        assert_eq!(older.overlaid(&BlockList::default()), older);
    }

    #[test]
    fn in_progress_as_longhorn_leaves_it() {
        let text = r#"{"Name":"interrupted","VolumeName":"vol-int","SnapshotName":"","SnapshotCreatedAt":"","CreatedTime":"","Size":"0","Labels":null,"Parameters":null,"IsIncremental":false,"CompressionMethod":"lz4","NewlyUploadedDataSize":"0","ReUploadedDataSize":"0","ProcessingBlocks":null,"SingleFile":{"FilePath":""}}"#;
        let record = BackupRecord::in_progress("vol-int", "interrupted", Compression::Lz4);
        assert_eq!(String::from_utf8(record.encode().unwrap()).unwrap(), text);
        assert_eq!(BackupRecord::decode("x", text.as_bytes()).unwrap(), record);
        assert!(record.is_in_progress());
    }

    #[test]
    fn sizes_of_blocks() {
        let sized = |text: &str| {
            let parameters = BTreeMap::from([(BLOCK_SIZE_PARAMETER.to_owned(), text.to_owned())]);
            BackupRecord { parameters: Some(parameters), ..BackupRecord::default() }.block_size()
        };
        assert_eq!(BackupRecord::default().block_size().unwrap(), 2 << 20);
        for (text, size) in [("", 2 << 20), ("0", 2 << 20), ("2Mi", 2 << 20), ("16777216", 16 << 20), ("1Mi", 1 << 20)]
        {
            assert_eq!(sized(text).unwrap(), size, "{text}");
        }
        for bad in ["x", "-1", "1000", "1Ti", "65Mi", "99999999999999999999", "2M"] {
            assert!(matches!(sized(bad), Err(BackupError::Damaged { .. })), "{bad}");
        }
    }

    #[test]
    fn lists_that_cannot_be_are_refused() {
        let with = |blocks: &str| BackupRecord::decode("b.cfg", format!("{{\"Blocks\":{blocks}}}").as_bytes());
        let sum = "8f51d1618a4d32275fed8fc29638da4321aa978656b4aa80eb7a2d6b8f8fca59";
        let block = |offset: u64| format!("{{\"Offset\":{offset},\"BlockChecksum\":\"{sum}\"}}");
        assert_eq!(with("null").unwrap().blocks.len(), 0);
        let sorted = with(&format!("[{},{}]", block(4096), block(0))).unwrap();
        assert_eq!(sorted.blocks.entries()[0].offset, 0);
        let twice = with(&format!("[{},{}]", block(0), block(0))).unwrap_err();
        assert!(twice.to_string().contains("two blocks at offset 0"), "{twice}");
        let name = with("[{\"Offset\":0,\"BlockChecksum\":\"../../../../etc/passwd\"}]").unwrap_err();
        assert!(name.to_string().contains("no checksum of a block"), "{name}");
    }
}
