//! Files in the file system inside a snapshot, or a backup. Ours; Longhorn has no such thing.

use serde::{Deserialize, Serialize};

use crate::describe::Described;

/// One file as the file system has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct File {
    pub name: String,
    /// From the root on. Names that are no UTF-8 have `�` in them, and are reached only with their folder.
    pub path: String,
    /// Empty where nothing is known of it: `problem` says why.
    #[schema(options("", "file", "directory", "symlink", "character device", "block device", "fifo", "socket"))]
    pub kind: String,
    /// Of the content, in bytes.
    pub size: u64,
    /// Permissions, octal in four digits: `0644`.
    pub mode: String,
    pub uid: u32,
    pub gid: u32,
    /// When the content was last changed, RFC 3339 in UTC.
    pub modified: String,
    /// Where a symbolic link points to.
    pub target: String,
    /// Why nothing is known of it.
    pub problem: String,
}

crate::actions! { File {} }

/// The query of `GET /v1/volumes/{name}/files`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "filesQuestion")]
pub struct FilesQuestion {
    /// Name of the snapshot.
    pub snapshot: String,
    /// Directory; the root when it is left out.
    pub path: String,
    /// Number of the partition, where there are several with file systems.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// Only names behind this one: the last one of the page before.
    pub after: String,
    /// Names on a page, 1000 when it is left out, at most 10000. The link `next` leads to the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// The query of `GET /v1/volumes/{name}/files/content`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "fileContentQuestion")]
pub struct FileContentQuestion {
    /// Name of the snapshot.
    pub snapshot: String,
    /// A file, which comes as it is, or a directory, which comes as a tar.
    pub path: String,
    /// Number of the partition, where there are several with file systems.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
}

/// The query of `GET /v1/backupvolumes/{name}/files`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "backupFilesQuestion")]
pub struct BackupFilesQuestion {
    /// Name of the backup.
    pub backup: String,
    /// Directory; the root when it is left out.
    pub path: String,
    /// Number of the partition, where there are several with file systems.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// Only names behind this one: the last one of the page before.
    pub after: String,
    /// Names on a page, 1000 when it is left out, at most 10000. The link `next` leads to the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// The query of `GET /v1/backupvolumes/{name}/files/content`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "backupFileContentQuestion")]
pub struct BackupFileContentQuestion {
    /// Name of the backup.
    pub backup: String,
    /// A file, which comes as it is, or a directory, which comes as a tar.
    pub path: String,
    /// Number of the partition, where there are several with file systems.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
}
