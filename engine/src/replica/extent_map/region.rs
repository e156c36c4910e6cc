//! The values of 512 neighbouring blocks (2 MiB), in the smallest of four forms.
//!
//! | form | when | heap bytes |
//! |---|---|---|
//! | uniform | one value | 0 |
//! | runs | few changes | 24 + 4 per run |
//! | bits | many changes between nothing and one value | 64 |
//! | dense | everything else | 512 |
//!
//! So a map never takes more than one byte a block, and next to nothing where neighbours agree.

use std::ops::Range;

/// A value of the map; [`NOTHING`] stands for none.
pub(super) type Code = u8;
pub(super) const NOTHING: Code = 0;
/// Blocks of one region.
pub(super) const BLOCKS: usize = 512;
/// From here on the dense form is not larger.
const RUNS_MAXIMUM: usize = 120;
/// Up to here runs are not larger than bits.
const RUNS_SMALL: usize = 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Region {
    Uniform(Code),
    /// At least two, without gaps, neighbours differ. Boxed twice to keep the region itself at 16 bytes: most are uniform.
    #[expect(clippy::box_collection, reason = "a thin pointer")]
    Runs(Box<Vec<Run>>),
    /// A set bit stands for the value, a clear one for nothing.
    Bits(Code, Box<[u64; BLOCKS / 64]>),
    Dense(Box<[Code; BLOCKS]>),
}

/// Blocks up to `end` (exclusive) that begin where the run before ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    end: u16,
    code: Code,
}

impl Region {
    pub(super) fn get(&self, block: usize) -> Code {
        match self {
            Self::Uniform(code) => *code,
            Self::Runs(runs) => {
                let at = runs.partition_point(|run| usize::from(run.end) <= block);
                runs.get(at).map_or(NOTHING, |run| run.code)
            }
            Self::Bits(code, bits) => {
                if bits[block / 64] >> (block % 64) & 1 == 1 {
                    *code
                } else {
                    NOTHING
                }
            }
            Self::Dense(codes) => codes[block],
        }
    }

    /// End of the run of equal blocks that `block` belongs to, at most `limit`.
    pub(super) fn run_end(&self, block: usize, limit: usize) -> usize {
        match self {
            Self::Uniform(_) => limit,
            Self::Runs(runs) => {
                let at = runs.partition_point(|run| usize::from(run.end) <= block);
                runs.get(at).map_or(limit, |run| usize::from(run.end).min(limit))
            }
            Self::Bits(_, bits) => {
                let set = bits[block / 64] >> (block % 64) & 1 == 1;
                let mut at = block;
                while at < limit {
                    let word = if set { !bits[at / 64] } else { bits[at / 64] };
                    let next = word >> (at % 64);
                    if next != 0 {
                        return (at + next.trailing_zeros() as usize).min(limit);
                    }
                    at = (at / 64 + 1) * 64;
                }
                limit
            }
            Self::Dense(codes) => {
                let code = codes[block];
                codes[block..limit].iter().position(|other| *other != code).map_or(limit, |length| block + length)
            }
        }
    }

    pub(super) fn set(&mut self, blocks: Range<usize>, code: Code) {
        if blocks.is_empty() || (self.get(blocks.start) == code && self.run_end(blocks.start, blocks.end) == blocks.end)
        {
            return;
        }
        if blocks.len() == BLOCKS {
            *self = Self::Uniform(code);
            return;
        }
        // Most of what is set lies between others of its kind, one block at a time: then nothing is encoded again.
        if let Self::Bits(present, bits) = self
            && (code == *present || code == NOTHING)
        {
            fill(bits, blocks, code != NOTHING);
            if runs_of(bits) > RUNS_SMALL {
                return;
            }
            *self = Self::encode(&self.decode());
            return;
        }
        let mut codes = self.decode();
        codes[blocks].fill(code);
        *self = Self::encode(&codes);
    }

    /// Gives `code` to every block that has one in `upper`.
    pub(super) fn put_over(&mut self, upper: &Self, code: Code) {
        match upper {
            Self::Uniform(NOTHING) => return,
            Self::Uniform(_) => {
                *self = Self::Uniform(code);
                return;
            }
            _ => {}
        }
        let mut codes = self.decode();
        for (place, over) in codes.iter_mut().zip(upper.decode()) {
            if over != NOTHING {
                *place = code;
            }
        }
        *self = Self::encode(&codes);
    }

    pub(super) fn renumber(&mut self, new: impl Fn(Code) -> Code) {
        *self = match self {
            Self::Uniform(code) => Self::Uniform(new(*code)),
            _ => Self::encode(&self.decode().map(new)),
        };
    }

