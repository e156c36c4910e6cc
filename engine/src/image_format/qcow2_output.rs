//! Data as a qcow2 image, version 3, with clusters of 64 KiB.
//!
//! Clusters are given out one after the other and never given back, so that every cluster of the file is in use
//! exactly once and all refcounts are 1; the number of clusters is known only at the end, so the refcounts stand there:
//!
//! | clusters | hold |
//! |---|---|
//! | 0 | header, written last |
//! | 1 … | L1 table |
//! | … | data, and the L2 table of 512 MiB of the volume before the first data of these |
//! | … | refcount blocks, 16 bits a cluster |
//! | … | refcount table |
//!
//! Clusters of zeros are not there.

use super::ExportError;
use super::output::PartFile;
use super::raw_output::runs_with_data;
use crate::disk::DiskError;

pub(super) const CLUSTER: u64 = 1 << CLUSTER_BITS;
const CLUSTER_BITS: u32 = 16;
const ENTRIES: u64 = CLUSTER / 8;
/// Clusters whose refcounts fill one cluster.
const COUNTS: u64 = CLUSTER / 2;
/// The cluster that the entry names has one user.
const COPIED: u64 = 1 << 63;
const HEADER_LENGTH: u32 = 104;
/// 2^4 = 16 bits.
const REFCOUNT_ORDER: u32 = 4;
/// Sizes of qcow2 images come in units of this many bytes.
const SECTOR: u64 = 512;

/// A qcow2 image that is being written.
pub(super) struct Qcow2Output {
    size: u64,
    /// Clusters given out so far.
    used: u64,
    l1: Vec<u64>,
    current: Option<L2Table>,
}

struct L2Table {
    /// Its entry in the L1 table.
    index: u64,
    cluster: u64,
    entries: Vec<u64>,
}

impl Qcow2Output {
    /// An image of `size` bytes.
    pub(super) fn begin(size: u64) -> Result<Self, ExportError> {
        if !size.is_multiple_of(SECTOR) {
            return Err(ExportError::Size { size });
        }
        let l1_entries = size.div_ceil(CLUSTER * ENTRIES);
        let l1_clusters = l1_entries.div_ceil(ENTRIES);
        Ok(Self { size, used: 1 + l1_clusters, l1: vec![0; l1_entries as usize], current: None })
    }

    /// Writes what is not zero of `data`, which starts at `offset`, a multiple of [`CLUSTER`]. Later pieces lie behind
    /// earlier ones and share no cluster with them.
    pub(super) fn write(&mut self, file: &mut PartFile, offset: u64, data: &[u8]) -> Result<(), DiskError> {
        debug_assert!(offset.is_multiple_of(CLUSTER));
        for (start, end) in runs_with_data(data, CLUSTER as usize) {
            let mut at = start;
            while at < end {
                let cluster = (offset + at as u64) / CLUSTER;
                self.enter(file, cluster / ENTRIES)?;
                // As far as this L2 table goes.
                let count = (((end - at) as u64).div_ceil(CLUSTER)).min(ENTRIES - cluster % ENTRIES);
                let next = end.min(at + (count * CLUSTER) as usize);
                let host = self.take(count) * CLUSTER;
                file.write(host, &data[at..next])?;
                self.map(cluster % ENTRIES, host, count);
                at = next;
            }
        }
        Ok(())
    }

    /// Writes all that is left, the header last.
    pub(super) fn finish(mut self, file: &mut PartFile) -> Result<(), DiskError> {
        self.leave(file)?;
        let l1: Vec<u8> = self.l1.iter().flat_map(|entry| entry.to_be_bytes()).collect();
        file.write(CLUSTER, &l1)?;
        let refcounts = Refcounts::of(self.used);
        refcounts.write(file)?;
        // The last cluster of data may have been written in part.
        file.set_length(refcounts.total() * CLUSTER)?;
        file.write(0, &self.header(&refcounts))
    }

    fn take(&mut self, count: u64) -> u64 {
        let first = self.used;
        self.used += count;
        first
    }

