//! Opening the images of a chain.
//!
//! A chain may have 250 of them, and each is synced before it is trusted: what a crash, another program or a copy left in
//! the kernel's memory must not be lost after somebody has read it here. A sync waits for the disk; many that wait at
//! the same time share one flush of it, so that a hundred take no longer than a few.

use std::thread;

use super::directory::Directory;
use super::error::ReplicaError;
use super::extent_map::Blocks;
use super::stack::held;
use crate::disk::image::{Access, ImageFile};

/// Images that are opened at the same time. Also bounds the lists of extents in memory.
const TOGETHER: usize = 16;

/// An image and the blocks that have storage in it.
pub(super) type Opened = (ImageFile, Vec<Blocks>);

/// Opens `names` for reading, makes them durable, and passes each to `take`, in order. Blocks outside `blocks` are left
/// out.
pub(super) fn open_each<'name>(
    directory: &Directory,
    names: impl DoubleEndedIterator<Item = &'name String>,
    blocks: &Blocks,
    mut take: impl FnMut(Opened) -> Result<(), ReplicaError>,
) -> Result<(), ReplicaError> {
    let names: Vec<&String> = names.collect();
    let open = |name: &&String| -> Result<Opened, ReplicaError> {
        let image = directory.open_image(name, Access::ReadOnly)?;
        image.sync_data()?;
        let parts = held(&image, blocks.clone())?;
        Ok((image, parts))
    };
    for group in names.chunks(TOGETHER) {
        for opened in all_at_once(group, open) {
            take(opened?)?;
        }
    }
    Ok(())
}

/// `work` for each of `items`, in threads of their own, answers in order. One item takes no thread, nor does one for
/// which there is none left.
fn all_at_once<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let Some((last, others)) = items.split_last() else { return Vec::new() };
    thread::scope(|scope| {
        let work = &work;
        let start = |item| (item, thread::Builder::new().spawn_scoped(scope, move || work(item)));
        let started: Vec<_> = others.iter().map(start).collect();
        let at_the_end = work(last);
        let finish = |(item, thread): (_, std::io::Result<thread::ScopedJoinHandle<'_, R>>)| match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => work(item),
        };
        started.into_iter().map(finish).chain([at_the_end]).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::all_at_once;

    #[test]
    fn answers_come_in_the_order_of_the_questions() {
        for count in [0, 1, 2, 16] {
            let items: Vec<u64> = (0..count).collect();
            let doubled: Vec<u64> = items.iter().map(|item| item * 2).collect();
            assert_eq!(all_at_once(&items, |item| item * 2), doubled);
        }
    }
}