    /// Bytes on the heap, without what the allocator needs for itself.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Uniform(_) => 0,
            Self::Runs(runs) => size_of::<Vec<Run>>() + runs.capacity() * size_of::<Run>(),
            Self::Bits(_, bits) => size_of_val(&**bits),
            Self::Dense(codes) => size_of_val(&**codes),
        }
    }

    fn decode(&self) -> [Code; BLOCKS] {
        let mut codes = [NOTHING; BLOCKS];
        let mut at = 0;
        while at < BLOCKS {
            let end = self.run_end(at, BLOCKS);
            codes[at..end].fill(self.get(at));
            at = end;
        }
        codes
    }

    fn encode(codes: &[Code; BLOCKS]) -> Self {
        let runs = codes.chunk_by(|one, other| one == other).count();
        if runs == 1 {
            return Self::Uniform(codes[0]);
        }
        if runs > RUNS_SMALL {
            let code = codes.iter().copied().find(|code| *code != NOTHING).unwrap_or(NOTHING);
            if codes.iter().all(|other| *other == NOTHING || *other == code) {
                let mut bits = [0; BLOCKS / 64];
                for (block, _) in codes.iter().enumerate().filter(|(_, code)| **code != NOTHING) {
                    bits[block / 64] |= 1 << (block % 64);
                }
                return Self::Bits(code, Box::new(bits));
            }
        }
        if runs > RUNS_MAXIMUM {
            return Self::Dense(Box::new(*codes));
        }
        let mut encoded = Vec::with_capacity(runs);
        let mut end = 0;
        for run in codes.chunk_by(|one, other| one == other) {
            end += run.len() as u16;
            encoded.push(Run { end, code: run[0] });
        }
        Self::Runs(Box::new(encoded))
    }
}

/// Sets or clears the bits of `blocks`.
fn fill(bits: &mut [u64; BLOCKS / 64], blocks: Range<usize>, set: bool) {
    let mut at = blocks.start;
    while at < blocks.end {
        let end = blocks.end.min((at / 64 + 1) * 64);
        let mask = u64::MAX >> (64 - (end - at)) << (at % 64);
        let word = &mut bits[at / 64];
        *word = if set { *word | mask } else { *word & !mask };
        at = end;
    }
}

/// How many runs of equal bits there are.
fn runs_of(bits: &[u64; BLOCKS / 64]) -> usize {
    let mut before = bits[0] & 1;
    let mut changes = 0;
    for word in bits {
        changes += (word ^ (word << 1 | before)).count_ones() as usize;
        before = word >> 63;
    }
    changes + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_takes_the_smallest_form() {
        assert_eq!(size_of::<Region>(), 16);
        let of = |code: &dyn Fn(usize) -> Code| Region::encode(&std::array::from_fn(code));
        assert_eq!(of(&|_| 7), Region::Uniform(7));
        assert!(matches!(of(&|block| Code::from(block > 100)), Region::Runs(_)));
        assert!(matches!(of(&|block| 9 * (block % 2) as Code), Region::Bits(9, _)));
        assert!(matches!(of(&|block| (block % 3) as Code), Region::Dense(_)));
        assert!(matches!(of(&|block| (block / 5) as Code), Region::Runs(_)));
    }

    #[test]
    fn every_form_gives_back_what_was_put_in() {
        let patterns: [&dyn Fn(usize) -> Code; 6] = [
            &|_| 0,
            &|block| Code::from((3..500).contains(&block)),
            &|block| 200 * (block % 2) as Code,
            &|block| 3 * Code::from(block % 64 == 63 || block % 64 == 0),
            &|block| (block % 250) as Code,
            &|block| (block / 7) as Code,
        ];
        for pattern in patterns {
            let codes = std::array::from_fn(pattern);
            let region = Region::encode(&codes);
            assert_eq!(region.decode(), codes);
            for (block, code) in codes.iter().enumerate() {
                assert_eq!(region.get(block), *code);
                let end = (block..BLOCKS).find(|at| codes[*at] != *code).unwrap_or(BLOCKS);
                assert_eq!(region.run_end(block, BLOCKS), end);
                assert_eq!(region.run_end(block, (block + 5).min(BLOCKS)), end.min(block + 5));
            }
        }
    }

    #[test]
    fn whatever_is_set_is_there_in_the_smallest_form() {
        let mut seed = 1_u64;
        let mut below = |limit: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % limit
        };
        for (longest, kinds) in [(1, 2), (3, 2), (70, 2), (512, 2), (1, 3), (9, 4)] {
            let (mut region, mut codes) = (Region::Uniform(NOTHING), [NOTHING; BLOCKS]);
            for _ in 0..2000 {
                let start = below(BLOCKS);
                let blocks = start..(start + 1 + below(longest)).min(BLOCKS);
                let code = 5 * below(kinds) as Code;
                region.set(blocks.clone(), code);
                codes[blocks].fill(code);
                assert_eq!(region.decode(), codes);
                assert_eq!(region, Region::encode(&codes));
            }
        }
    }
}
