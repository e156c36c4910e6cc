//! Brings the resources of backups into step with what is in a store, also with what other installations put there.
//!
//! | in the store | resource |
//! |---|---|
//! | a volume, a backup | made, or brought up to date where its record has changed |
//! | a record that can't be read | there, with the error; all others are not touched by that |
//! | a record without a time of completion | there, as not complete |
//! | nothing | goes, if it was there as complete before the store was listed |
//!
//! A record that has the version that the resource was made from is not read again. What can't be read of one volume now is
//! told by that volume's resource, and is read the next time; everything else is brought into step all the same.

use std::collections::{BTreeMap, BTreeSet};

use aurochs_engine::backup::Store;
use futures::{StreamExt, stream};

use super::forget;
use crate::backups::remote::{self, BackupFacts, Listed, Read, VolumeFacts};
use crate::backups::{Fault, names};
use crate::controllers::backup::last_backup;
use crate::controllers::{Context, Error, backup_backing_image, system_backup};
use crate::resources::backup::{
    ANNOTATION_BACKUP, BackupMode, BackupSpec, BackupState, BackupStatus, LABEL_BACKUP_TARGET, LABEL_BACKUP_VOLUME,
};
use crate::resources::backup_volume::{BackupVolumeSpec, BackupVolumeStatus};
use crate::resources::{Backup, BackupTarget, BackupVolume, Object, timestamp};
use crate::store::StoreError;

/// Volumes that are looked at together: over a slow line most of the time is waiting.
const VOLUMES_AT_ONCE: usize = 8;
/// Where a resource tells what is wrong.
const ERROR: &str = "error";

/// Reads a whole target. `available` is told as soon as the target has answered, with the names of its credentials.
///
/// Fails where the target itself can't be used. A volume of it that can't be read in time is that volume's fault.
pub(super) async fn target<F>(
    context: &Context,
    target: &Object<BackupTarget>,
    available: impl FnOnce(Vec<String>) -> F,
) -> Result<(), Error>
where
    F: Future<Output = Result<(), Error>>,
{
    let name = target.name();
    let store = context.backups.store(name, &target.spec).await?;
    // Before the list: what comes into the store meanwhile is not taken for gone.
    let known = context.store.list_labelled::<BackupVolume>(LABEL_BACKUP_TARGET, name).await?;
    let volumes = remote::volumes(&store).await?;
    available(context.backups.credentials_of(&target.spec)?.into_keys().collect()).await?;
    let there: BTreeSet<&str> = volumes.iter().map(String::as_str).collect();
    let gone = known.iter().filter(|known| !there.contains(known.spec.volume_name.as_str()));
    let all: Vec<(String, bool)> = there
        .iter()
        .map(|there| ((*there).to_owned(), true))
        .chain(gone.map(|gone| (gone.spec.volume_name.clone(), false)))
        .collect();
    let store = &store;
    let mut passes = stream::iter(all)
        .map(|(one, has_folder)| async move {
            let ended = in_step(context, name, store, &one, has_folder).await;
            (one, ended)
        })
        .buffer_unordered(VOLUMES_AT_ONCE);
    let mut failed: Vec<(String, Fault)> = Vec::new();
    while let Some((one, ended)) = passes.next().await {
        match ended {
            Ok(()) => {}
            Err(Error::Target(fault)) => {
                // With each volume anew: a server that went away is not asked for everything that it had.
                remote::answers(store).await?;
                failed.push((one, fault));
            }
            Err(error) => return Err(error),
        }
    }
    for (one, fault) in &failed {
        tracing::warn!(target = name, volume = one, %fault, "a volume of a backup target could not be read");
        tell_failed(context, name, store, one, fault).await?;
    }
    drop(passes);
    backup_backing_image::sync::target(context, target, store).await?;
    system_backup::sync::target(context, name, store).await
}

/// A volume that could not be read, or not wholly, while its target can be used.
async fn tell_failed(context: &Context, target: &str, store: &Store, volume: &str, fault: &Fault) -> Result<(), Error> {
    let _one_at_a_time = context.backups.step(target, volume).await;
    let pass = Pass { context, target, store, volume, has_folder: true };
    let resource = context.store.find::<BackupVolume>(&pass.name()).await?;
    if resource.as_ref().is_some_and(Object::is_deleting) {
        return Ok(());
    }
    pass.tell_damaged(resource.as_ref(), fault).await
}

