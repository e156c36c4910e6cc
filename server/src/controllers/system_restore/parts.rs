//! The order in which things come back, and what becomes of each (behaviour.md §14): engine images, settings, then targets, backing
//! images and recurring jobs, then volumes.

use std::collections::BTreeMap;

use aurochs_api::backup_target::{BackupTargetInput, DEFAULT};
use aurochs_api::recurring_job::RecurringJobInput;

use super::volumes;
use crate::controllers::{Context, Error};
use crate::error::ApiError;
use crate::resources::backup_target::BackupTargetSpec;
use crate::resources::system_restore::{
    ANNOTATION_RESTORED, ANNOTATION_RESTORED_AT, ANNOTATION_SKIPPED, ANNOTATION_SKIPPED_AT,
};
use crate::resources::{BackingImage, BackupTarget, Kind, Object, RecurringJob, Setting, SystemRestore};
use crate::routes::{backup_target, recurring_job, setting};
use crate::settings::{self, Name};
use crate::store::StoreError;
use crate::system::found::{Found, Item};

/// What Longhorn leaves as it is, since the restore itself works by it. The first two are of older versions.
const SETTINGS_THAT_STAY: [&str; 4] = [
    "backup-target",
    "backup-target-credential-secret",
    "concurrent-volume-backup-restore-per-node-limit",
    "concurrent-replica-rebuild-per-node-limit",
];

/// What became of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is as the backup says: made, changed, or so before.
    Restored,
    /// It stays as it is here, and that is as it should be.
    Stays,
    /// Why it was not brought back.
    LeftOut(String),
}

/// How a restore marks what it touched.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    url: String,
    at: String,
}

impl Mark {
    fn of(restore: &Object<SystemRestore>) -> Self {
        Self { url: restore.status.source_url.clone(), at: restore.status.started_at.clone() }
    }

    /// Whether this restore has been here before.
    pub(super) fn is_on<K: Kind>(&self, object: &Object<K>) -> bool {
        let annotations = &object.metadata.annotations;
        [ANNOTATION_RESTORED_AT, ANNOTATION_SKIPPED_AT].iter().any(|key| annotations.get(*key) == Some(&self.at))
    }

    /// Notes that it was brought back, or left as it was.
    pub(super) fn put(&self, annotations: &mut BTreeMap<String, String>, is_restored: bool) {
        let restored = [ANNOTATION_RESTORED, ANNOTATION_RESTORED_AT];
        let skipped = [ANNOTATION_SKIPPED, ANNOTATION_SKIPPED_AT];
        let (set, gone) = if is_restored { (restored, skipped) } else { (skipped, restored) };
        gone.iter().for_each(|key| drop(annotations.remove(*key)));
        annotations.insert(set[0].to_owned(), self.url.clone());
        annotations.insert(set[1].to_owned(), self.at.clone());
    }
}

/// Brings everything back. Answers with sentences about what could not be; a failing store ends it, and it is begun again.
pub(super) async fn restore(
    context: &Context,
    restore: &Object<SystemRestore>,
    found: Found,
) -> Result<Vec<String>, Error> {
    let mark = Mark::of(restore);
    let Found { settings, engine_images: _, backup_targets, backing_images, recurring_jobs, volumes, unread } = found;
    // Engine images: this installation has an engine of its own, which every volume gets.
    let mut told = unread;
    let mut note = |kind: &str, name: &str, fate: Fate| {
        if let Fate::LeftOut(why) = fate {
            told.push(format!("{kind} {name}: {why}"));
        }
    };
    // Some exclude each other: what is refused because of another one's present value is taken once that one has changed.
    let mut again = Vec::new();
    for item in &settings {
        if let Fate::LeftOut(_) = one_setting(context, item, &mark).await? {
            again.push(item);
        }
    }
    for item in again {
        note("setting", &item.name, one_setting(context, item, &mark).await?);
    }
    for item in &backup_targets {
        note("backup target", &item.name, one_target(context, item, &mark).await?);
    }
    for item in &backing_images {
        note("backing image", &item.name, one_image(context, item).await?);
    }
    for item in &recurring_jobs {
        note("recurring job", &item.name, one_job(context, item, &mark).await?);
    }
    for item in &volumes {
        note("volume", &item.name, volumes::one(context, item, &mark).await?);
    }
    Ok(told)
}

/// A refusal as what is told of it.
fn refused(error: &ApiError) -> Fate {
    Fate::LeftOut(error.message.clone())
}

fn unreadable(error: &serde_json::Error) -> Fate {
    Fate::LeftOut(format!("what the backup says of it can't be used: {error}"))
}

