//! Reading a backup to see whether it could be restored: every block, or some, fetched and compared with its checksum.
//!
//! A job of its own, which ends with the manager that does it: nothing is written, so that beginning anew costs time alone.

use std::time::Duration;

use aurochs_engine::backup::{Progress, Store};
use tokio::sync::OwnedSemaphorePermit;

use super::remote::{self, Verified};
use super::{Backups, Fault};
use crate::events::{EventType, Events, ObjectRef, Reason};
use crate::jobs::{Failure, JobHandle, Level, Outcome};
use crate::resources::{Backup, Object};

/// How often its job is told how far it is.
const TELL_PERIOD: Duration = Duration::from_secs(1);
/// Damaged blocks that are named in its log.
const NAMED_MAXIMUM: usize = 20;

/// What is read, and who hears of it.
pub(crate) struct Verification {
    pub(crate) backups: Backups,
    pub(crate) store: Store,
    pub(crate) backup: Object<Backup>,
    /// Blocks to check, chosen by chance; all without it.
    pub(crate) sample: Option<u64>,
    pub(crate) events: Events,
}

impl Verification {
    /// To its end, or until a person cancels the job.
    pub(crate) async fn run(self, job: JobHandle) {
        let outcome = tokio::select! {
            by = job.cancelled() => Outcome::Cancelled(by),
            outcome = self.verify(&job) => outcome,
        };
        job.finish(outcome).await;
    }

    async fn verify(&self, job: &JobHandle) -> Outcome {
        job.phase("waiting");
        let _turn: Option<OwnedSemaphorePermit> = self.backups.verification().await;
        job.phase("reading");
        let progress = Progress::default();
        let backup = &self.backup;
        let verifying = remote::verify(&self.store, backup.volume(), backup.name_in_target(), self.sample, &progress);
        let telling = async {
            loop {
                tokio::time::sleep(TELL_PERIOD).await;
                tell(job, &progress);
            }
        };
        let verified = tokio::select! {
            verified = verifying => verified,
            _ = telling => return Outcome::Interrupted,
        };
        tell(job, &progress);
        match verified {
            Ok(verified) if verified.damaged.is_empty() => {
                let Verified { checked, blocks, .. } = verified;
                job.log(Level::Info, format!("{checked} of {blocks} blocks were read; all are what they were."));
                Outcome::Succeeded
            }
            Ok(verified) => Outcome::Failed(self.damaged(job, &verified)),
            Err(fault) => Outcome::Failed(unread(&fault)),
        }
    }

    fn damaged(&self, job: &JobHandle, verified: &Verified) -> Failure {
        let (count, name) = (verified.damaged.len(), self.backup.name());
        for (offset, why) in verified.damaged.iter().take(NAMED_MAXIMUM) {
            job.log(Level::Error, format!("The block at byte {offset}: {why}."));
        }
        if count > NAMED_MAXIMUM {
            job.log(Level::Error, format!("{} more.", count - NAMED_MAXIMUM));
        }
        let message = format!("{count} of {} blocks of backup {name} are missing or damaged.", verified.checked);
        self.events.emit(&ObjectRef::from(&self.backup), Reason::Failed, EventType::Warning, &message);
        let next_step =
            "Back the volume up in full mode (aurochs backup create --full), which stores every block again.";
        Failure::new(message, next_step)
    }
}

fn tell(job: &JobHandle, progress: &Progress) {
    let amounts = progress.now();
    if amounts.planned > 0 {
        job.planned(amounts.planned);
        job.done(amounts.done);
    }
}

fn unread(fault: &Fault) -> Failure {
    Failure::new(format!("The backup could not be read: {}.", fault.message.trim_end_matches('.')), &fault.next_step)
}
