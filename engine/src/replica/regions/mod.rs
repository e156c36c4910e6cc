//! The dirty-region log: where this replica may differ from the other members after an unclean stop.
//!
//! Invariants:
//! - **A region is dirty on the disk before the first byte of it changes**: written, discarded or zeroed. So of two members
//!   that differ in a region one has it dirty, and so has one that lost what it had not flushed.
//! - **A region is clean again only when all members are equal in it, durably.** The replica cannot know that: the engine
//!   says so, in rounds.
//! - **A log that may be about something else says that everything is dirty**: one that is torn, of another size, or kept
//!   under a `volume.meta` that is not the one in force, because somebody else had the directory meanwhile.
//!
//! ```text
//!   clean ──mark: durable first──► dirty, marked ──begin a round──► dirty, not marked ──end of that round──► clean
//!                                        ▲                                 │
//!                                        └──────mark: no I/O───────────────┘
//! ```
//! A round: every member begins one; the engine waits until all requests have ended that were in flight then; every member
//! syncs its head and ends the round. What has been marked since the round began stays dirty.
//!
//! A write into marked regions looks at one word for them. One into a clean region waits for a write to the log, with all
//! others that wait for one; a writer that goes through the volume has regions marked ahead.

mod bits;
mod file;
mod format;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use bits::{Bits, masks};
use file::{LogFile, marks_of};
use format::{MetaMarks, region_count, region_size};
use serde::{Deserialize, Serialize};

use super::directory::Directory;
use super::{Replica, ReplicaError};
use crate::{crash_point, rule};

/// How many regions are marked behind the one that a sequential writer comes to.
const AHEAD: u64 = 16;

/// Regions in which this replica may differ from others, in a form for the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirtyRegions {
    pub region_bytes: u64,
    /// Sixteen hexadecimal digits for 64 regions, the first one's in the lowest bit. Words that are zero are empty.
    words: Vec<String>,
}

impl DirtyRegions {
    /// The regions as ranges of bytes, in order; they may reach past the end of the volume. `None` where they make no sense.
    #[must_use]
    pub fn ranges(&self) -> Option<Vec<Range<u64>>> {
        if self.region_bytes == 0 {
            return None;
        }
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for (text, at) in self.words.iter().zip(0_u64..) {
            let word = if text.is_empty() { 0 } else { u64::from_str_radix(text, 16).ok()? };
            for bit in (0..64).filter(|bit| word >> bit & 1 == 1) {
                let start = (at * 64 + bit).checked_mul(self.region_bytes)?;
                let end = start.checked_add(self.region_bytes)?;
                match ranges.last_mut() {
                    Some(last) if last.end == start => last.end = end,
                    _ => ranges.push(start..end),
                }
            }
        }
        Some(ranges)
    }
}

/// The log of an open directory.
#[derive(Debug)]
pub(super) struct Regions {
    volume_size: u64,
    /// A region has so many bytes as a power of two.
    shift: u32,
    /// Regions that may be changed without any further step: dirty on the disk, and the round that goes on leaves them so.
    marked: Box<[AtomicU64]>,
    state: Mutex<State>,
    /// Told when nobody writes to the log any more.
    written: Condvar,
}

#[derive(Debug)]
struct State {
    /// The file says at least of these that they are dirty.
    dirty: Bits,
    /// Those that somebody waits for while the log is being written.
    wanted: Bits,
    /// Everything is dirty: the file says so, is not trusted, or is not there.
    everything: bool,
    file: Option<LogFile>,
    /// What the file is bound to.
    marks: MetaMarks,
    is_being_written: bool,
    /// The region behind those that were made dirty last: where a sequential writer comes to.
    next: u64,
    /// Number of the round that began last.
    round: u64,
}

impl Regions {
    /// What the log says of a directory that is being opened. Nothing is changed.
    pub(super) fn load(directory: &Directory, volume_size: u64) -> Self {
        let found = file::load(directory, volume_size);
        Self::with(volume_size, found)
    }

    fn with(volume_size: u64, dirty: Option<Bits>) -> Self {
        let none = Bits::none(region_count(volume_size));
        let everything = dirty.is_none();
        let state = State {
            dirty: dirty.unwrap_or_else(|| none.clone()),
            wanted: none.clone(),
            everything,
            file: None,
            marks: [None; 2],
            is_being_written: false,
            next: u64::MAX,
            round: 0,
        };
        let marked = none.words().iter().map(|_| AtomicU64::new(0)).collect();
        let shift = region_size(volume_size).trailing_zeros();
        Self { volume_size, shift, marked, state: Mutex::new(state), written: Condvar::new() }
    }

