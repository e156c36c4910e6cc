//! Resources for the system backups in the default target, whoever made them.

use std::collections::BTreeSet;

use aurochs_api::backup_target::DEFAULT;
use aurochs_api::condition::ConditionStatus;
use aurochs_engine::backup::Store;

use crate::backups::remote::system::{self as remote, SystemBackupName};
use crate::backups::{Fault, names};
use crate::controllers::{Context, Error};
use crate::resources::backup::{ANNOTATION_BACKUP, DELETE_CUSTOM_RESOURCE_ONLY};
use crate::resources::system_backup::{
    CONDITION_ERROR, LABEL_VERSION, SystemBackupSpec, SystemBackupState, SystemBackupStatus, VolumeBackupPolicy,
};
use crate::resources::{Object, SystemBackup, condition, timestamp};
use crate::store::StoreError;

/// From now on it is one that is in the target.
pub(super) fn label(backup: &mut Object<SystemBackup>, version: &str) {
    backup.metadata.labels.insert(LABEL_VERSION.to_owned(), version.to_owned());
}

/// Brings them into step. Another target than the default one has none that count, as in Longhorn.
pub async fn target(context: &Context, target: &str, store: &Store) -> Result<(), Error> {
    if target != DEFAULT {
        return Ok(());
    }
    // Before the list: what comes into the store meanwhile is not taken for gone.
    let known = context.store.list::<SystemBackup>().await?;
    let listed = remote::list(store).await?;
    for one in &listed {
        match remote::inspect(store, &one.version, &one.name).await {
            // It went since the list was made.
            Err(fault) if fault.is_missing => {}
            Err(fault) if fault.is_transient => return Err(fault.into()),
            record => tell(context, one, record).await?,
        }
    }
    let there: BTreeSet<(&str, &str)> = listed.iter().map(|one| (one.version.as_str(), one.name.as_str())).collect();
    for one in known.iter().filter(|one| is_gone(one, &there)) {
        forget(context, one.name()).await?;
    }
    Ok(())
}

fn is_gone(backup: &Object<SystemBackup>, there: &BTreeSet<(&str, &str)>) -> bool {
    let version = backup.version_in_target();
    !backup.is_deleting() && version.is_some_and(|version| !there.contains(&(version, backup.name_in_target())))
}

/// Everything that shows what is in the default target; what is being made stays.
pub async fn forget_all(context: &Context, target: &str) -> Result<(), Error> {
    if target != DEFAULT {
        return Ok(());
    }
    for one in context.store.list::<SystemBackup>().await? {
        if one.version_in_target().is_some() {
            forget(context, one.name()).await?;
        }
    }
    Ok(())
}

/// What is in the target stays.
async fn forget(context: &Context, name: &str) -> Result<(), Error> {
    let mark = |backup: &mut Object<SystemBackup>| {
        backup.metadata.labels.insert(DELETE_CUSTOM_RESOURCE_ONLY.to_owned(), "true".to_owned());
    };
    match context.store.modify::<SystemBackup>(name, mark).await {
        Err(error) if !error.is_not_found() => return Err(error.into()),
        _ => {}
    }
    context.store.remove_finalizer::<SystemBackup>(name).await?;
    match context.store.delete::<SystemBackup>(name).await {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

async fn tell(context: &Context, one: &SystemBackupName, record: Result<remote::Record, Fault>) -> Result<(), Error> {
    let Some(name) = resource(context, one).await? else { return Ok(()) };
    let change = |status: &mut SystemBackupStatus| {
        let before = status.clone();
        apply(status, one, &record);
        if *status != before {
            status.last_synced_at = timestamp::now();
            status.owner_id = context.owner.to_string();
        }
    };
    match context.store.modify_status::<SystemBackup>(&name, change).await {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

fn apply(status: &mut SystemBackupStatus, one: &SystemBackupName, record: &Result<remote::Record, Fault>) {
    status.version.clone_from(&one.version);
    match record {
        Ok(record) => {
            status.state = SystemBackupState::Ready;
            status.git_commit.clone_from(&record.git_commit);
            status.manager_image.clone_from(&record.manager_image);
            status.created_at.clone_from(&record.created_at);
            status.next_step.clear();
            if condition::is_true(&status.conditions, CONDITION_ERROR) {
                condition::set(&mut status.conditions, CONDITION_ERROR, ConditionStatus::False, "", "");
            }
        }
        Err(fault) => {
            status.state = SystemBackupState::Error;
            status.next_step.clone_from(&fault.next_step);
            let why = &fault.message;
            condition::set(&mut status.conditions, CONDITION_ERROR, ConditionStatus::True, "Damaged", why);
        }
    }
}

/// The name of the resource that stands for it, which is made if need be; none where that is not to be touched.
async fn resource(context: &Context, one: &SystemBackupName) -> Result<Option<String>, Error> {
    let double = names::of_double(&one.name, &one.version, DEFAULT);
    for (name, is_double) in [(&one.name, false), (&double, true)] {
        let Some(there) = context.store.find::<SystemBackup>(name).await? else {
            let mut made = Object::<SystemBackup>::new(name, spec());
            label(&mut made, &one.version);
            if is_double {
                made.metadata.annotations.insert(ANNOTATION_BACKUP.to_owned(), one.name.clone());
            }
            return match context.store.create(&made).await {
                Ok(_) => Ok(Some(name.clone())),
                // Asked for here at this moment: it is looked at with the next reading.
                Err(StoreError::AlreadyExists { .. }) => Ok(None),
                Err(error) => Err(error.into()),
            };
        };
        if there.version_in_target() == Some(&one.version) && there.name_in_target() == one.name {
            return Ok((!there.is_deleting()).then(|| name.clone()));
        }
        // Made here at this moment: its controller tells of it.
        let is_ours = there.version_in_target().is_none() && there.status.version == one.version;
        if is_ours && !there.has_ended() {
            return Ok(None);
        }
    }
    Ok(None)
}

/// What nobody knows any more.
fn spec() -> SystemBackupSpec {
    SystemBackupSpec { volume_backup_policy: VolumeBackupPolicy::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_seen_there_goes_with_it() {
        let mut backup = Object::<SystemBackup>::new("b", spec());
        assert!(!is_gone(&backup, &BTreeSet::new()), "it is being made");
        label(&mut backup, "1");
        assert!(is_gone(&backup, &BTreeSet::new()) && is_gone(&backup, &BTreeSet::from([("2", "b")])));
        assert!(!is_gone(&backup, &BTreeSet::from([("1", "b")])));
        backup.metadata.annotations.insert(ANNOTATION_BACKUP.to_owned(), "a".to_owned());
        assert!(!is_gone(&backup, &BTreeSet::from([("1", "a")])));
    }

    #[test]
    fn a_damaged_record_is_told_and_healed() {
        let one = SystemBackupName { version: "1".into(), name: "b".into() };
        let mut status = SystemBackupStatus::default();
        apply(&mut status, &one, &Err(Fault::damaged("it is no JSON".into())));
        assert_eq!((status.state, status.version.as_str()), (SystemBackupState::Error, "1"));
        assert_eq!(status.conditions[0].message, "it is no JSON");
        apply(&mut status, &one, &Ok(remote::Record { created_at: "now".into(), ..remote::Record::default() }));
        assert_eq!((status.state, status.created_at.as_str()), (SystemBackupState::Ready, "now"));
        assert!(!condition::is_true(&status.conditions, CONDITION_ERROR));
    }
}
