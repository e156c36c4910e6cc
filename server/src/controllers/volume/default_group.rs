//! Every volume takes part in some recurring job or group (behaviour.md §8, "default group"): one that names none, also
//! one that was made as a resource, takes part in the group `default`.

use super::family::Family;
use super::{Findings, Volumes};
use crate::controllers::Error;
use crate::resources::volume::{CloneMode, LABEL_ENABLED, LABEL_RECURRING_JOB_GROUP};
use crate::resources::{Object, Volume};
use crate::view::volume::recurring_jobs;

/// The group of the volumes that name no other.
const DEFAULT_GROUP: &str = "default";

/// The step of one pass.
pub(super) async fn step(
    volumes: &Volumes,
    volume: &Object<Volume>,
    _: &Family,
    _: &mut Findings,
) -> Result<(), Error> {
    if takes_part(volume) {
        return Ok(());
    }
    volumes.context.store.modify::<Volume>(volume.name(), join).await?;
    Ok(())
}

/// Linked clones live for a backup or a look, and take part in nothing.
fn takes_part(volume: &Object<Volume>) -> bool {
    volume.spec.clone_mode == CloneMode::LinkedClone || !recurring_jobs(volume).is_empty()
}

/// Gives the volume the label of the group if it has none of another.
pub fn join(volume: &mut Object<Volume>) {
    if !takes_part(volume) {
        let label = format!("{LABEL_RECURRING_JOB_GROUP}{DEFAULT_GROUP}");
        volume.metadata.labels.insert(label, LABEL_ENABLED.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// behaviour.md §8, row "default group".
    #[test]
    fn default_group() {
        const GROUP: &str = "recurring-job-group.longhorn.io/default";
        for (label, value, mode, expected) in [
            ("", "", CloneMode::None, true),
            ("recurring-job.longhorn.io/nightly", "enabled", CloneMode::None, false),
            ("recurring-job-group.longhorn.io/gold", "enabled", CloneMode::None, false),
            ("recurring-job.longhorn.io/nightly", "disabled", CloneMode::None, true),
            ("team", "enabled", CloneMode::FullCopy, true),
            ("", "", CloneMode::LinkedClone, false),
        ] {
            let mut volume = Object::<Volume>::new("v", Default::default());
            volume.spec.clone_mode = mode;
            volume.metadata.labels.insert(label.to_owned(), value.to_owned());
            join(&mut volume);
            assert_eq!(volume.metadata.labels.contains_key(GROUP), expected, "{label}={value} {mode:?}");
        }
    }
}
