//! The receiving side of a catch-up: a replica that was a member gets the regions that it lacks into its head, and keeps the
//! rest, layers and all.
//!
//! Invariants:
//! - **From before the first of it changes until all of it is durable, `volume.meta` says `Rebuilding`**, as in any rebuild
//!   ([`super::rebuild`]): what is half old and half new is served to nobody, and no salvage chooses it.
//! - **Everything that it lacks is dirty in its own log before that.** So a catch-up that broke off can begin again: what it
//!   had still to get is among what the log says, whoever asks.
//! - **Its head becomes no layer meanwhile**: a snapshot of it would show data that is not there yet.
//!
//! A replica whose log says that everything is dirty is no case for this. That is how one is told apart whose last rebuild, in
//! full, was interrupted: its layers are there by name, and empty.

use super::directory::Directory;
use super::hash::SnapshotChecksum;
use super::metadata::VolumeMeta;
use super::names;
use super::open::load_lower;
use super::rebuild_target::RebuildTarget;
use super::regions::DirtyRegions;
use super::stack::Structure;
use super::{ChangeError, Replica, ReplicaError};
use crate::crash_point;

const NOT_BEGUN: &str = "the catch-up did not begin";

impl Replica {
    /// From now on this replica is being rebuilt, lacks no more than these regions and those that are dirty in its own log, and
    /// gets them as writes; [`Replica::rebuild_finish`] ends that. Durable when this returns.
    ///
    /// # Errors
    /// [`ReplicaError::NoCatchUp`], [`ReplicaError::Undone`]: it lacks what it lacked. Other errors: it is rebuilding, perhaps,
    /// and any rebuild may begin.
    pub fn catch_up_begin(&self, lacks: &DirtyRegions) -> Result<(), ReplicaError> {
        let no_sense = || ReplicaError::corrupt("the list of what this replica lacks", "it makes no sense".to_owned());
        let ranges = lacks.ranges().ok_or_else(no_sense)?;
        self.stop_purge("the replica is being brought up to date");
        self.exclusive(|structure| {
            self.check_complete_but_for_its_log(structure)?;
            let lower = load_lower(&self.directory, &structure.meta, &structure.records, &structure.meta.head)?;
            let noted = structure.regions.forget_all_missed(&self.directory);
            noted.and_then(|()| structure.regions.mark_all(&ranges)).map_err(|error| error.undone(NOT_BEGUN))?;
            crash_point::reached("catch-up.marked");
            set_rebuilding(&self.directory, structure).map_err(|error| error.undone(NOT_BEGUN))?;
            crash_point::reached("catch-up.begun");
            structure.lower = lower;
            structure.rebuild = RebuildTarget::catching_up();
            Ok(())
        })
    }

    /// Whether this replica has everything that it had when it left, and its log tells what may have changed since.
    fn check_complete_but_for_its_log(&self, structure: &Structure) -> Result<(), ReplicaError> {
        if structure.regions.dirty().is_none() {
            return Err(ReplicaError::NoCatchUp { why: "its log of dirty regions is not there, or cannot be trusted" });
        }
        if structure.meta.remote {
            return Err(ReplicaError::NoCatchUp { why: "it left while a backup was being restored" });
        }
        for image in structure.records.0.keys() {
            if structure.records.lacks_image(image) {
                return Err(ReplicaError::NoCatchUp { why: "an image of a snapshot is missing" });
            }
            if is_known_to_be_corrupted(&self.directory, image)? {
                return Err(ReplicaError::NoCatchUp { why: "a snapshot was found to be corrupted on this disk" });
            }
        }
        Ok(())
    }
}

/// What a hash found lies in a layer, which a catch-up leaves alone.
fn is_known_to_be_corrupted(directory: &Directory, image: &str) -> Result<bool, ReplicaError> {
    let file = names::checksum_of(image);
    let known = directory.read(&file)?.and_then(|text| SnapshotChecksum::decode(&file, &text));
    Ok(known.is_some_and(|known| known.silently_corrupted))
}

/// Keeps the log under the new `volume.meta` too, so that a crash in between does not make it one that is not trusted.
fn set_rebuilding(directory: &Directory, structure: &mut Structure) -> Result<(), ChangeError> {
    let meta = VolumeMeta { rebuilding: true, ..structure.meta.clone() };
    structure.regions.replace_meta(directory, &meta.encode()?)?;
    structure.meta = meta;
    Ok(())
}
