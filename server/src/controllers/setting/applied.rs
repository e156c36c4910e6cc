//! `status.applied`: whether a setting's value is in force. A change of one for which parts of the system must be started
//! anew waits until nothing is attached; all others are in force at once.

use std::collections::{BTreeMap, BTreeSet};

use aurochs_api::cause::{Cause, CauseCode, CauseDetail, Severity};
use aurochs_api::volume::VolumeState;
use tokio::task::JoinHandle;

use crate::controllers::Context;
use crate::resources::setting::SettingStatus;
use crate::resources::volume::AccessMode;
use crate::resources::{Object, Setting, Volume};
use crate::settings::{self, Applies, Definition};
use crate::store::{Store, StoreError, WatchEvent};

/// What is attached, as far as settings wait for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Attached {
    any: BTreeSet<String>,
    shared: BTreeSet<String>,
}

impl Attached {
    fn of(volumes: &[Object<Volume>]) -> Self {
        let attached = || volumes.iter().filter(|volume| volume.status.state != VolumeState::Detached);
        let names =
            |volumes: &mut dyn Iterator<Item = &Object<Volume>>| volumes.map(|one| one.name().to_owned()).collect();
        Self {
            any: names(&mut attached()),
            shared: names(&mut attached().filter(|volume| volume.spec.access_mode == AccessMode::Rwx)),
        }
    }

    /// The volumes that such a change waits for.
    fn awaited(&self, applies: Applies) -> Option<&BTreeSet<String>> {
        let awaited = match applies {
            Applies::AtOnce => return None,
            Applies::WhenAllDetached => &self.any,
            Applies::WhenSharedDetached => &self.shared,
        };
        (!awaited.is_empty()).then_some(awaited)
    }

    /// Whether this volume came or went since.
    fn differs(&self, volume: &Object<Volume>) -> bool {
        self.any.contains(volume.name()) != (volume.status.state != VolumeState::Detached)
    }
}

/// More are counted and not listed.
const LISTED_MAXIMUM: usize = 20;

fn pending(row: &Definition, awaited: &BTreeSet<String>) -> Cause {
    let (name, count) = (row.name.word(), awaited.len());
    let volumes = if count == 1 { "1 volume is" } else { &format!("{count} volumes are") };
    let shared = if row.applies == Applies::WhenSharedDetached { " that are shared (rwx)" } else { "" };
    let message = format!(
        "The value of {name} is stored and not in force: it waits until no volumes{shared} are attached, and {volumes}."
    );
    let next_step =
        "Detach them; the value is then in force by itself. Write the former value to take the change back.";
    let listed: Vec<&String> = awaited.iter().take(LISTED_MAXIMUM).collect();
    let detail = |volume: &&String| CauseDetail {
        rule: "attached".to_owned(),
        text: format!("volume {volume} is not detached"),
        ..CauseDetail::default()
    };
    let details = listed.iter().map(detail).collect();
    Cause::new(CauseCode::SettingPending, Severity::Info, message, next_step).about(listed).detailed(details)
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
            // None: nothing waits.
            let waits = match tell(&store, &mut in_force).await {
                Ok(waits) => waits,
                Err(error) => {
                    tracing::warn!(%error, "could not say which settings are in force");
                    Some(Attached::default())
                }
            };
            loop {
                tokio::select! {
                    result = changed.changed() => if result.is_err() { return } else { break },
                    event = volumes.next() => {
                        let Some(event) = event else { return };
                        let is_gone = matches!(event, WatchEvent::Deleted(_));
                        let is_news = |waits: &Attached| is_gone || waits.differs(event.object());
                        if waits.as_ref().is_some_and(is_news) { break }
                    }
                }
            }
        }
    })
}

/// Writes what is in force; answers what is waited for, if anything waits. At the start what is told to be in force is.
async fn tell(store: &Store, known: &mut Option<InForce>) -> Result<Option<Attached>, StoreError> {
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
        let awaited = attached.awaited(row.applies).filter(|_| is_pending(in_force, row, setting));
        if awaited.is_none() {
            in_force.insert(row.name.word(), setting.spec.value.clone());
        }
        waits |= awaited.is_some();
        let change = |status: &mut SettingStatus| {
            status.applied = awaited.is_none();
            status.causes = awaited.map(|awaited| pending(row, awaited)).into_iter().collect();
        };
        store.modify_status::<Setting>(setting.name(), change).await?;
    }
    Ok(waits.then_some(attached))
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
        assert_eq!(tell(&store, &mut in_force).await.unwrap(), None);
        assert!(is_applied(&store, "taint-toleration").await);

        let spec = VolumeSpec { access_mode: AccessMode::Rwo, ..VolumeSpec::default() };
        store.create(&Object::<Volume>::new("data", spec)).await.unwrap();
        let state = async |state| store.modify_status::<Volume>("data", |status| status.state = state).await.unwrap();
        state(VolumeState::Attached).await;
        write(&store, "taint-toleration", "a=b:NoSchedule").await;
        write(&store, "endpoint-network-for-rwx-volume", "net/fast").await;
        assert!(tell(&store, &mut in_force).await.unwrap().is_some());
        assert!(!is_applied(&store, "taint-toleration").await);
        let causes = store.get::<Setting>("taint-toleration").await.unwrap().status.causes;
        assert_eq!((causes[0].code, &causes[0].objects), (CauseCode::SettingPending, &vec!["data".to_owned()]));
        assert!(causes[0].message.contains("1 volume is") && causes[0].details.len() == 1, "{causes:?}");
        assert!(is_applied(&store, "endpoint-network-for-rwx-volume").await, "no shared volume is attached");
        assert!(is_applied(&store, "storage-network").await, "it did not change");

        // Back to what is in force: nothing to wait for.
        write(&store, "taint-toleration", "").await;
        assert_eq!(tell(&store, &mut in_force).await.unwrap(), None);
        write(&store, "taint-toleration", "a=b:NoSchedule").await;
        assert!(tell(&store, &mut in_force).await.unwrap().is_some());
        // A manager that is started anew still knows that it waits.
        assert!(tell(&store, &mut None).await.unwrap().is_some());
        state(VolumeState::Detached).await;
        assert_eq!(tell(&store, &mut in_force).await.unwrap(), None);
        assert!(is_applied(&store, "taint-toleration").await);
        assert!(store.get::<Setting>("taint-toleration").await.unwrap().status.causes.is_empty());
    }
}
