//! Ranges of blocks with a value each: which blocks a layer holds, or which layer holds a block.
//!
//! Two levels: spans of 1 GiB that are either uniform or split into regions of 2 MiB, and these in the smallest of
//! several forms ([`region`]). A look-up takes the same time however fragmented the images are, and the map's size
//! has a bound: an empty or evenly filled volume takes 16 bytes a GiB, the worst possible one a byte a block
//! (256 MiB a TiB).

mod region;

use std::marker::PhantomData;
use std::ops::Range;

use region::{BLOCKS as REGION_BLOCKS, Code, NOTHING, Region};
use smallvec::SmallVec;

/// Block numbers, counted in units of [`crate::disk::BLOCK_SIZE`].
pub(crate) type Blocks = Range<u64>;

/// A range cut where the value changes. Most requests lie in one layer: for them nothing is allocated.
pub(crate) type Segments<V> = SmallVec<[(Blocks, Option<V>); 2]>;

const REGIONS: usize = 512;
/// Blocks of one span.
const SPAN_BLOCKS: u64 = (REGIONS * REGION_BLOCKS) as u64;

/// What a map can hold: anything that fits a byte beside "nothing".
pub(crate) trait Value: Copy {
    /// Never 0.
    fn code(self) -> u8;
    fn of(code: u8) -> Self;
}

impl Value for () {
    fn code(self) -> u8 {
        1
    }

    fn of(_: u8) -> Self {}
}

/// At most 254.
impl Value for u8 {
    fn code(self) -> u8 {
        debug_assert!(self < u8::MAX, "the map's values end at 254");
        self.wrapping_add(1)
    }