async fn one_setting(context: &Context, item: &Item, mark: &Mark) -> Result<Fate, Error> {
    let name = item.name.as_str();
    if SETTINGS_THAT_STAY.contains(&name) {
        return Ok(Fate::Stays);
    }
    let Some(row) = settings::definition(name) else {
        return Ok(Fate::LeftOut("this version has no such setting".to_owned()));
    };
    let Some(value) = item.spec.as_str() else {
        return Ok(Fate::LeftOut("its value is no text".to_owned()));
    };
    // What a version says of itself is not another one's.
    if row.read_only {
        return Ok(Fate::Stays);
    }
    let stored = context.store.find::<Setting>(name).await?;
    if stored.as_ref().is_some_and(|stored| mark.is_on(stored)) {
        return Ok(Fate::Restored);
    }
    let is_same =
        stored.as_ref().is_some_and(|stored| stored.spec.value == value) || is_default(context, row.name, value);
    if !is_same && let Err(error) = setting::update::put(&context.store, &context.settings, name, value).await {
        return Ok(refused(&error));
    }
    let change = |setting: &mut Object<Setting>| mark.put(&mut setting.metadata.annotations, !is_same);
    match context.store.modify::<Setting>(name, change).await {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(if is_same { Fate::Stays } else { Fate::Restored }),
    }
}

/// A value that is in force without being stored need not be stored.
fn is_default(context: &Context, name: Name, value: &str) -> bool {
    context.settings.text(name) == value
}

async fn one_target(context: &Context, item: &Item, mark: &Mark) -> Result<Fate, Error> {
    let name = item.name.as_str();
    // It is the one that all this is read from.
    if name == DEFAULT {
        return Ok(Fate::Stays);
    }
    let input: BackupTargetInput = match item.spec() {
        Ok(input) => input,
        Err(error) => return Ok(unreadable(&error)),
    };
    let spec = match backup_target::check::found(name, &input) {
        Ok(spec) => spec,
        Err(error) => return Ok(refused(&error)),
    };
    if let Err(error) = backup_target::check::is_alone(&context.store, name, &spec.backup_target_url).await {
        return Ok(refused(&error));
    }
    let is_same = |stored: &BackupTargetSpec| {
        (&stored.backup_target_url, &stored.credential_secret, &stored.poll_interval)
            == (&spec.backup_target_url, &spec.credential_secret, &spec.poll_interval)
    };
    put::<BackupTarget>(context, item, &spec, mark, is_same, |stored, spec| {
        stored.backup_target_url = spec.backup_target_url;
        stored.credential_secret = spec.credential_secret;
        stored.poll_interval = spec.poll_interval;
    })
    .await
}

/// Made by a person, out of what it was made of or of its own backup; then what stands on it can come back.
async fn one_image(context: &Context, item: &Item) -> Result<Fate, Error> {
    if context.store.find::<BackingImage>(&item.name).await?.is_some() {
        return Ok(Fate::Stays);
    }
    let why =
        "backing images are not brought back yet: make it, then restore once more for the volumes that stand on it";
    Ok(Fate::LeftOut(why.to_owned()))
}

async fn one_job(context: &Context, item: &Item, mark: &Mark) -> Result<Fate, Error> {
    let mut input: RecurringJobInput = match item.spec() {
        Ok(input) => input,
        Err(error) => return Ok(unreadable(&error)),
    };
    input.name.clone_from(&item.name);
    let maximum = context.settings.number(Name::RecurringJobMaxRetention);
    let spec = match recurring_job::check::job(input, maximum) {
        Ok(spec) => spec,
        Err(error) => return Ok(refused(&error)),
    };
    put::<RecurringJob>(context, item, &spec, mark, |stored| *stored == spec, |stored, spec| *stored = spec).await
}

/// Made where it is not there, changed where it differs, marked where it is the same.
async fn put<K: Kind>(
    context: &Context,
    item: &Item,
    spec: &K::Spec,
    mark: &Mark,
    is_same: impl Fn(&K::Spec) -> bool + Send + Sync,
    change: impl Fn(&mut K::Spec, K::Spec) + Send + Sync,
) -> Result<Fate, Error> {
    let mut made = Object::<K>::new(&item.name, spec.clone());
    made.metadata.labels.clone_from(&item.labels);
    mark.put(&mut made.metadata.annotations, true);
    match context.store.create(&made).await {
        Ok(_) => return Ok(Fate::Restored),
        Err(StoreError::AlreadyExists { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let mut fate = Fate::Restored;
    let changed = context.store.modify::<K>(&item.name, |stored| {
        if mark.is_on(stored) || stored.is_deleting() {
            return;
        }
        let stays = is_same(&stored.spec);
        if !stays {
            change(&mut stored.spec, spec.clone());
        }
        mark.put(&mut stored.metadata.annotations, !stays);
        fate = if stays { Fate::Stays } else { Fate::Restored };
    });
    match changed.await {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(fate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::setting::SettingSpec;

    #[test]
    fn a_mark_is_of_one_restore() {
        let mark = Mark { url: "vfs:///a/b".into(), at: "2026-11-22T10:00:00Z".into() };
        let later = Mark { at: "2026-11-22T11:00:00Z".into(), ..mark.clone() };
        let mut setting = Object::<Setting>::new("s", SettingSpec::default());
        assert!(!mark.is_on(&setting));
        mark.put(&mut setting.metadata.annotations, false);
        assert!(mark.is_on(&setting) && !later.is_on(&setting));
        later.put(&mut setting.metadata.annotations, true);
        assert!(later.is_on(&setting) && !mark.is_on(&setting), "{:?}", setting.metadata.annotations);
        assert_eq!(setting.metadata.annotations.len(), 2);
    }
}
