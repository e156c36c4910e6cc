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
//! A replica that leaves misses what is dirty then, which may have been on its way to it, and everything that changes
//! afterwards. That is in the log too, by replica, and never becomes clean: it is forgotten when the replica is a member
//! again, and when the head is replaced.
//!
//! A round: every member begins one; the engine waits until all requests have ended that were in flight then; every member
//! syncs its head and ends the round. What has been marked since the round began stays dirty.
//!
//! A write into marked regions looks at one word for them. One into a clean region waits for a write to the log, with all
//! others that wait for one; a writer that goes through the volume has regions marked ahead.

mod bits;
mod content;
mod file;
mod format;
mod on_the_wire;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use bits::{Bits, masks};
use content::Content;
use file::{LogFile, marks_of};
use format::{About, MetaMarks, region_count, region_size};
pub use on_the_wire::{DirtyRegions, MissedRegions};

use super::directory::Directory;
use super::names;
use super::replace::ReplaceError;
use super::{Replica, ReplicaError};
use crate::{crash_point, rule};

/// How many regions are marked behind the one that a sequential writer comes to.
const AHEAD: u64 = 16;

/// The log of an open directory.
#[derive(Debug)]
pub(super) struct Regions {
    about: About,
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
    /// The file says at least this. Nobody is known to be absent where everything is dirty.
    content: Content,
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
    /// What the log says of a directory that is being opened, whose head has this name. Nothing is changed.
    pub(super) fn load(directory: &Directory, volume_size: u64, head: &str) -> Self {
        let about = About { volume_size, head: head.to_owned() };
        let found = file::load(directory, &about);
        Self::with(about, found)
    }

    fn with(about: About, content: Option<Content>) -> Self {
        let none = Bits::none(region_count(about.volume_size));
        let everything = content.is_none();
        let state = State {
            content: content.unwrap_or_else(|| Content::dirty(none.clone())),
            wanted: none.clone(),
            everything,
            file: None,
            marks: [None; 2],
            is_being_written: false,
            next: u64::MAX,
            round: 0,
        };
        let marked = none.words().iter().map(|_| AtomicU64::new(0)).collect();
        let shift = region_size(about.volume_size).trailing_zeros();
        Self { about, shift, marked, state: Mutex::new(state), written: Condvar::new() }
    }

    /// Keeps the log under the `volume.meta` that is in force now, and for a volume of this size with this head. A log that
    /// cannot be kept is not trusted by the next open, and no error: it only spares work.
    pub(super) fn follow(&mut self, directory: &Directory, volume_size: u64, head: &str) {
        if self.about.volume_size != volume_size {
            self.resize(volume_size);
        }
        let has_new_head = self.about.head != head;
        head.clone_into(&mut self.about.head);
        let mut state = self.wait_to_write();
        if has_new_head {
            // The layers are others now: what is missed in the head of before cannot be told any more.
            state.content.missed.clear();
        }
        if state.everything {
            return self.end_of_writing(state);
        }
        let marks = marks_of(directory);
        let is_bound = marks[0].is_some() && state.marks.contains(&marks[0]);
        if state.file.is_some() && is_bound && !has_new_head {
            return self.end_of_writing(state);
        }
        let stored = match &state.file {
            Some(file) => file.bind(&self.about, &marks, &state.content),
            None => {
                LogFile::replace(directory, &self.about, &marks, &state.content).map(|file| state.file = Some(file))
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
                if state.file.is_none() {
                    // Nothing can be marked in it.
                    state.everything = true;
                    state.content.missed.clear();
                }
            }
        }
        self.end_of_writing(state);
    }

