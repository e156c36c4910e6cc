//! One step of a backup that is made here.

use std::time::Duration;

use aurochs_api::size::ByteSize;
use aurochs_engine::grpc::engine_v1::{BackupStatus as Told, TransferState};

use super::turn::{self, Around, Turn};
use super::{Made, calls, purpose};
use crate::controllers::runtime::Next;
use crate::controllers::tickets::{self, Standing};
use crate::controllers::{Context, Error};
use crate::resources::backup::{ANNOTATION_CANCELLED_BY, BackupState, BackupStatus, LABEL_BACKUP_VOLUME};
use crate::resources::volume_attachment::FrontendWish;
use crate::resources::{Backup, BackupTarget, Engine, Object, Snapshot, Volume, timestamp};
use crate::settings::Name;

/// How soon to look again while something is waited for, or sent.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// One that had begun waits longer to go on: its engine, or its node, may have to come back first.
const PATIENCE_TO_GO_ON: Duration = Duration::from_secs(600);
/// A backup that broke off in the middle is begun again this often; each attempt sends only what is not there yet.
const ATTEMPTS_MAXIMUM: u32 = 5;

impl Made {
    pub(super) async fn advance(&self, backup: &Object<Backup>) -> Result<Next, Error> {
        let (context, name) = (&self.context, backup.name());
        let engine = calls::engine(context, backup.volume()).await?;
        if let Some(by) = backup.metadata.annotations.get(ANNOTATION_CANCELLED_BY) {
            return self.cancel(backup, engine.as_ref(), by).await;
        }
        if let Some(engine) = &engine {
            match calls::told(context, engine, backup.name_in_target()).await {
                // It begins anew when its pause is over.
                Ok(Some(told)) if self.is_to_be_looked_at(name, &told) => return self.follow(backup, &told).await,
                Ok(_) => {}
                // One that died a moment ago is still called running.
                Err(Error::Client(error)) if error.is_unreachable() => return Ok(Next::After(LOOK_AGAIN)),
                Err(error) => return Err(error),
            }
        }
        self.begin(backup, engine).await
    }

    /// An attempt that failed and was noted tells nothing new.
    fn is_to_be_looked_at(&self, name: &str, told: &Told) -> bool {
        !matches!(told.state(), TransferState::TransferFailed) || self.memory.is_news(name, &told.started_at)
    }

    async fn begin(&self, backup: &Object<Backup>, engine: Option<Object<Engine>>) -> Result<Next, Error> {
        let (context, name) = (&self.context, backup.name());
        if let Some(pause) = self.memory.pause(name) {
            return Ok(Next::After(pause));
        }
        let world = World::read(context, backup).await?;
        let (why, next_step) = match turn::turn(&world.around(backup)) {
            Turn::Never { why, next_step } => return self.fail(backup, &why, &next_step).await,
            Turn::After(why) => {
                self.memory.restart_clock(name);
                self.wait(backup, &why, "").await?;
                return Ok(Next::After(LOOK_AGAIN));
            }
            Turn::Waits { why, next_step } => (why, next_step),
            Turn::Now => match self.try_begin(backup, &world, engine).await? {
                Begun::Runs(told) => return self.follow(backup, &told).await,
                Begun::Waits(why, next_step) => (why, next_step),
            },
        };
        let mut patience =
            Duration::from_secs(context.settings.number(Name::BackupExecutionTimeout).saturating_mul(60));
        if !backup.status.started_at.is_empty() {
            patience = patience.max(PATIENCE_TO_GO_ON);
        }
        if self.memory.waited(name) >= patience {
            let why = format!("it did not begin within {} minutes: {why}", patience.as_secs() / 60);
            return self.fail(backup, &why, &next_step).await;
        }
        self.wait(backup, &why, &next_step).await?;
        Ok(Next::After(self.memory.pause(name).unwrap_or(LOOK_AGAIN)))
    }

    async fn try_begin(
        &self,
        backup: &Object<Backup>,
        world: &World,
        engine: Option<Object<Engine>>,
    ) -> Result<Begun, Error> {
        let context = &self.context;
        // Judged before: both are there.
        let (Some(volume), Some(target)) = (&world.volume, &world.target) else {
            return Ok(Begun::waits("it is gone"));
        };
        let Some(node) = tickets::node_for(context, volume).await? else {
            return Ok(Begun::waits("no node answers on which the volume can be attached"));
        };
        let standing =
            tickets::want(&context.store, volume.name(), &purpose(backup), &node, FrontendWish::Either).await?;
        let Some(engine) = engine.filter(|_| standing == Standing::Served) else {
            return Ok(Begun::waits("the volume is being attached for it"));
        };
        match calls::begin(context, &engine, backup, volume, target).await {
            Ok(Ok(told)) => Ok(Begun::Runs(Box::new(told))),
            Ok(Err(why)) => {
                self.memory.note_failure(backup.name());
                Ok(Begun::waits(&why))
            }
            Err(Error::Target(fault)) => {
                self.memory.note_failure(backup.name());
                Ok(Begun::Waits(fault.message, fault.next_step))
            }
            Err(Error::Client(error)) => Ok(Begun::waits(&error.to_string())),
            Err(error) => Err(error),
        }
    }

