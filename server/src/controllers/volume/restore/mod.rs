//! Restore: a volume with `fromBackup` is filled from a backup before anybody uses it; a standby volume follows a backup
//! volume until it is activated.
//!
//! ```text
//!                       its turn, attached without a device        the backup is there
//!  (new) ──► restoreRequired ──────────────────────────► filled ─────────────────────► usable
//!                                                          ▲  │ standby: stays up, and gets each newer backup
//!                                                          └──┤
//!                       activate: target read once more ──────┴─► newest backup there, replicas whole ──► usable
//! ```
//! 1. [`wish`] — which backup, and whether it is there: pure; 2. [`turn`] — how many may be filled on a node at once;
//! 3. [`wholeness`] — which replicas an activation waits for; 4. [`calls`] — what the engine is asked;
//! 5. [`instant`] — a volume that is used while its data comes.
//!
//! Invariants:
//! - a volume that is not filled is attached by nobody else (`attach` refuses), has no snapshots of users, and is not backed
//!   up: nobody sees half of a backup, and nothing but backups goes into a volume that follows one;
//! - whether the backup is there, the engine says, from the labels of its own layers; nothing of it is remembered here. A
//!   manager, an engine or a replica that dies in between costs no more than looking again at what is there;
//! - an activation never waits for a target that does not answer, nor for a replica whose node is silent: disaster is when
//!   they don't.

mod calls;
mod instant;
mod turn;
mod wholeness;
mod wish;

use std::time::Duration;

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::condition::ConditionStatus;
use aurochs_engine::backup::BackupUrl;

use self::wish::{Newest, Phase, Wanted};
use super::family::Family;
use super::{Findings, Volumes};
use crate::backups::is_at;
use crate::controllers::backup::last_backup;
use crate::controllers::tickets::{self, Purpose, Standing};
use crate::controllers::{Context, Error};
use crate::events::{EventType, ObjectRef, Reason};
use crate::resources::backup_target::CONDITION_UNAVAILABLE;
use crate::resources::backup_volume::BackupVolumeSpec;
use crate::resources::engine::{EngineStatus, RestorePhase};
use crate::resources::volume::{CONDITION_RESTORE, VolumeStatus};
use crate::resources::volume_attachment::{AttacherType, FrontendWish};
use crate::resources::{BackupTarget, BackupVolume, Object, Volume, condition};
use crate::routes::backup_target::request;
use crate::store::StoreError;

/// How soon to look again at what is waited for, or runs.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How soon to look for a turn again.
const TURN_PAUSE: Duration = Duration::from_secs(5);
/// How soon to look whether there is a newer backup, when nothing tells of one.
const FOLLOW_PAUSE: Duration = Duration::from_secs(60);

const REASON_IN_PROGRESS: &str = "RestoreInProgress";
const REASON_FAILURE: &str = "RestoreFailure";

const RETRIED: &str =
    "Mend what it says; it is tried again by itself and goes on where it was. Delete the volume if it is not wanted.";

const fn purpose(volume: &str) -> Purpose<'_> {
    Purpose { kind: AttacherType::VolumeRestoreController, of: volume }
}

/// The step of one pass.
pub(super) async fn step(
    volumes: &Volumes,
    volume: &Object<Volume>,
    family: &Family,
    findings: &mut Findings,
) -> Result<(), Error> {
    let restore = Restore { volumes, context: &volumes.context, volume, family };
    match Phase::of(volume) {
        Phase::None => Ok(()),
        Phase::Done => {
            restore.let_go().await?;
            restore.accompany(findings).await
        }
        Phase::New => restore.initiate(findings).await,
        Phase::Filling | Phase::Following => restore.fill(findings).await,
        Phase::Activating => restore.activate(findings).await,
    }
}

struct Restore<'a> {
    volumes: &'a Volumes,
    context: &'a Context,
    volume: &'a Object<Volume>,
    family: &'a Family,
}