    /// Keeps the log under the `volume.meta` that is in force now, and for a volume of this size. A log that cannot be kept
    /// is not trusted by the next open, and no error: it only spares work.
    pub(super) fn follow(&mut self, directory: &Directory, volume_size: u64) {
        if self.volume_size != volume_size {
            let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
            let (round, was_everything) = (state.round, state.everything);
            let mut dirty = Bits::none(region_count(volume_size));
            let (old, new) = (region_size(self.volume_size), region_size(volume_size));
            for region in state.dirty.iter() {
                dirty.set(region * old / new..((region + 1) * old).div_ceil(new).min(dirty.regions()));
            }
            *self = Self::with(volume_size, (!was_everything).then_some(dirty));
            // One that goes on knows nothing of what was marked for the old size.
            self.lock().round = round + 1;
        }
        let mut state = self.wait_to_write();
        if state.everything {
            return self.end_of_writing(state);
        }
        let marks = marks_of(directory);
        if state.file.is_some() && marks[0].is_some() && state.marks.contains(&marks[0]) {
            return self.end_of_writing(state);
        }
        let stored = match &state.file {
            Some(file) => file.bind(self.volume_size, &marks),
            None => {
                LogFile::replace(directory, self.volume_size, &marks, &state.dirty).map(|file| state.file = Some(file))
            }
        };
        match stored {
            Ok(()) => {
                state.marks = marks;
                crash_point::reached("regions.bound");
            }
            Err(error) => {
                tracing::warn!(%error, "the log of dirty regions cannot be kept; after a crash everything is compared");
                state.marks = [None; 2];
                // Without a file nothing can be marked in it.
                state.everything = state.file.is_none();
            }
        }
        self.end_of_writing(state);
    }

    /// Binds the log to the `volume.meta` that is prepared too, which may come into force at any moment.
    pub(super) fn expect_change(&self, directory: &Directory) {
        let mut state = self.wait_to_write();
        let marks = marks_of(directory);
        if let Some(file) = state.file.as_ref().filter(|_| !state.everything && marks != state.marks) {
            match file.bind(self.volume_size, &marks) {
                Ok(()) => state.marks = marks,
                Err(error) => {
                    tracing::warn!(%error, "the log of dirty regions cannot be kept for what comes");
                    state.marks = [None; 2];
                }
            }
        }
        self.end_of_writing(state);
    }

    /// Whether a change of these bytes may begin without waiting for the disk; it is marked then.
    pub(super) fn mark_at_once(&self, offset: u64, length: u64) -> bool {
        if self.are_marked(offset, length) {
            return true;
        }
        let (regions, state) = (self.touched(offset, length), self.lock());
        let is_dirty = state.everything || state.dirty.covers(regions.clone());
        if is_dirty {
            self.set_marked(regions);
        }
        is_dirty
    }

    fn are_marked(&self, offset: u64, length: u64) -> bool {
        let is_marked = |(word, mask): (usize, u64)| self.marked[word].load(Ordering::Acquire) & mask == mask;
        masks(self.touched(offset, length)).all(is_marked) || rule::is_left_out(rule::REGIONS_ARE_MARKED)
    }