    fn resize(&mut self, volume_size: u64) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let (round, was_everything) = (state.round, state.everything);
        let mut dirty = Bits::none(region_count(volume_size));
        let (old, new) = (region_size(self.about.volume_size), region_size(volume_size));
        for region in state.content.dirty.iter() {
            dirty.set(region * old / new..((region + 1) * old).div_ceil(new).min(dirty.regions()));
        }
        let about = About { volume_size, head: self.about.head.clone() };
        *self = Self::with(about, (!was_everything).then(|| Content::dirty(dirty)));
        // One that goes on knows nothing of what was marked for the old size.
        self.lock().round = round + 1;
    }

    /// Replaces `volume.meta`, and the log stays one that is trusted, whenever a crash comes.
    pub(super) fn replace_meta(&self, directory: &Directory, content: &[u8]) -> Result<(), ReplaceError> {
        let prepared = directory.prepare(names::VOLUME_META, content, 0o644)?;
        self.expect_change(directory);
        prepared.commit()
    }

    /// Binds the log to the `volume.meta` that is prepared too, which may come into force at any moment.
    pub(super) fn expect_change(&self, directory: &Directory) {
        let mut state = self.wait_to_write();
        let marks = marks_of(directory);
        if let Some(file) = state.file.as_ref().filter(|_| !state.everything && marks != state.marks) {
            match file.bind(&self.about, &marks, &state.content) {
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
        let is_dirty = state.everything || state.content.covers(regions.clone());
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
            if state.everything || state.content.covers(regions.clone()) {
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
        let regions = regions.start..(regions.end + ahead).min(state.content.dirty.regions());
        state.next = regions.end;
        let none = Bits::none(state.content.dirty.regions());
        let mut more = std::mem::replace(&mut state.wanted, none);
        more.set(regions.clone());
        let mut content = state.content.clone();
        content.add(&more);
        self.store(state, content, regions)?;
        crash_point::reached("regions.marked");
        Ok(())
    }

    /// Makes the regions of all these ranges dirty, durably and with one write to the log.
    ///
    /// # Errors
    /// As [`Regions::mark`].
    pub(super) fn mark_all(&self, ranges: &[Range<u64>]) -> Result<(), ReplicaError> {
        let state = self.wait_to_write();
        let mut content = state.content.clone();
        let mut more = Bits::none(content.dirty.regions());
        for range in ranges.iter().filter(|range| range.start < range.end) {
            let regions = self.touched(range.start, range.end - range.start);
            more.set(regions.start.min(more.regions())..regions.end.min(more.regions()));
        }
        content.add(&more);
        if state.everything || content == state.content {
            self.end_of_writing(state);
            return Ok(());
        }
        self.store(state, content, 0..0)
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
        let mut kept = Content { dirty: Bits::none(state.wanted.regions()), missed: state.content.missed.clone() };
        let words: Vec<u64> = self.marked.iter().map(|word| word.load(Ordering::Acquire)).collect();
        kept.dirty.take_words(&words);
        let old = std::mem::replace(&mut state.content, kept.clone());
        // From here on whoever comes to another region waits for the end of this.
        let was_everything = std::mem::take(&mut state.everything);
        let (file, marks) = (state.file.clone().filter(|_| !was_everything), state.marks);
        drop(state);
        let now = marks_of(directory);
        let stored = match &file {
            Some(file) => file
                .store(&old, &kept)
                .and_then(|()| if marks == now { Ok(()) } else { file.bind(&self.about, &now, &kept) })
                .map(|()| file.clone()),
            None => LogFile::replace(directory, &self.about, &now, &kept),
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

    /// Takes down from now on what `replica` misses, which is no member since that generation; durably before this returns.
    /// False where that is not possible: it has to be copied in full when it comes back.
    ///
    /// # Errors
    /// The log could not be written: nothing is known of what it misses.
    pub(super) fn begin_to_miss(&self, directory: &Directory, replica: &str, since: u64) -> Result<bool, ReplicaError> {
        let outcome = self.change_absent(directory, |content| content.begin_to_miss(replica, since));
        outcome.map(|()| self.lock().content.missed(replica).is_some())
    }

    /// The replica is a member again, or never will be.
    ///
    /// # Errors
    /// The log could not be written, and may say what it said.
    pub(super) fn forget_missed(&self, directory: &Directory, replica: &str) -> Result<(), ReplicaError> {
        self.change_absent(directory, |content| {
            let before = content.missed.len();
            content.missed.retain(|missed| missed.replica != replica);
            content.missed.len() != before
        })
    }

    /// Nothing is known of what any absent replica misses: this one was absent itself.
    ///
    /// # Errors
    /// As [`Regions::forget_missed`].
    pub(super) fn forget_all_missed(&self, directory: &Directory) -> Result<(), ReplicaError> {
        self.change_absent(directory, |content| {
            let knew = !content.missed.is_empty();
            content.missed.clear();
            knew
        })
    }

    /// From now on everything is dirty, and nothing known of absent replicas. The caller has replaced `volume.meta`: the file
    /// is bound to the one before, and not trusted any more.
    pub(super) fn forget(&mut self) {
        let round = self.lock().round;
        *self = Self::with(self.about.clone(), None);
        // One that goes on knows nothing of this.
        self.lock().round = round + 1;
    }

    /// Changes of which absent replicas it is known what they miss: `change` says whether anything is to be written.
    fn change_absent(
        &self,
        directory: &Directory,
        change: impl FnOnce(&mut Content) -> bool,
    ) -> Result<(), ReplicaError> {
        let mut state = self.wait_to_write();
        let mut content = state.content.clone();
        if state.everything || !change(&mut content) {
            self.end_of_writing(state);
            return Ok(());
        }
        // What is marked is dirty, and so in every set: it may be changed meanwhile without any further step.
        let old = std::mem::replace(&mut state.content, content.clone());
        let before = state.file.clone();
        drop(state);
        let marks = marks_of(directory);
        // A power cut may leave the file of before, without what is taken down in the new one alone: from here on it is not
        // to be trusted.
        let unbound = before.as_ref().map_or(Ok(()), |file| file.bind(&self.about, &[None; 2], &old));
        let stored = unbound.and_then(|()| LogFile::replace(directory, &self.about, &marks, &content));
        let outcome = stored.map_err(|error| {
            // The file of before is in its place still.
            let is_bound = before.is_some_and(|file| file.bind(&self.about, &marks, &old).is_ok());
            (error, if is_bound { marks } else { [None; 2] })
        });
        let mut state = self.lock();
        let outcome = match outcome {
            Ok(file) => {
                (state.file, state.marks) = (Some(file), marks);
                crash_point::reached("regions.absent-noted");
                Ok(())
            }
            Err((error, marks)) => {
                (state.content, state.marks) = (old, marks);
                Err(error)
            }
        };
        self.end_of_writing(state);
        outcome
    }

    /// Since which generation the replica is absent, and what it misses; `None` where that is not known.
    pub(super) fn missed(&self, replica: &str) -> Option<MissedRegions> {
        let state = self.lock();
        let missed = state.content.missed(replica)?;
        Some(MissedRegions { since: missed.since, regions: self.on_the_wire(&missed.regions) })
    }

    /// `None`: everything may differ.
    pub(super) fn dirty(&self) -> Option<DirtyRegions> {
        let state = self.lock();
        (!state.everything).then(|| self.on_the_wire(&state.content.dirty))
    }

    fn on_the_wire(&self, regions: &Bits) -> DirtyRegions {
        DirtyRegions::of_words(region_size(self.about.volume_size), regions.words().iter().copied())
    }

    /// Makes the file say `content`, which has the same sets as before, and then marks `regions`.
    fn store(
        &self,
        mut state: MutexGuard<'_, State>,
        content: Content,
        regions: Range<u64>,
    ) -> Result<(), ReplicaError> {
        let Some(file) = state.file.clone() else {
            self.end_of_writing(state);
            return Err(ReplicaError::Failed { why: "the log of dirty regions has no file".to_owned() });
        };
        state.is_being_written = true;
        let old = state.content.clone();
        drop(state);
        let stored = file.store(&old, &content);
        let mut state = self.lock();
        if stored.is_ok() {
            state.content = content;
            // In here: a round that ends next would make clean what is dirty and not marked, just before it is written.
            self.set_marked(regions);
        }
        self.end_of_writing(state);
        stored
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

    /// Takes down from now on what an absent replica misses, durably before this returns; false where that cannot be.
    ///
    /// # Errors
    /// The disk did not confirm: it is not known what that one misses.
    pub fn begin_to_miss(&self, replica: &str, since: u64) -> Result<bool, ReplicaError> {
        self.shared(|structure| structure.regions.begin_to_miss(&self.directory, replica, since))
    }

    /// The replica is a member again, or never will be.
    ///
    /// # Errors
    /// The disk did not confirm.
    pub fn forget_missed(&self, replica: &str) -> Result<(), ReplicaError> {
        self.shared(|structure| structure.regions.forget_missed(&self.directory, replica))
    }

    /// Since which generation a replica is absent, and the regions that it misses; `None` where that is not known.
    ///
    /// # Errors
    /// The replica is closed or has failed.
    pub fn missed_regions(&self, replica: &str) -> Result<Option<MissedRegions>, ReplicaError> {
        self.shared(|structure| Ok(structure.regions.missed(replica)))
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
            self.sync_sums()?;
            structure.regions.end_round(&self.directory, round)
        })
    }
}

#[cfg(test)]
mod tests;