    fn of(code: u8) -> Self {
        code - 1
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ExtentMap<V> {
    /// Nothing lies past the last one.
    spans: Vec<Span>,
    value: PhantomData<V>,
}

#[derive(Clone, Debug)]
enum Span {
    Uniform(Code),
    Split(Box<[Region; REGIONS]>),
}

impl<V> Default for ExtentMap<V> {
    fn default() -> Self {
        Self { spans: Vec::new(), value: PhantomData }
    }
}

impl<V: Value> ExtentMap<V> {
    /// Gives all of `blocks` the value.
    pub(crate) fn assign(&mut self, blocks: Blocks, value: V) {
        self.set(blocks, value.code());
    }

    /// Gives the value to every block that has one in `upper`. It takes a time for each 2 MiB that differ, however
    /// fragmented they are: all requests may be waiting.
    pub(crate) fn assign_all<U: Value>(&mut self, upper: &ExtentMap<U>, value: V) {
        if self.spans.len() < upper.spans.len() {
            self.spans.resize(upper.spans.len(), Span::Uniform(NOTHING));
        }
        for (span, upper) in self.spans.iter_mut().zip(&upper.spans) {
            span.put_over(upper, value.code());
        }
    }

    /// Takes `blocks` out of the map.
    pub(crate) fn remove(&mut self, blocks: Blocks) {
        let held = self.spans.len() as u64 * SPAN_BLOCKS;
        self.set(blocks.start..blocks.end.min(held), NOTHING);
    }

    /// Replaces every value by what `new` makes of it.
    pub(crate) fn renumber(&mut self, new: impl Fn(V) -> V) {
        let new = |code| if code == NOTHING { NOTHING } else { new(V::of(code)).code() };
        for span in &mut self.spans {
            match span {
                Span::Uniform(code) => *code = new(*code),
                Span::Split(regions) => {
                    for region in regions.iter_mut() {
                        region.renumber(new);
                    }
                    span.unite();
                }
            }
        }
    }

    fn set(&mut self, blocks: Blocks, code: Code) {
        let mut at = blocks.start;
        while at < blocks.end {
            let index = (at / SPAN_BLOCKS) as usize;
            let start = index as u64 * SPAN_BLOCKS;
            let end = blocks.end.min(start + SPAN_BLOCKS);
            if self.spans.len() <= index {
                self.spans.resize(index + 1, Span::Uniform(NOTHING));
            }
            self.spans[index].set((at - start) as usize..(end - start) as usize, code);
            at = end;
        }
    }

    /// Whether all of `blocks` have one and the same value: the fast path of a write into space already allocated.
    pub(crate) fn covers(&self, blocks: &Blocks) -> bool {
        let mut same = None;
        self.visit(blocks.clone(), |_, code| {
            same.get_or_insert(code);
            code != NOTHING && same == Some(code)
        })
    }

    /// All of `blocks` in order, cut where the value changes; `None` where the map has nothing.
    pub(crate) fn segments(&self, blocks: Blocks) -> Segments<V> {
        let mut found = Segments::new();
        let mut before = NOTHING;
        self.visit(blocks, |part, code| {
            match found.last_mut() {
                Some((last, _)) if before == code => last.end = part.end,
                _ => found.push((part, if code == NOTHING { None } else { Some(V::of(code)) })),
            }
            before = code;
            true
        });
        found
    }

    /// How many of `blocks` have a value.
    pub(crate) fn count(&self, blocks: Blocks) -> u64 {
        let mut count = 0;
        self.visit(blocks, |part, code| {
            count += if code == NOTHING { 0 } else { part.end - part.start };
            true
        });
        count
    }

    /// Every range with a value, in order. One range of equal blocks may come in several pieces.
    #[cfg(test)]
    pub(crate) fn for_each(&self, mut visit: impl FnMut(Blocks, V)) {
        self.visit(0..self.spans.len() as u64 * SPAN_BLOCKS, |part, code| {
            if code != NOTHING {
                visit(part, V::of(code));
            }
            true
        });
    }

    /// Shows `blocks` piece by piece, each with one value, until `visit` returns false; returns whether it never did.
    fn visit(&self, blocks: Blocks, mut visit: impl FnMut(Blocks, Code) -> bool) -> bool {
        let mut at = blocks.start;
        while at < blocks.end {
            let (code, end) = self.piece_at(at, blocks.end);
            if !visit(at..end, code) {
                return false;
            }
            at = end;
        }
        true
    }

    /// The value of block `at`, and the end of a piece that has it, at most `limit`.
    fn piece_at(&self, at: u64, limit: u64) -> (Code, u64) {
        let index = (at / SPAN_BLOCKS) as usize;
        let start = index as u64 * SPAN_BLOCKS;
        match self.spans.get(index) {
            None => (NOTHING, limit),
            Some(Span::Uniform(code)) => (*code, limit.min(start + SPAN_BLOCKS)),
            Some(Span::Split(regions)) => {
                let inside = (at - start) as usize;
                let (number, block) = (inside / REGION_BLOCKS, inside % REGION_BLOCKS);
                let region_start = start + (number * REGION_BLOCKS) as u64;
                let end = REGION_BLOCKS.min((limit - region_start) as usize);
                let region = &regions[number];
                (region.get(block), region_start + region.run_end(block, end) as u64)
            }
        }
    }
}

impl Span {
    /// `blocks` count from the start of this span.
    fn set(&mut self, blocks: Range<usize>, code: Code) {
        if blocks.len() as u64 == SPAN_BLOCKS {
            *self = Self::Uniform(code);
            return;
        }
        let regions = match self {
            Self::Uniform(same) if *same == code => return,
            Self::Uniform(same) => {
                let same = *same;
                *self = Self::Split(Box::new(std::array::from_fn(|_| Region::Uniform(same))));
                return self.set(blocks, code);
            }
            Self::Split(regions) => regions,
        };
        let mut at = blocks.start;
        while at < blocks.end {
            let number = at / REGION_BLOCKS;
            let start = number * REGION_BLOCKS;
            let end = blocks.end.min(start + REGION_BLOCKS);
            regions[number].set(at - start..end - start, code);
            at = end;
        }
        self.unite();
    }

    /// Gives the code to every block that has one in `upper`.
    fn put_over(&mut self, upper: &Self, code: Code) {
        let upper = match upper {
            Self::Uniform(NOTHING) => return,
            Self::Uniform(_) => {
                *self = Self::Uniform(code);
                return;
            }
            Self::Split(upper) => upper,
        };
        if let Self::Uniform(same) = *self {
            *self = Self::Split(Box::new(std::array::from_fn(|_| Region::Uniform(same))));
        }
        if let Self::Split(regions) = self {
            for (region, upper) in regions.iter_mut().zip(upper.iter()) {
                region.put_over(upper, code);
            }
        }
        self.unite();
    }

    /// Becomes uniform where all regions agree.
    fn unite(&mut self) {
        if let Self::Split(regions) = self
            && let Region::Uniform(code) = regions[0]
            && regions.iter().all(|region| *region == Region::Uniform(code))
        {
            *self = Self::Uniform(code);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn neighbours_of_one_value_are_one_entry() {
        let mut map = ExtentMap::default();
        for block in (0..1000).rev() {
            map.assign(block..block + 1, 1_u8);
        }
        assert_eq!(map.segments(0..1000)[..], [(0..1000, Some(1))]);
        assert!(map.covers(&(0..1000)) && !map.covers(&(0..1001)));
    }

    #[test]
    fn a_span_of_one_value_is_one_entry_again() {
        let mut map = ExtentMap::default();
        for region in 0..REGIONS as u64 {
            let start = region * REGION_BLOCKS as u64;
            map.assign(start..start + REGION_BLOCKS as u64, 5_u8);
        }
        assert!(matches!(map.spans[..], [Span::Uniform(6)]));
        map.assign(7..8, 1);
        map.remove(7..8);
        map.assign(7..8, 5);
        assert!(matches!(map.spans[..], [Span::Uniform(6)]));
    }

    #[test]
    fn renumbered_neighbours_of_one_value_are_one_entry() {
        let mut map = ExtentMap::default();
        for (blocks, value) in [(0..2, 0), (2..4, 1), (4..6, 2), (8..9, 1)] {
            map.assign(blocks, value);
        }
        map.renumber(|value: u8| value.saturating_sub(1));
        assert_eq!(map.segments(0..9)[..], [(0..4, Some(0)), (4..6, Some(1)), (6..8, None), (8..9, Some(0))]);
        map.assign(0..SPAN_BLOCKS, 0);
        map.assign(SPAN_BLOCKS / 2..SPAN_BLOCKS, 1);
        map.renumber(|_: u8| 0);
        assert!(matches!(map.spans[..], [Span::Uniform(1)]));
    }

    /// The figures of docs/engine.md for 1 TiB, from one span of 1 GiB.
    #[test]
    fn memory_has_the_bounds_that_are_stated() {
        let mib_per_tib = |code_of_block: &dyn Fn(u64) -> u8| {
            let mut map = ExtentMap::default();
            for block in 0..SPAN_BLOCKS {
                match code_of_block(block) {
                    0 => map.remove(block..block + 1),
                    code => map.assign(block..block + 1, code),
                }
            }
            let [Span::Split(regions)] = &map.spans[..] else { panic!("not one split span") };
            let split = size_of_val(&**regions) + regions.iter().map(Region::heap_bytes).sum::<usize>();
            split as f64 * 1024.0 / f64::from(1 << 20)
        };
        assert_eq!(size_of::<Span>(), 16, "16 KiB for 1 TiB of one value");
        assert_eq!(mib_per_tib(&|block| (block / REGION_BLOCKS as u64 % 2) as u8), 8.0);
        assert_eq!(mib_per_tib(&|block| (block % 2) as u8), 40.0);
        assert_eq!(mib_per_tib(&|block| (block % 3) as u8), 264.0);
        // Pieces of 64 KiB, each in another layer than its neighbours.
        assert_eq!(mib_per_tib(&|block| (block / 16 % 3) as u8), 84.0);
    }

    #[test]
    fn ranges_across_spans_and_far_past_the_end() {
        let far = 16 << 40 >> 12;
        let mut map = ExtentMap::default();
        map.assign(SPAN_BLOCKS - 3..2 * SPAN_BLOCKS + 3, ());
        map.remove(SPAN_BLOCKS..SPAN_BLOCKS + 1);
        map.remove(far..far + 10);
        assert_eq!(map.count(0..far), SPAN_BLOCKS + 5);
        let mut seen = Vec::new();
        map.for_each(|blocks, ()| seen.push(blocks));
        assert_eq!(seen.first().unwrap().start, SPAN_BLOCKS - 3);
        assert_eq!(seen.last().unwrap().end, 2 * SPAN_BLOCKS + 3);
        assert_eq!(map.segments(far..far + 2)[..], [(far..far + 2, None)]);
    }

    #[test]
    fn what_is_put_over_a_map_is_as_if_put_piece_by_piece() {
        let (mut lower, mut upper) = (ExtentMap::default(), ExtentMap::default());
        for block in (0..3000).step_by(3) {
            lower.assign(block..block + 1, (block % 5) as u8);
            upper.assign(block / 2 * 2..block / 2 * 2 + 1, ());
        }
        lower.assign(SPAN_BLOCKS..2 * SPAN_BLOCKS, 7);
        upper.assign(SPAN_BLOCKS - 1000..SPAN_BLOCKS + 1000, ());
        upper.assign(2 * SPAN_BLOCKS..3 * SPAN_BLOCKS, ());
        upper.assign(4 * SPAN_BLOCKS..4 * SPAN_BLOCKS + 1, ());
        let mut piece_by_piece = lower.clone();
        upper.for_each(|blocks, ()| piece_by_piece.assign(blocks, 9));
        lower.assign_all(&upper, 9);
        assert_eq!(lower.segments(0..6 * SPAN_BLOCKS), piece_by_piece.segments(0..6 * SPAN_BLOCKS));
        lower.assign_all(&ExtentMap::<()>::default(), 3);
        assert_eq!(lower.segments(0..6 * SPAN_BLOCKS), piece_by_piece.segments(0..6 * SPAN_BLOCKS));
    }

    proptest! {
        #[test]
        fn behaves_as_an_array(steps in proptest::collection::vec((0_u64..64, 0_u64..24, 0_u8..4), 0..40)) {
            // Around the border of two regions.
            const FROM: u64 = REGION_BLOCKS as u64 - 48;
            let mut array = [None; 96];
            let mut map = ExtentMap::default();
            for (start, length, value) in steps {
                let blocks = FROM + start..FROM + start + length;
                // Value 0 stands for taking out.
                let value = (value > 0).then_some(value);
                match value {
                    Some(value) => map.assign(blocks.clone(), value),
                    None => map.remove(blocks.clone()),
                }
                for block in blocks {
                    array[(block - FROM) as usize] = value;
                }
                let mut expected: Vec<(Blocks, Option<u8>)> = Vec::new();
                for (block, &value) in array.iter().enumerate() {
                    match expected.last_mut() {
                        Some((range, last)) if *last == value => range.end += 1,
                        _ => expected.push((FROM + block as u64..FROM + block as u64 + 1, value)),
                    }
                }
                prop_assert_eq!(&map.segments(FROM..FROM + 96)[..], &expected[..]);
                prop_assert_eq!(map.count(FROM + 3..FROM + 77), array[3..77].iter().flatten().count() as u64);
                for window in [5_u64..5, 5..6, 10..40] {
                    let pieces = map.segments(FROM + window.start..FROM + window.end);
                    let flat: Vec<_> = pieces.iter().flat_map(|(part, value)| part.clone().map(move |_| *value)).collect();
                    prop_assert_eq!(&flat[..], &array[window.start as usize..window.end as usize]);
                }
            }
        }
    }
}
