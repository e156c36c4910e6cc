//! Data as a raw image: at its own place, with holes where there is none.

use super::output::PartFile;
use crate::disk::zeros::is_zero;
use crate::disk::{BLOCK_SIZE, DiskError};

/// A raw image that is being written.
pub(super) struct RawOutput {
    size: u64,
}

impl RawOutput {
    pub(super) fn begin(file: &PartFile, size: u64) -> Result<Self, DiskError> {
        file.set_length(size)?;
        Ok(Self { size })
    }

    /// Writes what is not zero of `data`, which starts at `offset`. Later pieces lie behind earlier ones.
    pub(super) fn write(&mut self, file: &mut PartFile, offset: u64, data: &[u8]) -> Result<(), DiskError> {
        debug_assert!(offset + data.len() as u64 <= self.size);
        for (start, end) in runs_with_data(data, BLOCK_SIZE as usize) {
            file.write(offset + start as u64, &data[start..end])?;
        }
        Ok(())
    }
}

/// The parts of `data` without units (of `unit` bytes, the last perhaps shorter) that are all zeros.
pub(crate) fn runs_with_data(data: &[u8], unit: usize) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (index, part) in data.chunks(unit).enumerate() {
        if is_zero(part) {
            continue;
        }
        let start = index * unit;
        let end = start + part.len();
        match runs.last_mut() {
            Some(last) if last.1 == start => last.1 = end,
            _ => runs.push((start, end)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::runs_with_data;

    #[test]
    fn runs_leave_out_whole_units_of_zeros() {
        let mut data = vec![0; 10 * 4 + 2];
        assert_eq!(runs_with_data(&data, 4), []);
        data[5] = 1;
        data[8] = 1;
        data[20] = 1;
        data[41] = 1;
        assert_eq!(runs_with_data(&data, 4), [(4, 12), (20, 24), (40, 42)]);
    }
}
