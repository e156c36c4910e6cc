//! What the entries of the tables say.
//!
//! | L1 entry | bits |
//! |---|---|
//! | place of an L2 table, 0 for none | 9–55 |
//!
//! | L2 entry | bits |
//! |---|---|
//! | the cluster is compressed | 62 |
//! | not compressed: place of the cluster, 0 for none | 9–55 |
//! | not compressed: it reads as zeros (version 3, without second words) | 0 |
//! | compressed: place in bytes | below `62 - (cluster bits - 8)` |
//! | compressed: further 512-byte sectors that it touches | from there to 61 |
//!
//! | second word | bits |
//! |---|---|
//! | subcluster n has data in the cluster | n |
//! | subcluster n reads as zeros | 32 + n |

use super::header::Header;

/// Parts of a cluster that a second word knows.
pub(super) const SUBCLUSTERS: u64 = 32;

const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
const COMPRESSED: u64 = 1 << 62;
const ZEROS: u64 = 1;
const SECTOR: u64 = 512;

/// Where bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Nowhere.
    Zeros,
    /// At this place in the file.
    Data { host: u64 },
    /// Inside a cluster that `length` bytes from `host` on hold in compressed form.
    Compressed { host: u64, length: u64 },
}

/// One entry of an L2 table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mapping {
    /// The whole cluster.
    Whole(Source),
    /// A cluster at `host` (0 for none), of which `bitmap` says what each part holds.
    Parts { host: u64, bitmap: u64 },
}

/// The L2 table that an L1 entry names.
pub(super) fn l2_table(entry: u64, cluster_size: u64) -> Result<Option<u64>, &'static str> {
    match entry & OFFSET {
        0 => Ok(None),
        offset if offset.is_multiple_of(cluster_size) => Ok(Some(offset)),
        _ => Err("an L2 table is not at the start of a cluster"),
    }
}

impl Mapping {
    pub(super) fn parse(entry: u64, bitmap: Option<u64>, header: &Header) -> Result<Self, &'static str> {
        if entry & COMPRESSED != 0 {
            let shift = 62 - (header.cluster_bits - 8);
            let host = entry & ((1 << shift) - 1);
            let sectors = (entry & (COMPRESSED - 1)) >> shift;
            let length = (sectors + 1) * SECTOR - host % SECTOR;
            return Ok(Self::Whole(Source::Compressed { host, length }));
        }
        let host = entry & OFFSET;
        if !host.is_multiple_of(header.cluster_size()) {
            return Err("a cluster is not where a cluster can start");
        }
        if let Some(bitmap) = bitmap {
            return Ok(Self::Parts { host, bitmap });
        }
        match (entry & ZEROS != 0, host) {
            (true, _) if header.version < 3 => Err("a cluster of zeros is not possible in version 2"),
            (true, _) | (false, 0) => Ok(Self::Whole(Source::Zeros)),
            (false, host) => Ok(Self::Whole(Source::Data { host })),
        }
    }

    /// Where the byte `in_cluster` of this cluster is; `part` is the number of its subcluster.
    pub(super) fn source(self, part: u32, in_cluster: u64) -> Result<Source, &'static str> {
        match self {
            Self::Whole(Source::Data { host }) => Ok(Source::Data { host: host + in_cluster }),
            Self::Whole(source) => Ok(source),
            Self::Parts { host, bitmap } => {
                let (data, zeros) = (bitmap >> part & 1 != 0, bitmap >> (32 + part) & 1 != 0);
                match (data, zeros, host) {
                    (true, true, _) => Err("a subcluster has data and reads as zeros at once"),
                    (true, false, 0) => Err("a subcluster has data in no cluster"),
                    (true, false, host) => Ok(Source::Data { host: host + in_cluster }),
                    (false, _, _) => Ok(Source::Zeros),
                }
            }
        }
    }
}
