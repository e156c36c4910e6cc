//! What is asked of a replica, and why it may fail.

use std::ops::Range;
use std::sync::Arc;

use super::control::{RemoteError, RemoteErrorKind};
use super::frame::{self, Kind, LAYER_NAME_LENGTH};
use super::parts;
use crate::disk::AlignedBuf;

/// Why a request to a replica failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LinkError {
    /// The replica answered with an error.
    #[error("replica {replica}: {error}")]
    Remote { replica: String, error: RemoteError },
    /// The link is gone; nothing is known about requests in flight.
    #[error("replica {replica}: {cause}")]
    Lost { replica: String, cause: String },
}

impl LinkError {
    /// What the replica said, if it was the replica that said it.
    #[must_use]
    pub fn remote_kind(&self) -> Option<RemoteErrorKind> {
        match self {
            Self::Remote { error, .. } => Some(error.kind),
            Self::Lost { .. } => None,
        }
    }
}

/// What follows a header: shared, because the same bytes go to every replica, and so does their checksum.
#[derive(Clone, Default)]
pub struct Payload(Option<Arc<Content>>);

struct Content {
    buffer: AlignedBuf,
    checksum: u32,
}

impl From<AlignedBuf> for Payload {
    fn from(buffer: AlignedBuf) -> Self {
        let checksum = frame::checksum(&buffer);
        Self(Some(Arc::new(Content { buffer, checksum })))
    }
}

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

impl Payload {
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |content| &content.buffer[..])
    }

    pub(super) fn checksum(&self) -> u32 {
        self.0.as_ref().map_or(0, |content| content.checksum)
    }
}

/// A data request to a replica.
#[derive(Clone)]
pub struct Request {
    pub kind: Kind,
    pub offset: u64,
    pub length: u32,
    pub stable: bool,
    pub may_unmap: bool,
    pub payload: Payload,
}

impl Request {
    /// A request of this kind without flags and payload.
    #[must_use]
    pub fn new(kind: Kind, offset: u64, length: u32) -> Self {
        Self { kind, offset, length, stable: false, may_unmap: false, payload: Payload::default() }
    }

    /// Data for something that has a name of at most `LAYER_NAME_LENGTH` bytes: a block with the name comes first.
    #[must_use]
    pub fn named(kind: Kind, name: &str, offset: u64, data: &[u8]) -> Self {
        Self::new(kind, offset, data.len() as u32).with_content(named_block(name, data))
    }

    /// A read of the parts of a layer's file, counted from `offset`.
    pub(crate) fn layer_read(layer: &str, offset: u64, parts: &[Range<u32>]) -> Self {
        Self::layer_parts(Kind::LayerRead, layer, offset, parts, &[])
    }

    /// A write of `data` into the parts of a layer's file.
    pub(super) fn layer_write(layer: &str, offset: u64, parts: &[Range<u32>], data: &[u8]) -> Self {
        Self::layer_parts(Kind::LayerWrite, layer, offset, parts, data)
    }

    fn layer_parts(kind: Kind, layer: &str, offset: u64, parts: &[Range<u32>], data: &[u8]) -> Self {
        let mut content = named_block(layer, data);
        parts::encode(&mut content, parts);
        Self::new(kind, offset, parts::bytes_of(parts)).with_content(content)
    }

    fn with_content(self, content: AlignedBuf) -> Self {
        Self { payload: content.into(), ..self }
    }
}

/// A block with a name, and the data; payloads are bounded far below 4 GiB.
fn named_block(name: &str, data: &[u8]) -> AlignedBuf {
    let mut payload = AlignedBuf::for_filling(LAYER_NAME_LENGTH + data.len());
    payload[..LAYER_NAME_LENGTH].fill(0);
    payload[..name.len()].copy_from_slice(name.as_bytes());
    payload[LAYER_NAME_LENGTH..].copy_from_slice(data);
    payload
}

pub(super) fn encode_json<T: serde::Serialize>(value: &T) -> AlignedBuf {
    // The shapes here have string keys only, which always serialise.
    AlignedBuf::copy_of(&serde_json::to_vec(value).unwrap_or_default())
}

pub(super) fn remote_error(replica: &str, payload: &[u8]) -> LinkError {
    let error = serde_json::from_slice(payload).unwrap_or_else(|error| RemoteError {
        kind: RemoteErrorKind::Failed,
        message: format!("failed, and its reason is unreadable: {error}"),
    });
    LinkError::Remote { replica: replica.to_owned(), error }
}
