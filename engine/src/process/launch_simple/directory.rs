//! Whether a directory can be launched, and what it holds; an empty one gets a new volume.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use aurochs_api::size::{ByteSize, GIB};

use super::ProgramError;
use crate::offline::{OfflineError, Structure, Survey, Wanted};
use crate::replica::{OpenOptions, Replica, names};
use crate::volume::record::Epoch;

/// Longhorn's default.
const DEFAULT_SIZE: ByteSize = ByteSize(GIB);
/// Epochs of volumes that were launched alone begin here, far above those of any cluster. So it shows from the epoch
/// who changed a replica last, and a cluster that knows other replicas of the volume refuses this one, aloud, instead
/// of taking it for equal to them.
const LONE_EPOCHS: u64 = 1 << 40;
/// What a new file system holds.
const LOST_AND_FOUND: &str = "lost+found";

/// A directory that holds a replica nobody has open.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Bytes.
    pub(super) size: u64,
    /// It was made just now.
    pub(super) is_new: bool,
    /// Highest epoch of an engine that the replica has seen.
    pub(super) epoch_seen: u64,
    /// Longhorn's counter is kept where it is there.
    pub(super) revision_counter: bool,
}

impl Prepared {
    /// The epoch of this start: above all that the directory has seen.
    pub(super) fn epoch(&self) -> Epoch {
        Epoch(self.epoch_seen.max(LONE_EPOCHS) + 1)
    }

    /// Refuses a directory whose last engine may know other replicas of the volume, unless that was asked for.
    fn check_owner(self, dir: &Path, take_over: bool) -> Result<Self, ProgramError> {
        if take_over || !(1..LONE_EPOCHS).contains(&self.epoch_seen) {
            return Ok(self);
        }
        Err(ProgramError::Usage(format!(
            "{} belongs to a volume that an engine of a cluster has served (epoch {}). Written here, it would differ from \
             the volume's other replicas, and the cluster refuses it from then on. To read it, use `export`; to leave \
             the cluster with this replica for good, add --take-over",
            dir.display(),
            self.epoch_seen
        )))
    }
}

/// Looks at the directory, or makes a volume of `size` in it if it is empty.
/// `take_over` takes one away from a cluster.
pub(super) fn prepare(dir: &Path, size: Option<ByteSize>, take_over: bool) -> Result<Prepared, ProgramError> {
    if holds_nothing(dir)? {
        let size = size.unwrap_or(DEFAULT_SIZE).bytes();
        Replica::create(dir, size, OpenOptions::default())?;
        return Ok(Prepared { size, is_new: true, epoch_seen: 0, revision_counter: false });
    }
    let survey = Survey::of(dir)?;
    if let Some(writer) = survey.writers.first() {
        let user = format!("{}, which has {} open", writer.occupant, writer.file);
        return Err(OfflineError::InUse { dir: dir.to_path_buf(), user }.into());
    }
    let structure = Structure::of(&survey);
    structure.chain(&survey, &Wanted::Head)?;
    let existing = survey.volume.meta().map_or(0, |meta| meta.size);
    if let Some(wanted) = size.filter(|wanted| wanted.bytes() != existing) {
        return Err(ProgramError::Usage(format!(
            "the volume in {} has {} ({existing} bytes) and not {wanted}; leave --size out to open it as it is",
            dir.display(),
            ByteSize(existing),
        )));
    }
    let prepared = Prepared {
        size: existing,
        is_new: false,
        epoch_seen: survey.small_files.fence.value().map_or(0, |fence| fence.epoch),
        revision_counter: survey.listing.iter().any(|file| file == names::REVISION_COUNTER),
    };
    prepared.check_owner(dir, take_over)
}

/// What tells the directory from every other that has had, or will have, its path: the file system, the number there, and
/// when it was made. A copy has another one, and so has a directory that was made anew. None: the file system does not say.
pub(super) fn identity(dir: &Path) -> Option<String> {
    let metadata = fs::metadata(dir).ok()?;
    let made = metadata.created().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(format!("directory {}:{} of {}", metadata.dev(), metadata.ino(), made.as_nanos()))
}

/// Whether there is no directory, an empty one, or what an interrupted creation left, which holds no data.
fn holds_nothing(dir: &Path) -> Result<bool, ProgramError> {
    let failed = |source| ProgramError::Io { what: format!("list the directory {}", dir.display()), source };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        if !name.to_str().is_some_and(is_of_creation) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `volume.meta` comes last in a creation. A head with data is refused by the creation itself.
fn is_of_creation(file: &str) -> bool {
    let made = [names::FIRST_HEAD.to_owned(), names::meta_of(names::FIRST_HEAD), names::REVISION_COUNTER.to_owned()];
    let finished = file.strip_suffix(names::TMP_SUFFIX).unwrap_or(file);
    file == LOST_AND_FOUND
        || made.iter().any(|name| name == finished)
        || (finished == names::VOLUME_META && finished != file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_was_made_anew_is_another_one() {
        let root = tempfile::tempdir_in("/var/tmp").unwrap();
        let dir = root.path().join("volume");
        fs::create_dir(&dir).unwrap();
        let first = identity(&dir).unwrap();
        fs::write(dir.join("volume.meta"), "{}").unwrap();
        assert_eq!(identity(&dir).as_ref(), Some(&first), "what is in it may change");
        let aside = root.path().join("aside");
        fs::rename(&dir, &aside).unwrap();
        assert_eq!(identity(&aside), Some(first.clone()), "it was moved");
        fs::create_dir(&dir).unwrap();
        assert_ne!(identity(&dir), Some(first.clone()), "another one under its path");
        fs::remove_dir_all(&aside).unwrap();
        fs::create_dir(&aside).unwrap();
        assert_ne!(identity(&aside), Some(first), "also where its number is used again");
        assert_eq!(identity(&root.path().join("nowhere")), None);
    }
}
