//! Settings: missing ones are created with their defaults at the start, those that no version has any more go, what the
//! system tells is written, the copy in memory follows the store. [`applied`] says which values are in force.

mod applied;

use std::collections::BTreeMap;

use tokio::task::JoinHandle;

use super::{Context, Error};
use crate::resources::setting::SettingSpec;
use crate::resources::{GROUP, Object, Setting};
use crate::settings::{self, Applies, Definition, Name};
use crate::store::{Store, StoreError, WatchEvent};

/// Brings the stored settings in line with the table, and fills the copy in memory.
pub async fn ensure_defaults(context: &Context) -> Result<(), Error> {
    let stored = context.store.list::<Setting>().await?;
    for setting in stored.iter().filter(|setting| settings::definition(setting.name()).is_none()) {
        tracing::info!(
            setting = setting.name(),
            value = setting.spec.value,
            "removed: this version has no such setting"
        );
        delete(&context.store, setting.name()).await?;
    }
    let stored: BTreeMap<&str, &Object<Setting>> = stored.iter().map(|setting| (setting.name(), setting)).collect();
    for definition in settings::all() {
        let setting = ensure(context, definition, stored.get(definition.name.word()).copied()).await?;
        context.settings.take(&setting);
    }
    Ok(())
}

async fn delete(store: &Store, name: &str) -> Result<(), Error> {
    match store.delete::<Setting>(name).await {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

async fn ensure(
    context: &Context,
    definition: &Definition,
    stored: Option<&Object<Setting>>,
) -> Result<Object<Setting>, StoreError> {
    let (store, name) = (&context.store, definition.name.word());
    let setting = match stored {
        None => {
            let first = context.first_settings.iter().find(|(first, _)| *first == definition.name);
            let value = match first {
                Some((_, value)) => (*value).to_owned(),
                None => told_by_system(definition.name).unwrap_or_else(|| definition.default.to_owned()),
            };
            store.create(&Object::<Setting>::new(name, SettingSpec { value })).await?
        }
        Some(stored) => match told_by_system(definition.name).filter(|value| stored.spec.value != *value) {
            Some(value) => store.modify::<Setting>(name, |setting| setting.spec.value.clone_from(&value)).await?,
            None => stored.clone(),
        },
    };
    let is_in_force = stored.is_none() || definition.applies == Applies::AtOnce;
    if is_in_force && !setting.status.applied {
        return store.modify_status::<Setting>(name, |status| status.applied = true).await;
    }
    Ok(setting)
}

/// The values that the system itself writes.
fn told_by_system(name: Name) -> Option<String> {
    let version = env!("CARGO_PKG_VERSION");
    match name {
        Name::CurrentLonghornVersion => Some(version.to_owned()),
        Name::CrdApiVersion => Some(format!("{GROUP}/v1beta2")),
        // One program is the engine and the instance manager.
        Name::DefaultEngineImage | Name::DefaultInstanceManagerImage => Some(format!("aurochs-engine:{version}")),
        Name::DefaultBackingImageManagerImage | Name::LatestLonghornVersion | Name::StableLonghornVersions => {
            Some(String::new())
        }
        _ => None,
    }
}

/// Tells which values are in force.
#[must_use]
pub fn start(context: &Context) -> Vec<JoinHandle<()>> {
    vec![applied::start(context)]
}

/// Fills the copy in memory with what is stored, for a manager that does not act.
pub async fn read(context: &Context) -> Result<(), StoreError> {
    context.store.list::<Setting>().await?.iter().for_each(|setting| context.settings.take(setting));
    Ok(())
}

/// Follows changes. A setting takes effect with the next pass that reads it, and [`Settings::changed`] wakes who does.
///
/// [`Settings::changed`]: crate::settings::Settings::changed
#[must_use]
pub fn follow(context: &Context) -> JoinHandle<()> {
    let (mut watch, settings) = (context.store.watch::<Setting>(), context.settings.clone());
    tokio::spawn(async move {
        while let Some(event) = watch.next().await {
            match event {
                WatchEvent::Applied(setting) => settings.take(&setting),
                WatchEvent::Deleted(setting) => settings.forget(setting.name()),
            }
        }
    })
}