/// The same for one volume in an open target.
pub async fn volume(context: &Context, target: &str, store: &Store, volume: &str) -> Result<(), Error> {
    in_step(context, target, store, volume, false).await
}

async fn in_step(context: &Context, target: &str, store: &Store, volume: &str, has_folder: bool) -> Result<(), Error> {
    let _one_at_a_time = context.backups.step(target, volume).await;
    let pass = Pass { context, target, store, volume, has_folder };
    pass.run().await?;
    last_backup::note_all(context, target, volume).await
}

/// The same, when nothing of the target is at hand. A target without an address has nothing to be read.
pub async fn one(context: &Context, target: &str, of: &str) -> Result<(), Error> {
    let Some(found) = context.store.find::<BackupTarget>(target).await? else { return Ok(()) };
    if found.is_deleting() || found.spec.backup_target_url.is_empty() {
        return Ok(());
    }
    let store = context.backups.store(target, &found.spec).await?;
    volume(context, target, &store, of).await
}

struct Pass<'a> {
    context: &'a Context,
    target: &'a str,
    store: &'a Store,
    volume: &'a str,
    /// A folder of its name was seen in the store.
    has_folder: bool,
}

impl Pass<'_> {
    fn name(&self) -> String {
        names::backup_volume(self.volume, self.target)
    }

    async fn run(&self) -> Result<(), Error> {
        let resource = self.context.store.find::<BackupVolume>(&self.name()).await?;
        if resource.as_ref().is_some_and(Object::is_deleting) {
            return Ok(());
        }
        let known = self.known().await?;
        let version = resource.as_ref().map_or("", |resource| &resource.status.record_version);
        let record = remote::volume(self.store, self.volume, version).await;
        let versions = known.iter().filter(|one| !one.status.record_version.is_empty());
        let versions = versions.map(|one| (one.name_in_target().to_owned(), one.status.record_version.clone()));
        let listed = remote::backups(self.store, self.volume, &versions.collect()).await;
        let (record, listed) = match (record, listed) {
            (Ok(record), Ok(listed)) => (record, listed),
            (Err(fault), _) | (_, Err(fault)) if fault.is_transient => return Err(fault.into()),
            (Err(fault), _) | (_, Err(fault)) => return self.tell_damaged(resource.as_ref(), &fault).await,
        };
        self.unmark(resource.as_ref(), &known, record.is_some(), &listed.names).await?;
        let Some(record) = record else {
            if listed.names.is_empty() && !self.has_folder {
                return self.forget(resource.as_ref(), &known).await;
            }
            let fault = Fault::damaged(format!("the folder of {} has no volume.cfg", self.volume));
            return self.tell_damaged(resource.as_ref(), &fault).await;
        };
        let resource = match resource {
            Some(resource) => resource,
            None => self.create().await?,
        };
        let asked = resource.spec.sync_requested_at.clone();
        let resource = self.tell_volume(&resource, &record, &listed.read).await?;
        for one in &listed.read {
            self.tell_backup(&resource, &known, one).await?;
        }
        let there: BTreeSet<&str> = listed.names.iter().map(String::as_str).collect();
        for one in known.iter().filter(|one| is_gone(one, &there)) {
            forget::backup(self.context, one).await?;
        }
        match listed.fault {
            // What was read is kept: the next time goes on behind it.
            Some(fault) => Err(fault.into()),
            None => self.answer(&resource, &asked).await,
        }
    }

    /// Last of all: whoever asked looks at the backups, too, as soon as there is an answer.
    async fn answer(&self, resource: &Object<BackupVolume>, asked: &str) -> Result<(), Error> {
        if resource.status.answered_request == asked {
            return Ok(());
        }
        let change = |status: &mut BackupVolumeStatus| asked.clone_into(&mut status.answered_request);
        match self.context.store.modify_status::<BackupVolume>(resource.name(), change).await {
            Err(error) if !error.is_not_found() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// What was about to be forgotten when a manager ended, and is in the store after all, is no less than the others: its
    /// deletion is one in the store again.
    async fn unmark(
        &self,
        resource: Option<&Object<BackupVolume>>,
        known: &[Object<Backup>],
        has_record: bool,
        there: &BTreeSet<String>,
    ) -> Result<(), Error> {
        if let Some(resource) = resource.filter(|_| has_record) {
            forget::unmark(self.context, resource).await?;
        }
        for backup in known.iter().filter(|backup| there.contains(backup.name_in_target())) {
            forget::unmark(self.context, backup).await?;
        }
        Ok(())
    }

    async fn known(&self) -> Result<Vec<Object<Backup>>, StoreError> {
        let mut known = self.context.store.list_labelled::<Backup>(LABEL_BACKUP_VOLUME, self.volume).await?;
        known.retain(|backup| backup.target() == self.target);
        Ok(known)
    }

    fn labels(&self) -> BTreeMap<String, String> {
        let labels = [(LABEL_BACKUP_TARGET, self.target), (LABEL_BACKUP_VOLUME, self.volume)];
        labels.map(|(label, value)| (label.to_owned(), value.to_owned())).into()
    }

    async fn create(&self) -> Result<Object<BackupVolume>, StoreError> {
        let spec = BackupVolumeSpec {
            volume_name: self.volume.to_owned(),
            backup_target_name: self.target.to_owned(),
            ..BackupVolumeSpec::default()
        };
        let mut made = Object::<BackupVolume>::new(self.name(), spec);
        made.metadata.labels = self.labels();
        match self.context.store.create(&made).await {
            Err(StoreError::AlreadyExists { .. }) => self.context.store.get(&self.name()).await,
            outcome => outcome,
        }
    }

    /// Nothing of the volume is in the store. A backup of it that is being made here will bring it back.
    async fn forget(&self, resource: Option<&Object<BackupVolume>>, known: &[Object<Backup>]) -> Result<(), Error> {
        for backup in known.iter().filter(|backup| is_gone(backup, &BTreeSet::new())) {
            forget::backup(self.context, backup).await?;
        }
        let is_needed = known.iter().any(|backup| backup.is_own() && !backup.has_ended());
        match resource.filter(|_| !is_needed) {
            Some(resource) => forget::volume(self.context, resource).await,
            None => Ok(()),
        }
    }

    async fn tell_damaged(&self, resource: Option<&Object<BackupVolume>>, fault: &Fault) -> Result<(), Error> {
        let name = match resource {
            Some(resource) => resource.name().to_owned(),
            None => self.create().await?.name().to_owned(),
        };
        let change = |status: &mut BackupVolumeStatus| {
            status.messages = BTreeMap::from([(ERROR.to_owned(), fault.to_string())]);
            status.record_version.clear();
        };
        self.context.store.modify_status::<BackupVolume>(&name, change).await?;
        Ok(())
    }

    async fn tell_volume(
        &self,
        resource: &Object<BackupVolume>,
        record: &(String, Read<VolumeFacts>),
        listed: &[Listed],
    ) -> Result<Object<BackupVolume>, Error> {
        let (version, record) = record;
        let mut next = resource.status.clone();
        match record {
            Read::Unchanged => {}
            Read::Is(facts) => {
                let block_size = listed.iter().find_map(Listed::block_size);
                apply_volume(&mut next, facts, block_size);
                next.record_version.clone_from(version);
            }
            Read::Damaged(fault) => {
                next.messages = BTreeMap::from([(ERROR.to_owned(), fault.to_string())]);
                next.record_version.clone_from(version);
            }
        }
        if next == resource.status {
            return Ok(resource.clone());
        }
        next.last_synced_at = timestamp::now();
        next.owner_id = self.context.owner.to_string();
        let change = |status: &mut BackupVolumeStatus| status.clone_from(&next);
        Ok(self.context.store.modify_status::<BackupVolume>(resource.name(), change).await?)
    }

    async fn tell_backup(
        &self,
        volume: &Object<BackupVolume>,
        known: &[Object<Backup>],
        listed: &Listed,
    ) -> Result<(), Error> {
        let resource = known.iter().find(|known| known.name_in_target() == listed.name);
        let is_ours = |backup: &Object<Backup>| backup.is_deleting() || backup.is_own() && !backup.has_ended();
        if resource.is_some_and(is_ours) || matches!(listed.record, Read::Unchanged) {
            return Ok(());
        }
        // One of our own that failed is told of by those who made it. Only its record is known now.
        let broke_off = listed.facts().is_some_and(|facts| facts.created.is_empty());
        let is_known_failure = broke_off && resource.is_some_and(|backup| backup.is_own());
        let name = match resource {
            Some(resource) => resource.name().to_owned(),
            None => match self.create_backup(listed).await? {
                Some(name) => name,
                None => return Ok(()),
            },
        };
        let url = remote::url(self.store, self.volume, &listed.name);
        let change = |status: &mut BackupStatus| {
            let now = timestamp::now();
            if is_known_failure {
                status.record_version.clone_from(&listed.version);
                status.last_synced_at = now;
                return;
            }
            apply_backup(status, &listed.record, volume);
            status.url.clone_from(&url);
            status.volume_name = self.volume.to_owned();
            status.backup_target_name = self.target.to_owned();
            status.record_version.clone_from(&listed.version);
            status.owner_id = self.context.owner.to_string();
            status.last_synced_at = now;
        };
        match self.context.store.modify_status::<Backup>(&name, change).await {
            Err(error) if !error.is_not_found() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Under its own name, unless that is another one's. `None` where somebody began to make this very one since the
    /// resources were looked at.
    async fn create_backup(&self, listed: &Listed) -> Result<Option<String>, Error> {
        let spec = BackupSpec {
            backup_block_size: listed.block_size().map_or_else(|| "-1".to_owned(), |size| size.to_string()),
            backup_mode: listed.mode(),
            ..BackupSpec::default()
        };
        let mut made = Object::<Backup>::new(&listed.name, spec);
        made.metadata.labels = self.labels();
        match self.context.store.create(&made).await {
            Err(StoreError::AlreadyExists { .. }) => {}
            outcome => return Ok(Some(outcome?.name().to_owned())),
        }
        let there = self.context.store.find::<Backup>(&listed.name).await?;
        let is_this = |backup: &Object<Backup>| {
            backup.volume() == self.volume && backup.target() == self.target && backup.name_in_target() == listed.name
        };
        if there.as_ref().is_some_and(is_this) {
            return Ok(None);
        }
        made.metadata.name = names::of_double(&listed.name, self.volume, self.target);
        made.metadata.annotations.insert(ANNOTATION_BACKUP.to_owned(), listed.name.clone());
        match self.context.store.create(&made).await {
            Ok(_) | Err(StoreError::AlreadyExists { .. }) => Ok(Some(made.metadata.name)),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether a resource from before the listing shows what is not there any more. A failed one of our own is kept for people
/// to read (failed-backup-ttl).
fn is_gone(backup: &Object<Backup>, there: &BTreeSet<&str>) -> bool {
    let status = &backup.status;
    let was_there = !status.record_version.is_empty() || !backup.is_own();
    was_there && !backup.is_deleting() && !there.contains(backup.name_in_target())
}

fn apply_volume(status: &mut BackupVolumeStatus, facts: &VolumeFacts, block_size: Option<u64>) {
    const BLOCK_SIZE: u64 = 2 << 20;
    let block_size = block_size.unwrap_or(BLOCK_SIZE);
    status.size = facts.size.to_string();
    status.data_stored = facts.block_count.saturating_mul(block_size).to_string();
    status.labels.clone_from(&facts.labels);
    status.created_at.clone_from(&facts.created);
    status.last_backup_name.clone_from(&facts.last_backup);
    status.last_backup_at.clone_from(&facts.last_backup_at);
    status.backing_image_name.clone_from(&facts.backing_image_name);
    status.backing_image_checksum.clone_from(&facts.backing_image_checksum);
    status.storage_class_name.clone_from(&facts.storage_class);
    status.last_modification_time = timestamp::now();
    status.messages.clear();
}

fn apply_backup(status: &mut BackupStatus, record: &Read<BackupFacts>, volume: &Object<BackupVolume>) {
    match record {
        Read::Unchanged => {}
        Read::Damaged(fault) => {
            status.state = BackupState::Error;
            status.messages = BTreeMap::from([(ERROR.to_owned(), fault.to_string())]);
            status.next_step.clone_from(&fault.next_step);
        }
        Read::Is(facts) => {
            status.messages.clear();
            if facts.created.is_empty() {
                status.state = BackupState::Unknown;
                let text = "it is not complete: another installation is making it, or its making broke off";
                status.messages.insert(ERROR.to_owned(), text.to_owned());
                "Let it end; delete it if nobody makes it any more.".clone_into(&mut status.next_step);
            } else {
                (status.state, status.progress) = (BackupState::Completed, 100);
                status.error.clear();
                status.next_step.clear();
            }
            status.snapshot_name.clone_from(&facts.snapshot);
            status.snapshot_created_at.clone_from(&facts.snapshot_created_at);
            status.backup_created_at.clone_from(&facts.created);
            status.size = facts.size.to_string();
            status.labels.clone_from(&facts.labels);
            status.compression_method.clone_from(&facts.compression);
            status.newly_upload_data_size = facts.newly_uploaded.to_string();
            status.re_uploaded_data_size = facts.re_uploaded.to_string();
        }
    }
    status.volume_size.clone_from(&volume.status.size);
    status.volume_created.clone_from(&volume.status.created_at);
    status.volume_backing_image_name.clone_from(&volume.status.backing_image_name);
}

impl Listed {
    fn facts(&self) -> Option<&BackupFacts> {
        match &self.record {
            Read::Is(facts) => Some(facts),
            Read::Unchanged | Read::Damaged(_) => None,
        }
    }

    fn block_size(&self) -> Option<u64> {
        self.facts().map(|facts| facts.block_size).filter(|size| *size > 0)
    }

    fn mode(&self) -> BackupMode {
        match self.facts() {
            Some(facts) if facts.is_full => BackupMode::Full,
            _ => BackupMode::Incremental,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup(own: bool, version: &str, state: BackupState) -> Object<Backup> {
        let spec =
            BackupSpec { snapshot_name: if own { "s".to_owned() } else { String::new() }, ..BackupSpec::default() };
        let mut backup = Object::<Backup>::new("b", spec);
        (backup.status.state, backup.status.record_version) = (state, version.to_owned());
        backup
    }

    #[test]
    fn only_what_was_seen_in_the_store_goes_with_it() {
        use BackupState::{Completed, Error, InProgress, New};
        for (backup, gone) in [
            (backup(false, "1", Completed), true),
            (backup(false, "1", Error), true),
            (backup(false, "", New), true),
            (backup(true, "1", Completed), true),
            // Made a moment ago: the list is from before.
            (backup(true, "", Completed), false),
            (backup(true, "", InProgress), false),
            (backup(true, "", Error), false),
        ] {
            assert_eq!(is_gone(&backup, &BTreeSet::new()), gone, "{:?}", backup.status);
            assert!(!is_gone(&backup, &BTreeSet::from(["b"])));
        }
    }

    #[test]
    fn a_record_without_its_end_is_no_backup() {
        let (mut status, volume) = (BackupStatus::default(), Object::<BackupVolume>::default());
        let mut facts = BackupFacts { snapshot: "s".into(), ..BackupFacts::default() };
        apply_backup(&mut status, &Read::Is(facts.clone()), &volume);
        assert_eq!((status.state, status.messages.len()), (BackupState::Unknown, 1));
        facts.created = "2026-11-21T10:00:00Z".into();
        apply_backup(&mut status, &Read::Is(facts), &volume);
        assert_eq!((status.state, status.messages.len(), status.progress), (BackupState::Completed, 0, 100));
        let damaged = Read::Damaged(Fault::damaged("it is no JSON".into()));
        apply_backup(&mut status, &damaged, &volume);
        assert_eq!((status.state, status.messages["error"].as_str()), (BackupState::Error, "it is no JSON"));
    }
}

#[cfg(test)]
#[path = "sync_tests.rs"]
mod passes;
