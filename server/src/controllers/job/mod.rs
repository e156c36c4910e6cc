//! Jobs that are seen: what engines, volumes and nodes tell of long work becomes jobs ([`crate::jobs`]).
//!
//! 1. [`engine`] — rebuilds, purges and hashes, from an engine's status; [`reason`] — why a replica is rebuilt;
//! 2. [`volume`] — copies and expansions, from a volume and its engine; [`evacuation`] — replicas that leave a disk or a node;
//!    ([`touched`]: which of them to look at);
//! 3. [`backup`] — backups, and their deletion; [`system`] — the same of the system, and its restores;
//! 4. [`work`] — what is seen against what was seen before: a pure choice of what to tell; [`teller`] — tells it.
//!
//! Nothing here does any of the work, but for ending it where a person asked for that ([`cancel`]). What was seen last is
//! in memory alone: after a restart the keys of the jobs say which of them to go on with.

mod backup;
mod cancel;
mod engine;
mod evacuation;
mod reason;
mod system;
mod teller;
mod touched;
mod volume;
mod work;

use tokio::task::JoinHandle;

use super::Context;

/// Keys under which work is seen, for those who know who asked for it ([`crate::jobs::Jobs::expect`]).
pub mod keys {
    #[must_use]
    pub fn purge(engine: &str) -> String {
        format!("engine/{engine}/purge")
    }

    #[must_use]
    pub fn backup(backup: &str) -> String {
        format!("backup/{backup}/create")
    }

    #[must_use]
    pub fn backup_backing_image(backup: &str) -> String {
        format!("backup-backing-image/{backup}/create")
    }

    #[must_use]
    pub fn backup_deletion(backup: &str) -> String {
        format!("backup/{backup}/delete")
    }

    /// Of a backup that is read to see whether it could be restored.
    #[must_use]
    pub fn verification(backup: &str) -> String {
        format!("backup-verification/{backup}")
    }

    /// Of all backups of a volume.
    #[must_use]
    pub fn backup_volume_deletion(backup_volume: &str) -> String {
        format!("backup-volume/{backup_volume}/delete")
    }

    #[must_use]
    pub fn system_backup(system_backup: &str) -> String {
        format!("system-backup/{system_backup}/create")
    }

    #[must_use]
    pub fn system_backup_deletion(system_backup: &str) -> String {
        format!("system-backup/{system_backup}/delete")
    }

    #[must_use]
    pub fn system_restore(system_restore: &str) -> String {
        format!("system-restore/{system_restore}/restore")
    }

    #[must_use]
    pub fn restore(volume: &str) -> String {
        format!("volume/{volume}/restore")
    }

    #[must_use]
    pub fn clone(volume: &str) -> String {
        format!("volume/{volume}/clone")
    }

    /// To this size.
    #[must_use]
    pub fn expansion(volume: &str, bytes: u64) -> String {
        format!("volume/{volume}/expansion/{bytes}")
    }

    #[must_use]
    pub fn backing_image(image: &str) -> String {
        format!("backing-image/{image}")
    }

    /// Of a whole node, or of one of its disks.
    #[must_use]
    pub fn evacuation(node: &str, disk: Option<&str>) -> String {
        match disk {
            Some(disk) => format!("node/{node}/evacuation/{disk}"),
            None => format!("node/{node}/evacuation"),
        }
    }
}

pub fn start(context: &Context) -> Vec<JoinHandle<()>> {
    vec![
        tokio::spawn(engine::follow(context.clone())),
        tokio::spawn(volume::follow(context.clone())),
        tokio::spawn(evacuation::follow(context.clone())),
        tokio::spawn(backup::follow(context.clone())),
        tokio::spawn(system::follow(context.clone())),
    ]
}
