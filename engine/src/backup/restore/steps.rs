//! What a restore has to look at: a walk through two lists of blocks at once, so that neither is copied.

use crate::backup::backup_record::BlockEntry;

/// One place of the volume, of the size of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// This block belongs there.
    Block(BlockEntry),
    /// No block belongs there, and something may be there: it has to read as zeros.
    Blank { offset: u64 },
}

/// What the volume holds before.
#[derive(Clone, Copy, Debug)]
pub(super) enum Before<'list> {
    /// Nothing, or parts of this very backup.
    Nothing,
    /// A backup with this list.
    Backup(&'list [BlockEntry]),
    /// Anything, in a volume of this many bytes and with blocks of this many.
    Anything { size: u64, block_size: u64 },
}

/// What to look at so that a volume that held `before` holds the blocks of `list`, in order.
pub(super) fn steps<'list>(
    list: &'list [BlockEntry],
    before: Before<'list>,
) -> Box<dyn Iterator<Item = Step> + Send + 'list> {
    match before {
        Before::Nothing => Box::new(list.iter().copied().map(Step::Block)),
        Before::Backup(old) => Box::new(differences(old, list)),
        Before::Anything { size, block_size } => Box::new(everything(list, size, block_size)),
    }
}

fn differences<'list>(old: &'list [BlockEntry], new: &'list [BlockEntry]) -> impl Iterator<Item = Step> + Send + 'list {
    let mut old = old.iter().copied().peekable();
    let mut new = new.iter().copied().peekable();
    std::iter::from_fn(move || {
        loop {
            match (old.peek().copied(), new.peek().copied()) {
                (Some(before), Some(after)) if before.offset == after.offset => {
                    old.next();
                    new.next();
                    if before.checksum != after.checksum {
                        return Some(Step::Block(after));
                    }
                }
                (Some(before), after) if after.is_none_or(|after| before.offset < after.offset) => {
                    old.next();
                    return Some(Step::Blank { offset: before.offset });
                }
                (_, after) => {
                    new.next();
                    return after.map(Step::Block);
                }
            }
        }
    })
}

fn everything(list: &[BlockEntry], size: u64, block_size: u64) -> impl Iterator<Item = Step> + Send + '_ {
    let mut blocks = list.iter().copied().peekable();
    (0..size.div_ceil(block_size)).map(move |number| {
        let offset = number * block_size;
        blocks.next_if(|entry| entry.offset == offset).map_or(Step::Blank { offset }, Step::Block)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::block::Checksum;

    fn list(entries: &[(u64, &str)]) -> Vec<BlockEntry> {
        entries
            .iter()
            .map(|&(offset, content)| BlockEntry { offset, checksum: Checksum::of(content.as_bytes()) })
            .collect()
    }

    #[test]
    fn only_differences_are_looked_at() {
        let old = list(&[(0, "a"), (10, "b"), (20, "c"), (40, "d")]);
        let new = list(&[(0, "a"), (10, "x"), (30, "y"), (50, "z")]);
        let found: Vec<_> = steps(&new, Before::Backup(&old)).collect();
        let expected = [
            Step::Block(new[1]),
            Step::Blank { offset: 20 },
            Step::Block(new[2]),
            Step::Blank { offset: 40 },
            Step::Block(new[3]),
        ];
        assert_eq!(found, expected);
        assert_eq!(steps(&old, Before::Backup(&old)).count(), 0);
        let gone: Vec<_> = steps(&[], Before::Backup(&old[..1])).collect();
        assert_eq!(gone, [Step::Blank { offset: 0 }]);
    }

    #[test]
    fn what_may_hold_anything_is_looked_at_in_full() {
        let new = list(&[(10, "x"), (30, "y")]);
        let found: Vec<_> = steps(&new, Before::Anything { size: 40, block_size: 10 }).collect();
        let blank = |offset| Step::Blank { offset };
        assert_eq!(found, [blank(0), Step::Block(new[0]), blank(20), Step::Block(new[1])]);
        assert_eq!(steps(&new, Before::Nothing).count(), 2);
    }
}