    /// What its engine tells.
    async fn follow(&self, backup: &Object<Backup>, told: &Told) -> Result<Next, Error> {
        let name = backup.name();
        match told.state() {
            TransferState::TransferInProgress | TransferState::Unspecified => {
                self.memory.restart_clock(name);
                let owner = self.context.owner.to_string();
                let change = |status: &mut BackupStatus| {
                    note_progress(status, backup, told);
                    (status.state, status.owner_id) = (BackupState::InProgress, owner.clone());
                    status.error.clear();
                    status.next_step.clear();
                };
                self.context.store.modify_status::<Backup>(name, change).await?;
                Ok(Next::After(LOOK_AGAIN * 2))
            }
            TransferState::TransferComplete => self.complete(backup, told).await,
            TransferState::TransferCancelled => {
                let why = "it was ended in its engine";
                self.fail(backup, why, "Back up again: what was sent is not sent again.").await
            }
            TransferState::TransferFailed => {
                let failures = self.memory.note_failure(name);
                let (why, next_step) = (reason(&told.error), next_step(told));
                if failures >= ATTEMPTS_MAXIMUM {
                    let why = format!("{why} (attempt {failures})");
                    return self.fail(backup, &why, &next_step).await;
                }
                self.memory.restart_clock(name);
                self.wait(backup, &format!("{why}; it is tried again by itself"), &next_step).await?;
                Ok(Next::After(self.memory.pause(name).unwrap_or(LOOK_AGAIN)))
            }
        }
    }

    async fn wait(&self, backup: &Object<Backup>, why: &str, next_step: &str) -> Result<(), Error> {
        let owner = self.context.owner.to_string();
        let change = |status: &mut BackupStatus| {
            (status.state, status.owner_id) = (BackupState::Pending, owner.clone());
            why.clone_into(&mut status.error);
            next_step.clone_into(&mut status.next_step);
        };
        self.context.store.modify_status::<Backup>(backup.name(), change).await?;
        Ok(())
    }

    async fn cancel(&self, backup: &Object<Backup>, engine: Option<&Object<Engine>>, by: &str) -> Result<Next, Error> {
        if let Some(engine) = engine {
            calls::cancel(&self.context, engine, backup.name_in_target()).await?;
        }
        let why = format!("it was cancelled by {by}");
        self.fail(backup, &why, "Delete it, or back up again: what was sent is not sent again.").await
    }
}

enum Begun {
    Runs(Box<Told>),
    /// Why, and what to do.
    Waits(String, String),
}

impl Begun {
    fn waits(why: &str) -> Self {
        Self::Waits(why.trim_end_matches('.').to_owned(), "It is tried again by itself.".to_owned())
    }
}

fn reason(error: &str) -> String {
    error.trim_end_matches('.').to_owned()
}

fn next_step(told: &Told) -> String {
    if told.next_step.is_empty() { "Mend what it says, then back up again.".to_owned() } else { told.next_step.clone() }
}

pub(super) fn note_progress(status: &mut BackupStatus, backup: &Object<Backup>, told: &Told) {
    status.planned_bytes = ByteSize(told.planned_bytes);
    status.done_bytes = ByteSize(told.done_bytes);
    let percent = told.done_bytes.saturating_mul(100).checked_div(told.planned_bytes).unwrap_or_default();
    // All of it is there only when its record is.
    status.progress = u32::try_from(percent.min(99)).unwrap_or_default();
    status.snapshot_name.clone_from(&backup.spec.snapshot_name);
    status.volume_name = backup.volume().to_owned();
    status.backup_target_name = backup.target().to_owned();
    status.labels.clone_from(&backup.spec.labels);
    status.url.clone_from(&told.url);
    if status.started_at.is_empty() {
        status.started_at = if told.started_at.is_empty() { timestamp::now() } else { told.started_at.clone() };
    }
}

/// What the judgement of a turn needs.
struct World {
    volume: Option<Object<Volume>>,
    target: Option<Object<BackupTarget>>,
    snapshot: Option<Object<Snapshot>>,
    others: Vec<Object<Backup>>,
}

impl World {
    async fn read(context: &Context, backup: &Object<Backup>) -> Result<Self, Error> {
        let store = &context.store;
        Ok(Self {
            volume: store.find(backup.volume()).await?,
            target: store.find(backup.target()).await?,
            snapshot: store.find(&backup.spec.snapshot_name).await?,
            others: store.list_labelled::<Backup>(LABEL_BACKUP_VOLUME, backup.volume()).await?,
        })
    }

    fn around<'a>(&'a self, backup: &'a Object<Backup>) -> Around<'a> {
        Around {
            backup,
            volume: self.volume.as_ref(),
            target: self.target.as_ref(),
            snapshot: self.snapshot.as_ref(),
            others: &self.others,
        }
    }
}