    /// Makes the L2 table number `index` the current one.
    fn enter(&mut self, file: &mut PartFile, index: u64) -> Result<(), DiskError> {
        if self.current.as_ref().is_some_and(|table| table.index == index) {
            return Ok(());
        }
        self.leave(file)?;
        let cluster = self.take(1);
        self.current = Some(L2Table { index, cluster, entries: vec![0; ENTRIES as usize] });
        Ok(())
    }

    fn leave(&mut self, file: &mut PartFile) -> Result<(), DiskError> {
        let Some(table) = self.current.take() else {
            return Ok(());
        };
        self.l1[table.index as usize] = (table.cluster * CLUSTER) | COPIED;
        let bytes: Vec<u8> = table.entries.iter().flat_map(|entry| entry.to_be_bytes()).collect();
        file.write(table.cluster * CLUSTER, &bytes)
    }

    fn map(&mut self, first: u64, host: u64, count: u64) {
        if let Some(table) = &mut self.current {
            for index in 0..count {
                table.entries[(first + index) as usize] = (host + index * CLUSTER) | COPIED;
            }
        }
    }

    fn header(&self, refcounts: &Refcounts) -> Vec<u8> {
        let mut header = Vec::new();
        header.extend(super::qcow2::MAGIC);
        let u32s = |values: &[u32], header: &mut Vec<u8>| {
            header.extend(values.iter().flat_map(|value| value.to_be_bytes()));
        };
        u32s(&[3], &mut header);
        // No backing file.
        header.extend(0_u64.to_be_bytes());
        u32s(&[0, CLUSTER_BITS], &mut header);
        header.extend(self.size.to_be_bytes());
        // Not encrypted.
        u32s(&[0, self.l1.len() as u32], &mut header);
        header.extend(CLUSTER.to_be_bytes());
        header.extend((refcounts.table * CLUSTER).to_be_bytes());
        // No snapshots.
        u32s(&[refcounts.table_clusters as u32, 0], &mut header);
        // Place of snapshots, and three words of features: none.
        header.extend([0; 4 * 8]);
        u32s(&[REFCOUNT_ORDER, HEADER_LENGTH], &mut header);
        // The end of the header's extensions.
        header.extend([0; 8]);
        header
    }
}

/// Where refcounts stand that count themselves too.
#[derive(Debug, PartialEq, Eq)]
struct Refcounts {
    /// First cluster of the blocks.
    first: u64,
    blocks: u64,
    /// First cluster of the table.
    table: u64,
    table_clusters: u64,
}

impl Refcounts {
    /// For `used` clusters before them.
    fn of(used: u64) -> Self {
        let (mut blocks, mut table_clusters) = (0, 0);
        loop {
            let wanted = (used + blocks + table_clusters).div_ceil(COUNTS);
            let table_wanted = wanted.div_ceil(ENTRIES);
            if (wanted, table_wanted) == (blocks, table_clusters) {
                return Self { first: used, blocks, table: used + blocks, table_clusters };
            }
            (blocks, table_clusters) = (wanted, table_wanted);
        }
    }

    fn total(&self) -> u64 {
        self.table + self.table_clusters
    }

    fn write(&self, file: &mut PartFile) -> Result<(), DiskError> {
        for index in 0..self.blocks {
            let count = (self.total() - index * COUNTS).min(COUNTS);
            let mut block = 1_u16.to_be_bytes().repeat(count as usize);
            block.resize(CLUSTER as usize, 0);
            file.write((self.first + index) * CLUSTER, &block)?;
        }
        let table: Vec<u8> =
            (0..self.blocks).flat_map(|index| ((self.first + index) * CLUSTER).to_be_bytes()).collect();
        file.write(self.table * CLUSTER, &table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refcounts_count_themselves() {
        assert_eq!(Refcounts::of(3), Refcounts { first: 3, blocks: 1, table: 4, table_clusters: 1 });
        for used in [1, COUNTS - 3, COUNTS - 2, COUNTS - 1, COUNTS, COUNTS + 1, COUNTS * ENTRIES - 5, COUNTS * ENTRIES]
        {
            let counts = Refcounts::of(used);
            assert!(counts.blocks * COUNTS >= counts.total(), "{used}");
            assert!((counts.blocks - 1) * COUNTS < counts.total(), "{used}: one block too many");
            assert!(counts.table_clusters * ENTRIES >= counts.blocks, "{used}");
        }
    }
}
