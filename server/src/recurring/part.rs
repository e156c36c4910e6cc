//! One volume's part of a run: the steps of the job's task.
//!
//! | task | steps |
//! |---|---|
//! | `snapshot` | give up what is beyond `retain`; take one if there is new data; give up |
//! | `snapshot-force-create` | take one; give up |
//! | `snapshot-delete` | give up, whoever's |
//! | `snapshot-cleanup` | purge, with what no user took |
//! | `filesystem-trim` | trim; purge what that marked |
//! | `backup` | as `snapshot` if there is new data since the last backup, then back it up; give up backups and snapshots |
//! | `backup-force-create` | the same, new data or not |
//!
//! Each can be done again from its beginning: a manager that dies in between is followed by one that does.

use aurochs_api::recurring_job::Task;

use super::trouble::Trouble;
use super::{backup, purge, reach, retain, take};
use crate::controllers::Context;
use crate::controllers::snapshot::trim;
use crate::resources::{LABEL_VOLUME, Object, RecurringJob, Snapshot, Volume};

/// What a volume's part works with.
#[derive(Clone)]
pub struct Part {
    pub context: Context,
    pub job: Object<RecurringJob>,
    /// Id of the run.
    pub run: String,
    pub volume: Object<Volume>,
    /// The volume may be attached for the run.
    pub attach: bool,
}

impl Part {
    /// Says in a sentence what was done.
    pub async fn run(&self) -> Result<String, Trouble> {
        match self.job.spec.task {
            Task::Snapshot | Task::SnapshotForceCreate => self.snapshot().await,
            Task::SnapshotDelete => self
                .give_up()
                .await
                .map(|given_up| given_up.unwrap_or_else(|| "nothing is beyond what is kept".to_owned())),
            Task::SnapshotCleanup => {
                let engine = self.engine().await?;
                purge::run(self, engine, true).await
            }
            Task::FilesystemTrim => self.trim().await,
            Task::Backup | Task::BackupForceCreate => backup::run(self).await,
            Task::SystemBackup => Err(Trouble::Said("a system backup is of no volume".to_owned())),
        }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        self.volume.name()
    }

    pub(super) async fn known(&self) -> Result<Vec<Object<Snapshot>>, Trouble> {
        Ok(self.context.store.list_labelled::<Snapshot>(LABEL_VOLUME, self.name()).await?)
    }

    pub(super) async fn engine(&self) -> Result<Object<crate::resources::Engine>, Trouble> {
        reach::engine(&self.context, self.name(), self.job.name(), self.attach).await
    }

    async fn snapshot(&self) -> Result<String, Trouble> {
        if self.job.spec.task == Task::Snapshot {
            self.give_up().await?;
        }
        let taken = take::run(self).await?;
        let given_up = self.give_up().await?;
        Ok([Some(taken), given_up].into_iter().flatten().collect::<Vec<_>>().join("; "))
    }

    /// Asks for the deletion of what is beyond `retain`; the snapshot controller does it, and gives back the space.
    pub(super) async fn give_up(&self) -> Result<Option<String>, Trouble> {
        let spec = &self.job.spec;
        let known = self.known().await?;
        let names = retain::beyond(&known, spec.task, self.job.name(), spec.retain);
        for name in &names {
            match self.context.store.delete::<Snapshot>(name).await {
                Err(error) if !error.is_not_found() => return Err(error.into()),
                _ => {
                    tracing::info!(volume = self.name(), snapshot = name, job = spec.name, "beyond what the job keeps")
                }
            }
        }
        Ok((!names.is_empty()).then(|| format!("gives up {}, beyond the newest {}", names.join(", "), spec.retain)))
    }

    async fn trim(&self) -> Result<String, Trouble> {
        let engine = self.engine().await?;
        if engine.spec.disable_frontend {
            return Err(Trouble::Said(
                "it is in maintenance mode: it has no device, so that nothing on it is mounted".to_owned(),
            ));
        }
        let trimmed = trim::trim(&self.context.clients, &self.context.events, &self.volume, &engine).await?;
        let told = format!("{} bytes given back of the file system at {}", trimmed.bytes, trimmed.mounted_at);
        let engine = self.engine().await?;
        let purged = purge::run(self, engine, false).await?;
        Ok(format!("{told}; {purged}"))
    }
}
