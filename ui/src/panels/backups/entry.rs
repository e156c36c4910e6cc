//! What can be done with a backup volume, and with several at once.

use leptos::task::spawn_local;
use serde_json::json;

use super::fetch::latest_of;
use super::remove::ask_delete_all;
use super::restore::{ask_restore, ask_restore_each, ask_standby, ask_standby_each};
use super::{dangerous, entry};
use crate::api::{self, ApiError};
use crate::components::menu::Entry;
use crate::live::{Live, Thing};
use crate::notices::Notices;
use crate::role;
use crate::words::{self, fill, tr};

/// The row menu. Empty for who may only look.
pub(crate) fn entries(live: Live, volume: &Thing) -> Vec<Entry> {
    if !role::may_write() {
        return Vec::new();
    }
    let refusal = refusal(volume);
    let with = |then: fn(Live, &Thing)| {
        let volume = volume.clone();
        move || with_latest(live, volume.clone(), then)
    };
    let (synced, deleted) = (volume.clone(), volume.clone());
    vec![
        entry(tr("Restore latest backup…"), refusal, with(ask_restore)),
        entry(tr("Create standby volume…"), refusal, with(ask_standby)),
        entry(tr("Read it again"), None, move || sync(vec![synced.clone()])),
        dangerous(entry(tr("Delete all backups…"), None, move || ask_delete_all(vec![deleted.clone()]))),
    ]
}

/// The menu of several.
pub(crate) fn bulk(live: Live, volumes: Vec<Thing>) -> Vec<Entry> {
    if !role::may_write() {
        return Vec::new();
    }
    let refusal = volumes.iter().find_map(refusal);
    let each = |then: fn(Live, Vec<Thing>)| {
        let volumes = volumes.clone();
        move || with_latest_of_each(live, volumes.clone(), then)
    };
    let (synced, deleted) = (volumes.clone(), volumes.clone());
    vec![
        entry(tr("Restore latest backups…"), refusal, each(ask_restore_each)),
        entry(tr("Create standby volumes…"), refusal, each(ask_standby_each)),
        entry(tr("Read them again"), None, move || sync(synced.clone())),
        dangerous(entry(tr("Delete all backups…"), None, move || ask_delete_all(deleted.clone()))),
    ]
}

/// Why nothing can be made of it now.
fn refusal(volume: &Thing) -> Option<&'static str> {
    if volume.text("lastBackupName").is_empty() {
        return Some(tr("It has no complete backup"));
    }
    volume.at("messages").and_then(|messages| messages.get("error")).map(|_| tr("Its record can't be read"))
}

fn with_latest(live: Live, volume: Thing, then: fn(Live, &Thing)) {
    spawn_local(async move {
        match latest_of(&volume).await {
            Ok(backup) => then(live, &backup),
            Err(error) => Notices::expect().failed(error),
        }
    });
}

fn with_latest_of_each(live: Live, volumes: Vec<Thing>, then: fn(Live, Vec<Thing>)) {
    spawn_local(async move {
        let mut found = Vec::new();
        for volume in &volumes {
            match latest_of(volume).await {
                Ok(backup) => found.push(backup),
                Err(error) => return Notices::expect().failed(error),
            }
        }
        then(live, found);
    });
}

/// Asks the manager to read the store; what it finds comes by itself.
fn sync(volumes: Vec<Thing>) {
    spawn_local(async move {
        let notices = Notices::expect();
        match sync_each(&volumes).await {
            Ok(()) => notices.done(fill("Reading {}.", &[&names(&volumes)])),
            Err(error) => notices.failed(error),
        }
    });
}

async fn sync_each(volumes: &[Thing]) -> Result<(), ApiError> {
    for volume in volumes {
        let address = format!("{}?action=backupVolumeSync", api::address_of("backupvolumes", volume.id()));
        api::post(&address, &json!({"syncBackupVolume": true})).await?;
    }
    Ok(())
}

/// `the backups of mysql, redis and 3 more`.
pub(super) fn names(volumes: &[Thing]) -> String {
    let names: Vec<String> = volumes.iter().map(|volume| volume.text("volumeName").to_owned()).collect();
    fill("the backups of {}", &[&words::names(&names, 3)])
}
