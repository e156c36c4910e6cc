//! Settings: missing ones are created with their defaults at the start, and the copy in memory follows the store.

use tokio::task::JoinHandle;

use super::{Context, Error};
use crate::resources::setting::SettingSpec;
use crate::resources::{Object, Setting};
use crate::settings::DEFINITIONS;
use crate::store::StoreError;

/// Creates what is missing, fills the copy in memory, and brings read-only values up to this version's.
pub async fn ensure_defaults(context: &Context) -> Result<(), Error> {
    for definition in DEFINITIONS {
        let name = definition.name.word();
        let first = context.first_settings.iter().find(|(first, _)| *first == definition.name);
        let value = first.map_or(definition.default, |(_, value)| *value).to_owned();
        let setting = match context.store.create(&Object::<Setting>::new(name, SettingSpec { value })).await {
            Err(StoreError::AlreadyExists { .. }) if definition.read_only => {
                let change = |setting: &mut Object<Setting>| definition.default.clone_into(&mut setting.spec.value);
                context.store.modify::<Setting>(name, change).await?
            }
            Err(StoreError::AlreadyExists { .. }) => context.store.get::<Setting>(name).await?,
            other => other?,
        };
        context.settings.set(name, &setting.spec.value);
        context.store.modify_status::<Setting>(name, |status| status.applied = true).await?;
    }
    Ok(())
}

/// Follows changes. A setting takes effect with the next pass that reads it.
pub fn start(context: &Context) -> Vec<JoinHandle<()>> {
    let (mut watch, settings) = (context.store.watch::<Setting>(), context.settings.clone());
    vec![tokio::spawn(async move {
        while let Some(event) = watch.next().await {
            let setting = event.object();
            settings.set(setting.name(), &setting.spec.value);
        }
    })]
}
