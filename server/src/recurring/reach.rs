//! Reaching a volume's engine: where it runs it is asked, where none runs the volume is attached for the run.
//!
//! The ticket is named after the job, so that a manager that dies leaves none that nobody takes back: the next one goes on
//! with the run under the same ticket, and tickets of jobs that don't run are [`sweep`]t at a start.

use std::collections::BTreeSet;
use std::time::Duration;

use aurochs_api::ids::VOLUME_HEAD;
use aurochs_engine::grpc::engine_v1::StatusRequest;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::trouble::Trouble;
use crate::controllers::engine::told;
use crate::controllers::tickets::{self, Purpose};
use crate::controllers::{Context, Error};
use crate::instance::{LOOK_TIMEOUT, rpc, within};
use crate::resources::engine::InstanceState;
use crate::resources::volume::Robustness;
use crate::resources::volume_attachment::{AttacherType, FrontendWish};
use crate::resources::{Engine, Kind, LABEL_VOLUME, Object, RecurringJob, Volume, VolumeAttachment};
use crate::store::Store;

/// An attachment waits for disks, and for a rebuild's end at worst; then the volume is told as failed in this run.
const ATTACH_PATIENCE: Duration = Duration::from_secs(600);
/// What no change tells is looked at this often.
const LOOK_PERIOD: Duration = Duration::from_secs(5);

/// What a job's tickets are for; no name of a volume has a colon.
const PURPOSE: &str = "recurring-job:";

fn of_job(job: &str) -> String {
    format!("{PURPOSE}{job}")
}

/// The volume's running engine with what it has at this moment. `attach`: the volume is attached where nobody else has it.
pub async fn engine(context: &Context, volume: &str, job: &str, attach: bool) -> Result<Object<Engine>, Trouble> {
    let deadline = Instant::now() + ATTACH_PATIENCE;
    let of = of_job(job);
    let purpose = Purpose { kind: AttacherType::SnapshotController, of: &of };
    let mut changes = Changes::of(&context.store);
    loop {
        let found = context.store.get::<Volume>(volume).await?;
        if found.is_deleting() || found.status.robustness == Robustness::Faulted {
            let state = if found.is_deleting() { "is being deleted" } else { "is faulted" };
            return Err(Trouble::Said(format!("volume {volume} {state}")));
        }
        if let Some(engine) = running(context, volume).await? {
            return Ok(engine);
        }
        let tickets = context.store.find::<VolumeAttachment>(volume).await?;
        if !tickets.is_some_and(|tickets| tickets::is_in_use(&tickets.spec)) {
            if !attach {
                return Err(Trouble::Said(format!("volume {volume} was detached meanwhile")));
            }
            if let Some(node) = tickets::node_for(context, &found).await? {
                tickets::want(&context.store, volume, &purpose, &node, FrontendWish::Either).await?;
            }
        }
        if Instant::now() >= deadline {
            let minutes = ATTACH_PATIENCE.as_secs() / 60;
            let why = format!("volume {volume} did not get an engine that answers within {minutes} minutes");
            return Err(Trouble::Said(format!("{why}; its causes tell what it waits for")));
        }
        changes.next(volume, LOOK_PERIOD).await;
    }
}

async fn running(context: &Context, volume: &str) -> Result<Option<Object<Engine>>, Trouble> {
    let engines = context.store.list_labelled::<Engine>(LABEL_VOLUME, volume).await?;
    if engines.len() > 1 {
        return Err(Trouble::Said(format!(
            "volume {volume} has {} engines, as while it moves; it takes part next time",
            engines.len()
        )));
    }
    let runs = |engine: &Object<Engine>| {
        engine.status.current_state == InstanceState::Running && !engine.status.address.is_empty()
    };
    match engines.into_iter().find(runs) {
        // One that died a moment ago is still called running.
        Some(engine) => match told_now(context, engine).await {
            Ok(told) => Ok(told.filter(|(_, is_fresh)| *is_fresh).map(|(engine, _)| engine)),
            Err(error) if error.may_pass() => Ok(None),
            Err(error) => Err(error),
        },
        None => Ok(None),
    }
}

/// The engine with the status that it tells now; none when it is another volume's by now, or stops.
pub async fn asked(context: &Context, engine: Object<Engine>) -> Result<Option<Object<Engine>>, Trouble> {
    Ok(told_now(context, engine).await?.map(|(engine, _)| engine))
}

/// As [`asked`], and whether its snapshots and their sizes are of now as well. Older ones would hide what was written
/// since.
async fn told_now(context: &Context, mut engine: Object<Engine>) -> Result<Option<(Object<Engine>, bool)>, Trouble> {
    let address = engine.status.address.clone();
    let answer = context.clients.engine(&address)?.status(within(LOOK_TIMEOUT, StatusRequest {})).await;
    let message = answer.map_err(rpc(format!("asking engine {} for its snapshots", engine.name())))?.into_inner();
    engine.status = told::applied(&engine.status, &message, &address);
    let usable = engine.status.current_state == InstanceState::Running
        && engine.spec.volume_name == message.volume
        && engine.status.snapshots.contains_key(VOLUME_HEAD);
    Ok(usable.then_some((engine, !message.snapshots_are_old)))
}

/// The job needs the volume no more.
pub async fn release(store: &Store, volume: &str, job: &str) -> Result<(), Error> {
    let of = of_job(job);
    tickets::release(store, volume, &Purpose { kind: AttacherType::SnapshotController, of: &of }).await
}

/// The job needs no volume any more.
pub async fn release_all(store: &Store, job: &str) -> Result<(), Error> {
    release_where(store, |of| of == job).await
}

/// Takes back what jobs left behind that have no run.
pub async fn sweep(store: &Store) -> Result<(), Error> {
    let jobs = store.list::<RecurringJob>().await?;
    let running: BTreeSet<&str> = jobs.iter().filter(|job| job.status.run.is_some()).map(Object::name).collect();
    release_where(store, |job| !running.contains(job)).await
}

async fn release_where(store: &Store, is_over: impl Fn(&str) -> bool + Send + Sync) -> Result<(), Error> {
    let beginning = Purpose { kind: AttacherType::SnapshotController, of: PURPOSE }.ticket_id();
    for attachment in store.list_shared::<VolumeAttachment>().await? {
        let jobs = attachment.spec.attachment_tickets.keys().filter_map(|id| id.strip_prefix(&beginning));
        for job in jobs.filter(|job| is_over(job)) {
            tracing::info!(volume = attachment.name(), job, "takes back the ticket of a run that is over");
            release(store, attachment.name(), job).await?;
        }
    }
    Ok(())
}

/// Changes of what belongs to a volume.
pub struct Changes(tokio::sync::broadcast::Receiver<crate::store::RawEvent>);

impl Changes {
    #[must_use]
    pub fn of(store: &Store) -> Self {
        Self(store.changes())
    }

    /// Returns at the next one, or after the period.
    pub async fn next(&mut self, volume: &str, period: Duration) {
        let concerns = |event: &crate::store::RawEvent| {
            let metadata = &event.object.metadata;
            metadata.labels.get(LABEL_VOLUME).is_some_and(|of| of == volume)
                || metadata.name == volume && matches!(event.plural, Volume::PLURAL | VolumeAttachment::PLURAL)
        };
        let change = async {
            loop {
                match self.0.recv().await {
                    Ok(event) if !concerns(&event) => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => return,
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        let _ = tokio::time::timeout(period, change).await;
    }
}
