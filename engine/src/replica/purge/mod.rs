//! Purge: giving back what removed snapshots take, while the volume is in use.
//!
//! | removed layer with | is | by |
//! |---|---|---|
//! | no child | deleted | [`super::remove`] |
//! | one child that is not the head | merged with it: the child's data goes into the removed layer's file, which then takes the child's name | [`coalesce`] |
//! | one child, the head | pruned: what the head hides is punched out of it, the rest stays | [`prune`] |
//! | several children | left | |
//! | a child whose image is missing | left, and the purge ends with an error that names both | |
//!
//! Invariants:
//! - **No reader sees a difference**, from the head or from any live layer, after every single step and after a crash at
//!   any byte of one. [`super::unmap`] says why members may be at different steps.
//! - **One step at a time.** [`plan`] chooses each from the tree as it is then: snapshots are taken and removed
//!   meanwhile. A step runs beside I/O and holds the structure still; only the swap of a merge keeps I/O waiting.
//! - **Whoever stops a purge and then takes the structure for himself is alone with it**: every step asks again, under
//!   the lock, whether it may go on.
//!
//! - **Live writes come first on a disk that fills up**: a merge takes no block that is kept for them ([`reserve`]).
//!
//! A purge that ends early (crash, full disk, stop) leaves a directory that Longhorn reads too; the next one goes on.

mod coalesce;
mod give_back;
mod interrupted;
mod plan;
mod progress;
mod prune;
mod reserve;

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Instant;

pub(super) use interrupted::InterruptedMerges;
pub(super) use progress::Slot;
pub use progress::{Pace, PurgeState, PurgeStatus};

use super::remove::delete_leaf;
use super::stack::Structure;
use super::{ChangeError, Replica, ReplicaError};
use coalesce::Coalesce;
use give_back::GiveBack;
use plan::Action;
use progress::Progress;
use prune::{Look, Prune};

/// A purge that has begun. Dropped before its end, it counts as failed.
pub struct PurgeRun {
    progress: Arc<Progress>,
    work: Work,
    /// Removed layers that this run does not look at again: pruned, or without room on the disk for their merge.
    passed: BTreeSet<String>,
    /// Why the first merge that did not fit on the disk was passed over: told at the end, when everything else is done.
    no_room: Option<ReplicaError>,
}

/// What the next step does.
enum Work {
    Choose,
    Measure(Coalesce),
    Coalesce(Coalesce),
    GiveBack(GiveBack),
    Prune(Prune),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    More,
    Done,
}

impl Replica {
    /// Registers a purge; `None` where one is running already.
    ///
    /// # Errors
    /// [`ReplicaError::Rebuilding`], or a file cannot be looked at.
    pub fn begin_purge(&self) -> Result<Option<PurgeRun>, ReplicaError> {
        let layers = self.shared(|structure| {
            structure.complete_for("purge")?;
            Ok(plan::planned(&structure.records, &structure.meta.head))
        })?;
        // Beside everything: a layer that goes meanwhile is one less to do.
        let sizes =
            layers.iter().map(|layer| Ok(self.directory.identity(layer)?.map_or(0, |file| file.allocated_bytes)));
        let planned = sizes.sum::<Result<u64, ReplicaError>>()?;
        let run = |progress| PurgeRun { progress, work: Work::Choose, passed: BTreeSet::new(), no_room: None };
        Ok(self.purge.begin(planned).map(run))
    }

    /// Purges in this thread, from beginning to end.
    ///
    /// # Errors
    /// The purge ended early; what it had done stays.
    pub fn purge(&self) -> Result<(), ReplicaError> {
        let Some(mut run) = self.begin_purge()? else {
            return Err(ReplicaError::PurgeStopped { why: "another one is running".to_owned() });
        };
        let mut outcome = Ok(Step::More);
        while let Ok(Step::More) = outcome {
            outcome = run.step(self);
        }
        outcome.map(drop)
    }