impl Restore<'_> {
    fn name(&self) -> &str {
        self.volume.name()
    }

    async fn initiate(&self, findings: &mut Findings) -> Result<(), Error> {
        let is_standby = self.volume.spec.standby;
        let change = |status: &mut VolumeStatus| {
            status.restore_required = true;
            status.restore_initiated = true;
            status.is_standby = is_standby;
        };
        self.context.store.modify_status::<Volume>(self.name(), change).await?;
        if let Some(followed) = self.volume.followed_volume().filter(|_| is_standby) {
            // It shows at once what it follows, and not only when its target is looked at next.
            last_backup::note_all(self.context, &self.volume.spec.backup_target_name, &followed).await?;
        }
        findings.causes.push(self.underway("it is about to begin"));
        Ok(())
    }

    /// Brings the volume up and the wanted backup into it.
    async fn fill(&self, findings: &mut Findings) -> Result<(), Error> {
        let Some(wanted) = self.wanted().await? else {
            let why = format!("its fromBackup {:?} names no backup that can be found", self.volume.spec.from_backup);
            findings.causes.push(self.failed(&why, "Delete the volume and make it anew, of another backup."));
            findings.look_again_in(FOLLOW_PAUSE);
            return Ok(());
        };
        if !self.bring_up(findings).await? {
            return Ok(());
        }
        let told = match calls::told(self.context, &self.family.engine).await {
            Ok(told) => told,
            Err(error) => return self.bear_silence(&error, findings),
        };
        let wanted = wish::no_older(wanted, &told, Phase::of(self.volume), self.newest().await?.as_ref());
        if self.is_instant() && wish::is_usable(&told, &wanted) {
            return self.usable(&wanted, &told).await;
        }
        if wish::is_there(&told, &wanted) {
            return self.filled(&wanted, findings).await;
        }
        match told.restore.as_ref().filter(|restore| restore.phase == RestorePhase::Runs) {
            Some(restore) => {
                let (done, planned) = (restore.done_bytes, restore.planned_bytes);
                findings
                    .causes
                    .push(self.underway(&format!("{done} of {planned} of backup {} are there", restore.backup)));
                findings.look_again_in(LOOK_AGAIN);
                Ok(())
            }
            None => self.begin(&wanted, &told, findings).await,
        }
    }

    /// True when the engine runs without a device and can be asked.
    async fn bring_up(&self, findings: &mut Findings) -> Result<bool, Error> {
        let store = &self.context.store;
        let Some(node) = tickets::node_for(self.context, self.volume).await? else {
            findings.causes.push(self.underway("no node answers on which it can be attached"));
            findings.look_again_in(TURN_PAUSE);
            return Ok(false);
        };
        let standing = tickets::want(store, self.name(), &purpose(self.name()), &node, FrontendWish::Off).await?;
        let is_up = standing == Standing::Served && self.family.can_be_asked();
        if !is_up {
            findings.causes.push(self.underway("it is being brought up for it"));
            findings.look_again_in(LOOK_AGAIN);
        }
        Ok(is_up)
    }

    async fn begin(&self, wanted: &Wanted, told: &EngineStatus, findings: &mut Findings) -> Result<(), Error> {
        let attempts = &self.volumes.memory.restores;
        if let Some(failed) = told.restore.as_ref().filter(|restore| restore.phase == RestorePhase::Failed)
            && failed.backup == wanted.backup
            && attempts.is_news(self.name(), &failed.started_at)
        {
            let next_step = if failed.next_step.is_empty() { RETRIED } else { &failed.next_step };
            return self.fail(&failed.error, next_step, findings).await;
        }
        if let Some(pause) = attempts.pause(self.name()) {
            findings.look_again_in(pause);
            findings.causes.push(self.failed_before());
            return Ok(());
        }
        let _counting = self.volumes.copying.lock().await;
        if let Some(cause) = turn::must_wait(self.context, self.volume, &self.family.engine).await? {
            findings.causes.push(cause);
            findings.look_again_in(TURN_PAUSE);
            return Ok(());
        }
        let Some(target) = self.source(wanted).await? else {
            let why = format!("backup target {} is gone", wanted.target);
            return self.fail(&why, "Add a backup target of this name and address again.", findings).await;
        };
        match calls::begin(self.context, &self.family.engine, wanted, &target, self.is_instant()).await {
            Ok(Ok(())) => {
                let message = format!("Volume {} is being filled from backup {}.", self.name(), wanted.backup);
                self.tell_condition(ConditionStatus::True, REASON_IN_PROGRESS, &message).await?;
                findings.causes.push(self.underway(&format!("backup {} is being fetched", wanted.backup)));
                findings.look_again_in(LOOK_AGAIN);
                Ok(())
            }
            Ok(Err(why)) => self.fail(&why, RETRIED, findings).await,
            Err(Error::Target(fault)) => self.fail(&fault.message, &fault.next_step, findings).await,
            Err(error) => self.bear_silence(&error, findings),
        }
    }

    /// The wanted backup is there.
    async fn filled(&self, wanted: &Wanted, findings: &mut Findings) -> Result<(), Error> {
        self.volumes.memory.restores.forget(self.name());
        let restored = condition::find(&self.volume.status.conditions, CONDITION_RESTORE);
        let message = format!("Backup {} is restored.", wanted.backup);
        let is_news = restored.is_none_or(|told| told.message != message);
        self.tell_condition(ConditionStatus::False, "", &message).await?;
        if is_news {
            let message = format!("Volume {} holds backup {} of {}.", self.name(), wanted.backup, wanted.volume);
            self.emit(Reason::Restored, EventType::Normal, &message);
        }
        match Phase::of(self.volume) {
            // It stays up, and waits for the next one.
            Phase::Following => {
                findings.look_again_in(FOLLOW_PAUSE);
                Ok(())
            }
            Phase::Activating => match self.awaited() {
                Some(replica) => self.wait_for(&replica, "", findings),
                None => self.finish().await,
            },
            _ => self.finish().await,
        }
    }

    /// From now on it is a volume like any other.
    async fn finish(&self) -> Result<(), Error> {
        let change = |status: &mut VolumeStatus| {
            status.restore_required = false;
            if status.is_standby {
                status.is_standby = false;
                // What it has of its own was never backed up.
                status.last_backup.clear();
                status.last_backup_at.clear();
            }
        };
        self.context.store.modify_status::<Volume>(self.name(), change).await?;
        self.let_go().await
    }

    async fn let_go(&self) -> Result<(), Error> {
        tickets::release(&self.context.store, self.name(), &purpose(self.name())).await
    }

    /// The newest backup, if its target tells of it; what is there, if not.
    async fn activate(&self, findings: &mut Findings) -> Result<(), Error> {
        if !self.bring_up(findings).await? {
            return Ok(());
        }
        let told = match calls::told(self.context, &self.family.engine).await {
            Ok(told) => told,
            Err(error) => return self.bear_silence(&error, findings),
        };
        let holds_something = !told.last_restored_backup.is_empty();
        let target = self.context.store.find::<BackupTarget>(&self.volume.spec.backup_target_name).await?;
        let is_read_again = self.is_read_again().await?;
        // What is wanted was read just now: the rest of a large target is not waited for.
        let is_read_well = is_read_again && self.is_read_well(target.as_ref()).await?;
        if let Some(target) = &target
            && !is_read_well
            && target.spec.sync_requested_at != target.status.answered_request
        {
            findings.causes.push(self.underway("its target is read once more, for a newer backup"));
            findings.look_again_in(LOOK_AGAIN);
            return Ok(());
        }
        let why = match &target {
            None => Some("its backup target is gone".to_owned()),
            Some(target) if !target.status.available && !is_read_well => {
                let told = condition::find(&target.status.conditions, CONDITION_UNAVAILABLE);
                Some(told.map(|told| told.message.clone()).unwrap_or_default())
            }
            Some(_) if is_read_again && self.newest().await?.is_none() => {
                Some("its backup target shows no backup of it any more".to_owned())
            }
            Some(_) => None,
        };
        match why {
            Some(why) if holds_something => {
                let why = format!("whether there is a newer backup can't be told ({})", why.trim_end_matches('.'));
                if !told.unfinished_restore.is_empty() {
                    if let Err(error) = calls::give_up_difference(self.context, &self.family.engine, &told).await {
                        return self.bear_silence(&error, findings);
                    }
                    findings.causes.push(self.underway("what came of a newer backup is taken back"));
                    findings.look_again_in(LOOK_AGAIN);
                    return Ok(());
                }
                if let Some(replica) = self.awaited() {
                    return self.wait_for(&replica, &format!("{why}; "), findings);
                }
                self.finish().await?;
                // Behind it: told once, however often it was looked at.
                let held = &told.last_restored_backup;
                let message = format!("Volume {} is activated with backup {held}: {why}.", self.name());
                self.emit(Reason::Restored, EventType::Warning, &message);
                Ok(())
            }
            _ if !is_read_again => {
                findings.causes.push(self.underway("its target is read once more, for a newer backup"));
                findings.look_again_in(LOOK_AGAIN);
                Ok(())
            }
            _ => self.fill(findings).await,
        }
    }

    /// A replica that the activation waits for.
    fn awaited(&self) -> Option<String> {
        wholeness::awaited(self.context, self.volume, self.family).map(str::to_owned)
    }

    fn wait_for(&self, replica: &str, besides: &str, findings: &mut Findings) -> Result<(), Error> {
        findings.causes.push(self.underway(&format!("{besides}it waits until replica {replica} has all data")));
        findings.look_again_in(LOOK_AGAIN);
        Ok(())
    }

    /// Whether the backup volume was read since the activation asked for it.
    async fn is_read_again(&self) -> Result<bool, Error> {
        let Some(followed) = self.backup_volume().await? else { return Ok(true) };
        let BackupVolumeSpec { sync_requested_at, .. } = &followed.spec;
        Ok(*sync_requested_at == followed.status.answered_request)
    }

    /// Whether the last reading of the backup volume met no error.
    async fn is_read_well(&self, target: Option<&Object<BackupTarget>>) -> Result<bool, Error> {
        let has_address = target.is_some_and(|target| !target.spec.backup_target_url.is_empty());
        let followed = self.backup_volume().await?;
        Ok(has_address && followed.is_some_and(|followed| followed.status.messages.is_empty()))
    }

    async fn backup_volume(&self) -> Result<Option<Object<BackupVolume>>, StoreError> {
        let Some(volume) = self.volume.followed_volume() else { return Ok(None) };
        let name = crate::backups::names::backup_volume(&volume, &self.volume.spec.backup_target_name);
        self.context.store.find::<BackupVolume>(&name).await
    }

    async fn wanted(&self) -> Result<Option<Wanted>, Error> {
        Ok(wish::wanted(self.volume, self.newest().await?.as_ref()))
    }

    /// The newest backup of what a standby volume follows, where its target tells of one.
    async fn newest(&self) -> Result<Option<Newest>, StoreError> {
        if !matches!(Phase::of(self.volume), Phase::Following | Phase::Activating) {
            return Ok(None);
        }
        let Some(found) = self.backup_volume().await? else { return Ok(None) };
        let BackupVolumeSpec { volume_name, backup_target_name, .. } = &found.spec;
        let backup = found.status.last_backup_name;
        if backup.is_empty() {
            return Ok(None);
        }
        let record = request::backup(&self.context.store, &backup, volume_name, backup_target_name).await?;
        let created = record.map(|record| record.status.backup_created_at).unwrap_or_default();
        Ok(Some(Newest { backup, created }))
    }

    /// The target that `fromBackup` names; the volume's own backups may go to another one. The volume's where none has
    /// that address any more.
    async fn source(&self, wanted: &Wanted) -> Result<Option<Object<BackupTarget>>, StoreError> {
        let named = self.context.store.find::<BackupTarget>(&wanted.target).await?;
        let Ok(url) = self.volume.spec.from_backup.parse::<BackupUrl>() else { return Ok(named) };
        let is_there = |target: &Object<BackupTarget>| is_at(&target.spec.backup_target_url, &url.target);
        if named.as_ref().is_some_and(is_there) {
            return Ok(named);
        }
        let targets = self.context.store.list::<BackupTarget>().await?;
        Ok(targets.into_iter().find(|target| is_there(target)).or(named))
    }

    // === what is told ===

    async fn fail(&self, why: &str, next_step: &str, findings: &mut Findings) -> Result<(), Error> {
        let why = why.trim_end_matches('.');
        let pause = self.volumes.memory.restores.note_failure(self.name());
        findings.look_again_in(pause);
        let cause = self.failed(why, next_step);
        self.emit(Reason::FailedRestore, EventType::Warning, &cause.message);
        self.tell_condition(ConditionStatus::False, REASON_FAILURE, &cause.message).await?;
        findings.causes.push(cause);
        Ok(())
    }

    async fn tell_condition(&self, value: ConditionStatus, reason: &str, message: &str) -> Result<(), Error> {
        let change = |status: &mut VolumeStatus| {
            condition::set(&mut status.conditions, CONDITION_RESTORE, value, reason, message);
        };
        self.context.store.modify_status::<Volume>(self.name(), change).await?;
        Ok(())
    }

    /// A question that got no answer is told and asked again; whatever else is to be done in the pass is done.
    fn bear_silence(&self, error: &Error, findings: &mut Findings) -> Result<(), Error> {
        findings.look_again_in(LOOK_AGAIN);
        findings.causes.push(self.underway(&format!("its engine does not answer: {error}")));
        Ok(())
    }

    fn emit(&self, reason: Reason, kind: EventType, message: &str) {
        self.context.events.emit(&ObjectRef::from(self.volume), reason, kind, message);
    }

    fn underway(&self, what: &str) -> Cause {
        let message = format!("{} is filled from a backup: {what}.", self.name());
        let next_step = match Phase::of(self.volume) {
            Phase::Following => "It follows its backups by itself; activate it to use it.",
            _ => "It ends by itself; the volume can be attached then.",
        };
        Cause::new(CauseCode::Restoring, Severity::Info, message, next_step).about([self.name()])
    }

    fn failed(&self, why: &str, next_step: &str) -> Cause {
        let message = format!("{} could not be filled from a backup: {why}.", self.name());
        Cause::new(CauseCode::RestoreFailed, Severity::Error, message, next_step).about([self.name()])
    }

    /// What was told when it failed is kept in the status for as long as the pause lasts.
    fn failed_before(&self) -> Cause {
        let told = self.volume.status.causes.iter().find(|cause| cause.code == CauseCode::RestoreFailed);
        told.cloned().unwrap_or_else(|| self.failed("the last attempt failed", RETRIED))
    }
}

/// From the moment of its activation, the newest backup is looked for once more.
pub(crate) async fn ask_for_newest(context: &crate::store::Store, volume: &Object<Volume>) -> Result<(), StoreError> {
    // The target, too: whether it can be reached is to be known as of now.
    match request::target(context, &volume.spec.backup_target_name).await {
        Err(error) if !error.is_not_found() => return Err(error),
        _ => {}
    }
    let Some(followed) = volume.followed_volume() else { return Ok(()) };
    let name = crate::backups::names::backup_volume(&followed, &volume.spec.backup_target_name);
    match request::volume(context, &name).await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}
