//! What is worth saying about a directory: what is wrong, how bad it is, and what can be done.

use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Data or facts are damaged or missing.
    Problem,
    /// What is read may not be what was meant; a person should look.
    Warning,
    /// Ordinary, and good to know.
    Note,
}

/// What was found. The names are part of the JSON output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// `volume.meta` is missing or empty.
    VolumeMetaMissing,
    /// `volume.meta` cannot be read, or contradicts itself.
    VolumeMetaCorrupt,
    /// The image that `volume.meta` names as head is not there, or there is no head at all.
    HeadMissing,
    /// The head's size is not the volume's.
    HeadSize,
    /// `volume.meta` and the head's own metadata name different parents.
    ParentMismatch,
    /// A layer stands on one without metadata.
    LayerMetaMissing,
    /// A layer's metadata cannot be read.
    LayerMetaCorrupt,
    /// A layer with metadata has no image.
    ImageMissing,
    /// An image without metadata, which nothing stands on.
    ImageWithoutMeta,
    /// The name of an image leads to something that is not a file.
    ImageNotAFile,
    /// An image is shorter than what it stands on, or ends inside a block.
    ImageCut,
    /// An image is shorter than the one above it, and nothing tells of an expansion.
    ImageShort,
    /// An image is longer than the volume.
    ImageTooLong,
    /// The parents of a layer come back to itself.
    Circle,
    /// The chain has more layers than can be opened.
    ChainTooLong,
    /// Two names of one image.
    SharedImage,
    /// What an interrupted change left; the next open removes it.
    Leftover,
    /// A head that is not the volume's, with data of its own.
    OtherHead,
    /// A file that no replica has.
    ForeignFile,
    /// The replica was being rebuilt and is not complete.
    Rebuilding,
    /// The replica was not closed.
    NotClosed,
    /// `volume.meta` holds an error text.
    VolumeError,
    /// `revision.counter` cannot be read.
    RevisionCounter,
    /// `aurochs.state` cannot be read.
    State,
    /// The backing file cannot be used.
    BackingFile,
    /// The file system cannot do what replicas need: extent maps, direct I/O, small blocks.
    FileSystem,
    /// The checksum beside an image cannot be read.
    ChecksumUnreadable,
    /// The image was changed after its checksum was taken.
    ChecksumStale,
    /// The image no longer holds what it held when its checksum was taken.
    Corrupt,
    /// An image could not be read.
    Unreadable,
    /// Another process has files of the directory open for writing.
    OpenElsewhere,
    /// A power cut ended writes half-way; the next open takes them back.
    UnfinishedWrites,
}

impl FindingKind {
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::VolumeMetaMissing
            | Self::VolumeMetaCorrupt
            | Self::HeadMissing
            | Self::HeadSize
            | Self::LayerMetaMissing
            | Self::LayerMetaCorrupt
            | Self::ImageMissing
            | Self::ImageWithoutMeta
            | Self::ImageNotAFile
            | Self::ImageCut
            | Self::ImageTooLong
            | Self::Circle
            | Self::ChainTooLong
            | Self::Rebuilding
            | Self::RevisionCounter
            | Self::State
            | Self::BackingFile
            | Self::FileSystem
            | Self::Corrupt
            | Self::Unreadable => Severity::Problem,
            Self::ParentMismatch
            | Self::ImageShort
            | Self::SharedImage
            | Self::OtherHead
            | Self::ForeignFile
            | Self::VolumeError
            | Self::ChecksumUnreadable
            | Self::OpenElsewhere => Severity::Warning,
            Self::Leftover | Self::NotClosed | Self::ChecksumStale | Self::UnfinishedWrites => Severity::Note,
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    pub kind: FindingKind,
    /// The file it is about, as it is named in the directory; empty where it is about all of it.
    pub file: String,
    pub what: String,
    /// What to do, or what can still be saved; empty where nothing needs to be done.
    pub advice: String,
}

impl Finding {
    pub(crate) fn new(
        kind: FindingKind,
        file: impl Into<String>,
        what: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { severity: kind.severity(), kind, file: file.into(), what: what.into(), advice: advice.into() }
    }
}