    /// Stops a running purge: it changes nothing once this has returned and the caller then has, or had, the structure
    /// for himself.
    pub fn stop_purge(&self, why: &str) {
        self.purge.stop(why);
    }

    /// How the last purge since the open stands.
    #[must_use]
    pub fn purge_status(&self) -> PurgeStatus {
        self.purge.status()
    }
}

impl PurgeRun {
    /// Works to the end, with rests between the steps. Ends too when nobody else holds the replica any more.
    pub fn run(mut self, replica: &Weak<Replica>, pace: Pace) {
        loop {
            let Some(open) = replica.upgrade() else { return };
            let started = Instant::now();
            let outcome = self.step(&open);
            drop(open);
            if !matches!(outcome, Ok(Step::More)) {
                return;
            }
            std::thread::sleep(pace.rest_after(started.elapsed()));
        }
    }

    /// One piece of the work; the last one settles how the purge ended.
    pub(super) fn step(&mut self, replica: &Replica) -> Result<Step, ReplicaError> {
        let outcome = self.work_on(replica);
        if !matches!(outcome, Ok(Step::More)) {
            self.progress.end(&outcome);
        }
        outcome
    }

    fn work_on(&mut self, replica: &Replica) -> Result<Step, ReplicaError> {
        match std::mem::replace(&mut self.work, Work::Choose) {
            Work::Choose => self.choose(replica),
            Work::Measure(coalesce) => self.measure(replica, coalesce),
            Work::Coalesce(coalesce) => self.coalesce(replica, coalesce),
            Work::GiveBack(copy) => self.give_back(replica, copy),
            Work::Prune(prune) => self.prune(replica, prune),
        }
    }

    fn choose(&mut self, replica: &Replica) -> Result<Step, ReplicaError> {
        let (action, work) = self.beside_io(replica, |structure| {
            let action = plan::next(&structure.records, &structure.meta.head, &self.passed);
            let work = match &action {
                Action::Coalesce { removed, child } => {
                    Some(Work::Measure(Coalesce::begin(&replica.directory, removed, child)?))
                }
                Action::Prune { removed } => Some(Work::Prune(Prune::begin(&replica.directory, removed)?)),
                Action::Delete(_) | Action::Nothing => None,
            };
            Ok((action, work))
        })?;
        match (action, work) {
            (_, Some(work)) => self.work = work,
            (Action::Delete(leaf), None) => self.alone(replica, |structure| {
                // Somebody else may have deleted it since.
                if plan::is_removed_leaf(&structure.records, &structure.meta.head, &leaf) {
                    delete_leaf(&replica.directory, structure, &leaf)?;
                }
                Ok(())
            })?,
            _ => return self.all_done(replica),
        }
        Ok(Step::More)
    }

    /// Nothing is left to do; what had to be left is told.
    fn all_done(&mut self, replica: &Replica) -> Result<Step, ReplicaError> {
        if let Some(error) = self.no_room.take() {
            return Err(error);
        }
        self.beside_io(replica, |structure| match plan::held_back(&structure.records, &structure.meta.head) {
            Some((held, by)) => Err(ReplicaError::HeldByMissingImage { held: held.to_owned(), by: by.to_owned() }),
            None => Ok(Step::Done),
        })
    }

    /// Whether the merge fits on the disk. Most often that is known at once.
    fn measure(&mut self, replica: &Replica, mut coalesce: Coalesce) -> Result<Step, ReplicaError> {
        self.progress.check()?;
        if coalesce.fits_surely(&replica.directory)? {
            self.work = Work::Coalesce(coalesce);
        } else if coalesce.measure_some()? {
            self.work = Work::Measure(coalesce);
        } else {
            match coalesce.check_fits(&replica.directory) {
                Ok(()) => self.work = Work::Coalesce(coalesce),
                Err(error) => self.pass_over(coalesce.removed().to_owned(), error)?,
            }
        }
        Ok(Step::More)
    }

