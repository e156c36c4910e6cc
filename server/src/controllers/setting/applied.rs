//! `status.applied`: whether a setting's value is in force. A change of one for which parts of the system must be started
//! anew waits until nothing is attached; all others are in force at once.

use std::collections::BTreeMap;

use aurochs_api::volume::VolumeState;
use tokio::task::JoinHandle;

use crate::controllers::Context;
use crate::resources::volume::AccessMode;
use crate::resources::{Object, Setting, Volume};
use crate::settings::{self, Applies, Definition};
use crate::store::{Store, StoreError};

/// What is attached, as far as settings wait for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Attached {
    any: bool,
    shared: bool,
}

impl Attached {
    fn of(volumes: &[Object<Volume>]) -> Self {
        let attached = || volumes.iter().filter(|volume| volume.status.state != VolumeState::Detached);
        Self {
            any: attached().next().is_some(),
            shared: attached().any(|volume| volume.spec.access_mode == AccessMode::Rwx),
        }
    }

    const fn allows(self, applies: Applies) -> bool {
        match applies {
            Applies::AtOnce => true,
            Applies::WhenAllDetached => !self.any,
            Applies::WhenSharedDetached => !self.shared,
        }
    }
}

/// The values in force, as far as they are known.
type InForce = BTreeMap<&'static str, String>;

/// Settings whose changes wait for something.
fn waiting() -> impl Iterator<Item = &'static Definition> {
    settings::all().iter().filter(|row| row.applies != Applies::AtOnce)
}

pub(super) fn start(context: &Context) -> JoinHandle<()> {
    let (store, mut changed) = (context.store.clone(), context.settings.changed());
    let mut volumes = context.store.watch::<Volume>();
    tokio::spawn(async move {
        let mut in_force = None;
        loop {
            let pending = match tell(&store, &mut in_force).await {
                Ok(pending) => pending,
                Err(error) => {
                    tracing::warn!(%error, "could not say which settings are in force");
                    true
                }
            };
            loop {
                tokio::select! {
                    result = changed.changed() => if result.is_err() { return } else { break },
                    event = volumes.next() => {
                        let Some(event) = event else { return };
                        // Only a volume that is detached now, or gone, can end the waiting.
                        if pending && event.object().status.state == VolumeState::Detached { break }
                    }
                }
            }
        }
    })
}

/// Writes what is in force; answers whether anything still waits. At the start what is told to be in force is.
async fn tell(store: &Store, known: &mut Option<InForce>) -> Result<bool, StoreError> {
    let mut rows = Vec::new();
    for row in waiting() {
        if let Some(setting) = store.find::<Setting>(row.name.word()).await? {
            rows.push((row, setting));
        }
    }
    let told = rows.iter().filter(|(_, setting)| setting.status.applied);
    let in_force =
        known.get_or_insert_with(|| told.map(|(row, setting)| (row.name.word(), setting.spec.value.clone())).collect());
    let is_pending = |in_force: &InForce, row: &Definition, setting: &Object<Setting>| {
        in_force.get(row.name.word()) != Some(&setting.spec.value)
    };
    let attached = match rows.iter().any(|(row, setting)| is_pending(in_force, row, setting)) {
        true => Attached::of(&store.list::<Volume>().await?),
        false => Attached::default(),
    };
    let mut waits = false;
    for (row, setting) in &rows {
        let applied = !is_pending(in_force, row, setting) || attached.allows(row.applies);
        if applied {
            in_force.insert(row.name.word(), setting.spec.value.clone());
        }
        waits |= !applied;
        store.modify_status::<Setting>(setting.name(), |status| status.applied = applied).await?;
    }
    Ok(waits)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::resources::setting::SettingSpec;
    use crate::resources::volume::VolumeSpec;
    use crate::store::sqlite::Sqlite;

    async fn is_applied(store: &Store, name: &str) -> bool {
        store.get::<Setting>(name).await.unwrap().status.applied
    }

    async fn write(store: &Store, name: &str, value: &str) {
        store.modify::<Setting>(name, |setting| setting.spec.value = value.to_owned()).await.unwrap();
    }

    #[tokio::test]
    async fn a_change_waits_until_nothing_is_attached() {
        let directory = tempfile::tempdir().unwrap();
        let sqlite = Sqlite::open(&directory.path().join("db")).await.unwrap();
        let store = Store::new(Arc::new(sqlite));
        for row in waiting() {
            store.create(&Object::<Setting>::new(row.name.word(), SettingSpec::default())).await.unwrap();
        }
        let mut in_force = None;
        assert!(!tell(&store, &mut in_force).await.unwrap());
        assert!(is_applied(&store, "taint-toleration").await);

        let spec = VolumeSpec { access_mode: AccessMode::Rwo, ..VolumeSpec::default() };
        store.create(&Object::<Volume>::new("data", spec)).await.unwrap();
        let state = async |state| store.modify_status::<Volume>("data", |status| status.state = state).await.unwrap();
        state(VolumeState::Attached).await;
        write(&store, "taint-toleration", "a=b:NoSchedule").await;
        write(&store, "endpoint-network-for-rwx-volume", "net/fast").await;
        assert!(tell(&store, &mut in_force).await.unwrap());
        assert!(!is_applied(&store, "taint-toleration").await);
        assert!(is_applied(&store, "endpoint-network-for-rwx-volume").await, "no shared volume is attached");
        assert!(is_applied(&store, "storage-network").await, "it did not change");

        // Back to what is in force: nothing to wait for.
        write(&store, "taint-toleration", "").await;
        assert!(!tell(&store, &mut in_force).await.unwrap());
        write(&store, "taint-toleration", "a=b:NoSchedule").await;
        assert!(tell(&store, &mut in_force).await.unwrap());
        // A manager that is started anew still knows that it waits.
        assert!(tell(&store, &mut None).await.unwrap());
        state(VolumeState::Detached).await;
        assert!(!tell(&store, &mut in_force).await.unwrap());
        assert!(is_applied(&store, "taint-toleration").await);
    }
}
