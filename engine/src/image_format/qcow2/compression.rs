//! Compressed clusters.

use std::io::Read;
use std::sync::Arc;

use ruzstd::decoding::StreamingDecoder;

/// Window of a zstd frame at most, in bytes: what every decoder has to support (RFC 8878 §3.1.1.1.2), four times that
/// of QEMU's frames.
const WINDOW_MAXIMUM: u64 = 8 << 20;

/// How an image compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// Raw deflate; the format calls it zlib, but there is no zlib header.
    Deflate,
    Zstd,
}

/// The `length` bytes that `packed` begins with in compressed form; `None` where it does not hold them.
/// What follows them in `packed` is the next cluster, or padding.
pub(super) fn expand(compression: Compression, packed: &[u8], length: usize) -> Option<Arc<[u8]>> {
    let mut cluster = vec![0; length];
    match compression {
        Compression::Deflate => flate2::read::DeflateDecoder::new(packed).read_exact(&mut cluster).ok()?,
        Compression::Zstd => {
            StreamingDecoder::new_with_max_window_size(packed, WINDOW_MAXIMUM).ok()?.read_exact(&mut cluster).ok()?
        }
    }
    Some(cluster.into())
}