    /// Goes on without a merge for which there is no room: others may need less, and what they give back helps the
    /// next purge. Any other error ends the run.
    fn pass_over(&mut self, removed: String, error: ReplicaError) -> Result<(), ReplicaError> {
        if !matches!(error, ReplicaError::NoRoomToPurge { .. }) {
            return Err(error);
        }
        tracing::warn!(%error, "a merge is passed over");
        self.passed.insert(removed);
        self.no_room.get_or_insert(error);
        Ok(())
    }

    fn coalesce(&mut self, replica: &Replica, mut coalesce: Coalesce) -> Result<Step, ReplicaError> {
        let copied = self.beside_io(replica, |structure| {
            if !coalesce.still_fits(structure) {
                return Ok(None);
            }
            Ok(Some(coalesce.copy_some(&replica.directory, structure)))
        })?;
        match copied {
            // The tree changed: the next step is chosen anew.
            None => {}
            Some(Err(error)) => self.work = Work::GiveBack(coalesce.give_back(error)),
            Some(Ok(bytes)) if !coalesce.is_copied() => {
                self.progress.advance(bytes);
                self.work = Work::Coalesce(coalesce);
            }
            Some(Ok(bytes)) => {
                self.progress.advance(bytes);
                match coalesce.sync(&replica.directory)? {
                    Ok(()) => self.alone(replica, |structure| coalesce.swap(&replica.directory, structure))?,
                    Err(error) => self.work = Work::GiveBack(coalesce.give_back(error.into())),
                }
            }
        }
        Ok(Step::More)
    }

    fn give_back(&mut self, replica: &Replica, mut copy: GiveBack) -> Result<Step, ReplicaError> {
        if self.beside_io(replica, |structure| copy.some(structure))? {
            self.work = Work::GiveBack(copy);
        } else {
            let removed = copy.removed.clone();
            let why = copy.finish(&replica.directory)?;
            self.pass_over(removed, why)?;
        }
        Ok(Step::More)
    }

    fn prune(&mut self, replica: &Replica, mut prune: Prune) -> Result<Step, ReplicaError> {
        let may = |structure: &Structure, prune: &Prune| {
            plan::may_prune(&structure.records, &structure.meta.head, prune.layer())
        };
        let looked = self.beside_io(replica, |structure| match may(structure, &prune) {
            true => prune.look(replica, structure).map(Some),
            false => Ok(None),
        })?;
        match looked {
            // The tree changed: the next step is chosen anew.
            None => return Ok(Step::More),
            Some(Look::End) => drop(self.passed.insert(prune.layer().to_owned())),
            Some(Look::At(bytes)) => {
                if prune.has_hidden() {
                    replica.let_requests_end();
                    self.beside_io(replica, |structure| match may(structure, &prune) {
                        true => prune.punch(replica, structure),
                        false => Ok(()),
                    })?;
                }
                self.progress.advance(bytes);
                self.work = Work::Prune(prune);
            }
        }
        Ok(Step::More)
    }

    /// Beside reads and writes, on a structure that stays as it is.
    fn beside_io<T>(
        &self,
        replica: &Replica,
        work: impl FnOnce(&Structure) -> Result<T, ReplicaError>,
    ) -> Result<T, ReplicaError> {
        replica.shared(|structure| {
            self.progress.check()?;
            structure.complete_for("purge")?;
            work(structure)
        })
    }

    /// With all I/O held back.
    fn alone(
        &self,
        replica: &Replica,
        work: impl FnOnce(&mut Structure) -> Result<(), ChangeError>,
    ) -> Result<(), ReplicaError> {
        replica.exclusive(|structure| {
            self.progress.check()?;
            structure.complete_for("purge")?;
            work(structure)
        })
    }
}

impl Drop for PurgeRun {
    fn drop(&mut self) {
        self.progress.give_up();
    }
}
