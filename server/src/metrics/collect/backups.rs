//! Backups, and where they are kept.

use std::collections::HashMap;

use aurochs_api::backup::BackupState;

use super::World;
use crate::metrics::page::Page;
use crate::resources::recurring_job::LABEL_MADE_BY;
use crate::resources::{Backup, Object, timestamp};

/// Volume, backup and the recurring job that made it.
fn labels(backup: &Object<Backup>) -> [(&'static str, &str); 3] {
    let told = backup.status.labels.get(LABEL_MADE_BY).or_else(|| backup.spec.labels.get(LABEL_MADE_BY));
    let job = told.map_or("", String::as_str);
    [("volume", backup.volume()), ("backup", backup.name()), ("recurring_job", job)]
}

pub(super) fn write(page: &mut Page, world: &World) {
    of_backups(page, world);
    let mut family = page
        .gauge("longhorn_backup_target_backup_volume_count", "Volumes that have backups in the target, as last read.");
    for target in &world.backup_targets {
        let count =
            world.backup_volumes.iter().filter(|volume| volume.spec.backup_target_name == target.name()).count();
        family.sample(&[("backup_target", target.name())], count as f64);
    }
    let mut counts: HashMap<(&str, &str), u64> = HashMap::new();
    for backup in &world.backups {
        *counts.entry((backup.volume(), backup.target())).or_default() += 1;
    }
    let mut family = page.gauge("longhorn_backup_volume_backups_count", "Backups of the volume, as last read.");
    for volume in &world.backup_volumes {
        let of = (volume.spec.volume_name.as_str(), volume.spec.backup_target_name.as_str());
        family.sample(&[("backup_volume", volume.name())], counts.get(&of).copied().unwrap_or_default() as f64);
    }
}

fn of_backups(page: &mut Page, world: &World) {
    let mut gauge = |name, help, value: fn(&Object<Backup>) -> f64| {
        let mut family = page.gauge(name, help);
        world.backups.iter().for_each(|backup| family.sample(&labels(backup), value(backup)));
    };
    gauge("longhorn_backup_actual_size_bytes", "Bytes of the volume that the backup holds.", |backup| {
        bytes(&backup.status.size)
    });
    gauge(
        "longhorn_backup_state",
        "State of the backup: 0 new, 1 waits, 2 runs, 3 complete, 4 failed, 5 unknown.",
        |backup| f64::from(number(backup.status.state)),
    );
    gauge(
        "longhorn_backup_uploaded_data_size_bytes",
        "Bytes that were sent to the target for the backup, as they are kept there.",
        |backup| bytes(&backup.status.newly_upload_data_size) + bytes(&backup.status.re_uploaded_data_size),
    );
}

/// Zero where it is not known.
fn bytes(text: &str) -> f64 {
    text.parse::<u64>().unwrap_or_default() as f64
}

pub(super) const fn number(state: BackupState) -> u8 {
    match state {
        BackupState::New => 0,
        BackupState::Pending => 1,
        BackupState::InProgress => 2,
        BackupState::Completed => 3,
        BackupState::Error => 4,
        BackupState::Unknown | BackupState::Deleting => 5,
    }
}

/// Seconds since 1970 of a volume's last backup; 0 where it has none.
pub(super) fn last_at(text: &str) -> f64 {
    timestamp::parse(text).map_or(0.0, |moment| moment.unix_timestamp() as f64)
}
