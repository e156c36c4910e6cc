//! The backups of one backup volume: asked for again when the volume or one of its jobs changes. The list of all backups
//! of all volumes would be large, and would change with each of them.

use aurochs_api::job::{JobKind, JobState};
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::json;

use crate::api::{self, ApiError};
use crate::live::{ListState, Live, Thing};

#[derive(Clone, Copy)]
pub(crate) struct Fetched {
    pub(crate) things: RwSignal<Vec<Thing>>,
    pub(crate) state: RwSignal<ListState>,
    again: RwSignal<u32>,
}

impl Fetched {
    pub(crate) fn refresh(self) {
        self.again.update(|times| *times += 1);
    }
}

pub(crate) fn fetch(volume: Memo<Option<Thing>>, live: Live) -> Fetched {
    let fetched = Fetched {
        things: RwSignal::new(Vec::new()),
        state: RwSignal::new(ListState::Loading),
        again: RwSignal::new(0),
    };
    // Beginnings, phases and ends; bytes change each second and come with the jobs themselves.
    let turns = Memo::new(move |_| {
        let name = volume.with(|volume| volume.as_ref().map(|volume| volume.text("volumeName").to_owned()));
        let of_it = |kind| matches!(kind, JobKind::Backup | JobKind::BackupDeletion);
        let mut turns = Vec::new();
        for job in live.jobs.all().iter().filter(|job| of_it(job.kind) && Some(&job.volume) == name.as_ref()) {
            turns.push((job.object.clone(), job.phases.len(), job.state == JobState::Running));
        }
        turns
    });
    let latest = StoredValue::new(0_u64);
    Effect::new(move |_| {
        turns.track();
        fetched.again.track();
        let Some(volume) = volume.get() else { return };
        let number = latest.get_value() + 1;
        latest.set_value(number);
        spawn_local(async move {
            let told = backups_of(&volume).await;
            // An older answer may come later than a newer one; the page may be gone.
            if latest.try_get_value() != Some(number) {
                return;
            }
            match told {
                Ok(things) => {
                    _ = fetched.things.try_set(things);
                    _ = fetched.state.try_set(ListState::Ready);
                }
                Err(error) => _ = fetched.state.try_set(ListState::Failed(error)),
            }
        });
    });
    fetched
}

/// The backups of a backup volume.
pub(super) async fn backups_of(volume: &Thing) -> Result<Vec<Thing>, ApiError> {
    let address = format!("{}?action=backupList", api::address_of("backupvolumes", volume.id()));
    api::post(&address, &json!({})).await.map(|list| list.items("data"))
}

/// The newest one that is complete.
pub(super) async fn latest_of(volume: &Thing) -> Result<Thing, ApiError> {
    let backups = backups_of(volume).await?;
    let complete = backups.into_iter().filter(|backup| backup.text("state") == "Completed");
    complete.max_by_key(|backup| backup.text("snapshotCreated").to_owned()).ok_or_else(|| ApiError {
        message: crate::words::fill("Volume {} has no complete backup.", &[&volume.text("volumeName")]),
        next_step: crate::words::tr("Wait until one is complete, or make one.").to_owned(),
    })
}
