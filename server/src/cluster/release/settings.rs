//! Settings that the release gives a value: `longhorn-default-setting`.

use super::{Error, SETTINGS, Said, TAKEN};
use crate::resources::Setting;
use crate::routes::setting::update;
use crate::settings::Settings;
use crate::store::Store;

/// Gives each of them its value, once for each version of the ConfigMap. A value that the API would refuse is left out.
pub(super) async fn take(store: &Store, settings: &Settings, said: &Said) -> Result<(), Error> {
    let stored = store.list::<Setting>().await?;
    // At the start nobody has told them yet, and some values are refused because of others.
    stored.iter().for_each(|setting| settings.take(setting));
    for (name, value) in said.entries(SETTINGS) {
        let known = stored.iter().find(|setting| setting.name() == name);
        if known.is_some_and(|setting| setting.metadata.annotations.get(TAKEN) == Some(&said.version)) {
            continue;
        }
        match update::put(store, settings, &name, &value).await {
            Ok(_) => note(store, &name, &said.version).await?,
            Err(refused) => {
                tracing::warn!(setting = name, "the release's value is left out: {}", refused.message);
            }
        }
    }
    Ok(())
}

/// The second of two writes: where it is not done any more, the same value is taken once again.
async fn note(store: &Store, name: &str, version: &str) -> Result<(), Error> {
    let noted = store.modify::<Setting>(name, |setting| {
        setting.metadata.annotations.insert(TAKEN.to_owned(), version.to_owned());
    });
    noted.await?;
    Ok(())
}