    /// Makes the regions of these bytes dirty, durably. Comes before every change of them.
    ///
    /// # Errors
    /// The log could not be written: nothing may be changed.
    pub(super) fn mark(&self, offset: u64, length: u64) -> Result<(), ReplicaError> {
        if self.are_marked(offset, length) {
            return Ok(());
        }
        let regions = self.touched(offset, length);
        let mut state = self.lock();
        loop {
            if state.everything || state.dirty.covers(regions.clone()) {
                self.set_marked(regions);
                return Ok(());
            }
            if !state.is_being_written {
                break;
            }
            state.wanted.set(regions.clone());
            state = self.written.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let ahead = if regions.start == state.next { AHEAD } else { 0 };
        let regions = regions.start..(regions.end + ahead).min(state.dirty.regions());
        state.next = regions.end;
        let mut dirty = state.dirty.clone();
        dirty.set(regions.clone());
        dirty.add(&state.wanted);
        state.wanted = Bits::none(dirty.regions());
        let state = self.write(state, dirty, |state, dirty| {
            state.dirty = dirty;
            self.set_marked(regions);
            crash_point::reached("regions.marked");
        })?;
        drop(state);
        Ok(())
    }

    /// Begins a round and gives its number: what is marked from now on stays dirty when it ends.
    pub(super) fn begin_round(&self) -> u64 {
        let mut state = self.lock();
        for word in &self.marked {
            word.store(0, Ordering::Release);
        }
        state.round += 1;
        state.round
    }

    /// Ends a round: all members are equal, durably, in what has not been marked since it began.
    ///
    /// # Errors
    /// [`ReplicaError::RegionRoundOver`] for an earlier one: nothing has changed. The log could not be written: it says what
    /// it said, or more.
    pub(super) fn end_round(&self, directory: &Directory, round: u64) -> Result<(), ReplicaError> {
        let mut state = self.wait_to_write();
        if state.round != round {
            self.end_of_writing(state);
            return Err(ReplicaError::RegionRoundOver { round });
        }
        let mut kept = Bits::none(state.dirty.regions());
        let words: Vec<u64> = self.marked.iter().map(|word| word.load(Ordering::Acquire)).collect();
        kept.take_words(&words);
        let old = std::mem::replace(&mut state.dirty, kept.clone());
        // From here on whoever comes to another region waits for the end of this.
        let was_everything = std::mem::take(&mut state.everything);
        let (file, marks) = (state.file.clone().filter(|_| !was_everything), state.marks);
        drop(state);
        let now = marks_of(directory);
        let stored = match &file {
            Some(file) => file
                .store(&old, &kept)
                .and_then(|()| if marks == now { Ok(()) } else { file.bind(self.volume_size, &now) })
                .map(|()| file.clone()),
            None => LogFile::replace(directory, self.volume_size, &now, &kept),
        };
        let mut state = self.lock();
        let outcome = match stored {
            Ok(file) => {
                (state.file, state.marks) = (Some(file), now);
                crash_point::reached("regions.cleared");
                Ok(())
            }
            Err(error) => {
                // A file that was to be new is not kept; the old one says of more regions that they are dirty.
                state.everything = file.is_none();
                state.marks = [None; 2];
                Err(error)
            }
        };
        self.end_of_writing(state);
        outcome
    }

    /// `None`: everything may differ.
    pub(super) fn dirty(&self) -> Option<DirtyRegions> {
        let state = self.lock();
        let text = |word: &u64| if *word == 0 { String::new() } else { format!("{word:016x}") };
        let words = || state.dirty.words().iter().map(text).collect();
        (!state.everything).then(|| DirtyRegions { region_bytes: region_size(self.volume_size), words: words() })
    }

    /// Writes the pages in which `dirty` differs from what the file says; `then` takes down that it does.
    fn write<'regions>(
        &'regions self,
        mut state: MutexGuard<'regions, State>,
        dirty: Bits,
        then: impl FnOnce(&mut State, Bits),
    ) -> Result<MutexGuard<'regions, State>, ReplicaError> {
        let Some(file) = state.file.clone() else {
            return Err(ReplicaError::Failed { why: "the log of dirty regions has no file".to_owned() });
        };
        state.is_being_written = true;
        let old = state.dirty.clone();
        drop(state);
        let stored = file.store(&old, &dirty);
        let mut state = self.lock();
        if stored.is_ok() {
            then(&mut state, dirty);
        }
        state.is_being_written = false;
        self.written.notify_all();
        stored.map(|()| state)
    }

    fn wait_to_write(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        while state.is_being_written {
            state = self.written.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_being_written = true;
        state
    }

    fn end_of_writing(&self, mut state: MutexGuard<'_, State>) {
        state.is_being_written = false;
        self.written.notify_all();
    }

    fn touched(&self, offset: u64, length: u64) -> Range<u64> {
        offset >> self.shift..((offset + length).saturating_sub(1) >> self.shift) + 1
    }

    fn set_marked(&self, regions: Range<u64>) {
        for (word, mask) in masks(regions) {
            self.marked[word].fetch_or(mask, Ordering::Release);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Only sets of regions that grow, and steps that are taken with all that belongs to them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Replica {
    /// Where this replica may differ from other members, as of its opening and since; `None`: anywhere.
    ///
    /// # Errors
    /// The replica is closed or has failed.
    pub fn dirty_regions(&self) -> Result<Option<DirtyRegions>, ReplicaError> {
        self.shared(|structure| Ok(structure.regions.dirty()))
    }

    /// Begins a round of clearing; see [`Regions`].
    ///
    /// # Errors
    /// The replica is closed or has failed.
    pub fn begin_region_round(&self) -> Result<u64, ReplicaError> {
        self.shared(|structure| Ok(structure.regions.begin_round()))
    }

    /// Ends a round: every change that had begun before it has ended on all members, which are equal.
    ///
    /// # Errors
    /// The disk did not confirm: the regions stay dirty.
    pub fn end_region_round(&self, round: u64) -> Result<(), ReplicaError> {
        self.shared(|structure| {
            self.sync_head(structure)?;
            structure.regions.end_round(&self.directory, round)
        })
    }
}

#[cfg(test)]
mod tests;
