//! A volume that is used while its data comes out of a backup (`instantRestore`).
//!
//! It counts as restored as soon as its replicas know what is missing: from then on its engine brings in what is asked for,
//! and the rest. Here is what the engine can't do by itself: it gets the credentials of the target again whenever it was
//! started anew, and people are told what is still missing, and why it doesn't come.
//!
//! Invariant: while `isPartlyRemote` is set, the backup volume that the data comes from is not deleted through us. It goes only
//! when the running engine itself says that everything is there.

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::condition::ConditionStatus;

use super::wish::Wanted;
use super::{LOOK_AGAIN, REASON_FAILURE, REASON_IN_PROGRESS, RETRIED, Restore, TURN_PAUSE, calls};
use crate::controllers::Error;
use crate::controllers::volume::Findings;
use crate::events::{EventType, Reason};
use crate::resources::engine::{EngineStatus, InstanceState, RestorePhase, RestoreProgress};
use crate::resources::volume::VolumeStatus;

impl Restore<'_> {
    pub(super) fn is_instant(&self) -> bool {
        self.volume.spec.instant_restore && !self.volume.spec.standby
    }

    /// It may be attached from now on.
    pub(super) async fn usable(&self, wanted: &Wanted, told: &EngineStatus) -> Result<(), Error> {
        self.volumes.memory.restores.forget(self.name());
        let message = format!("Backup {} is being fetched while the volume is used.", wanted.backup);
        self.tell_condition(ConditionStatus::False, REASON_IN_PROGRESS, &message).await?;
        let is_partly_remote = told.restore.as_ref().is_none_or(|told| told.phase != RestorePhase::Complete);
        let change = |status: &mut VolumeStatus| status.is_partly_remote = is_partly_remote;
        // Before anybody may use it: whoever deletes backups has to know.
        self.context.store.modify_status::<crate::resources::Volume>(self.name(), change).await?;
        self.finish().await
    }

    /// As long as data is missing.
    pub(super) async fn accompany(&self, findings: &mut Findings) -> Result<(), Error> {
        if !self.volume.status.is_partly_remote {
            return Ok(());
        }
        if !self.family.can_be_asked() {
            let what = "parts of its data are only in the backup; they come when it is attached";
            findings.causes.push(self.missing(
                what,
                Severity::Info,
                "Attach it, and keep the backup until it is complete.",
            ));
            return Ok(());
        }
        let told = match calls::told(self.context, &self.family.engine).await {
            Ok(told) => told,
            Err(error) => return self.bear_silence(&error, findings),
        };
        // One that starts or stops tells nothing of its volume, which says nothing about it.
        if told.current_state != InstanceState::Running {
            findings.look_again_in(LOOK_AGAIN);
            return Ok(());
        }
        match told.restore.filter(|restore| restore.instant) {
            Some(restore) if restore.phase != RestorePhase::Complete => self.go_on(&restore, findings).await,
            // An engine that started after the end knows nothing of it.
            _ => self.complete().await,
        }
    }

    async fn go_on(&self, restore: &RestoreProgress, findings: &mut Findings) -> Result<(), Error> {
        findings.look_again_in(LOOK_AGAIN);
        let left = restore.remote_bytes;
        if restore.error.is_empty() {
            self.volumes.memory.restores.forget(self.name());
            let what = format!("{left} are only in backup {} yet", restore.backup);
            findings.causes.push(self.missing(&what, Severity::Info, "It ends by itself; keep the backup until then."));
            return Ok(());
        }
        let next_step = if restore.next_step.is_empty() { RETRIED } else { &restore.next_step };
        let what = format!("{left} are only in backup {} and can't be fetched: {}", restore.backup, restore.error);
        findings.causes.push(self.missing(what.trim_end_matches('.'), Severity::Error, next_step));
        let attempts = &self.volumes.memory.restores;
        if attempts.pause(self.name()).is_some() {
            return Ok(());
        }
        attempts.note_failure(self.name());
        // It may have the credentials of another day, or none.
        let Some(wanted) = self.wanted().await? else { return Ok(()) };
        let Some(target) = self.source(&wanted).await? else {
            let message = format!("backup target {} is gone", wanted.target);
            self.tell_condition(ConditionStatus::False, REASON_FAILURE, &message).await?;
            findings.look_again_in(TURN_PAUSE);
            return Ok(());
        };
        match calls::begin(self.context, &self.family.engine, &wanted, &target, true).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => {
                tracing::warn!(volume = self.name(), why, "an instant restore does not go on");
                Ok(())
            }
            Err(Error::Target(fault)) => {
                findings.causes.push(self.missing(&fault.message, Severity::Error, &fault.next_step));
                Ok(())
            }
            Err(error) => self.bear_silence(&error, findings),
        }
    }

    async fn complete(&self) -> Result<(), Error> {
        self.volumes.memory.restores.forget(self.name());
        let change = |status: &mut VolumeStatus| status.is_partly_remote = false;
        self.context.store.modify_status::<crate::resources::Volume>(self.name(), change).await?;
        self.tell_condition(ConditionStatus::False, "", "The backup is restored.").await?;
        let message = format!("Volume {} holds all of the backup that it is made of.", self.name());
        self.emit(Reason::Restored, EventType::Normal, &message);
        Ok(())
    }

    fn missing(&self, what: &str, severity: Severity, next_step: &str) -> Cause {
        let message = format!("{} is used while its backup is fetched: {what}.", self.name());
        Cause::new(CauseCode::Restoring, severity, message, next_step).about([self.name()])
    }
}
