//! Clone: a volume with a data source is filled from a snapshot of another volume, before anybody uses it.
//!
//! ```text
//!            both engines are up          copied, replicas whole
//!  (none) ──────────────────► initiated ─────────────────────────► completed
//!     ▲                           │  └── copied ──► copy-completed-awaiting-healthy ──► completed
//!     └── after a pause ── failed ◄┘
//! ```
//!
//! Both volumes are brought up by tickets of the clone's own: the source however it is, the target without a device. A
//! source that is in use stays in use.
//!
//! Invariants:
//! - the target is attached by nobody else before its data is there (the action `attach` refuses), so that nobody sees
//!   half of it;
//! - the copy is there when, and only when, the target's engine has the snapshot that it becomes. That is looked up, not
//!   remembered: a manager that was away while the copy ended does not begin another;
//! - nothing is taken of a source that is itself being filled or restored: the copy would be of a part of it, and a
//!   snapshot would keep the source from being filled;
//! - of what the source holds *now*, one snapshot is taken, with a name that follows from the target's uid: tried again,
//!   it is found;
//! - the ticket on the source is there exactly while the target needs it; a target that is deleted takes it along, and
//!   the snapshot that was taken for it before that;
//! - an engine is asked only while it runs, and one that does not answer is a cause and another look, never the end of
//!   the pass: the volume has to be taken down and up again when its engine ended, and that comes later in the pass.

mod calls;

use std::time::Duration;

use aurochs_api::cause::{Cause, CauseCode, Severity};
use time::OffsetDateTime;

use super::family::{self, Family, engine_name};
use super::{Findings, Volumes};
use crate::controllers::snapshot::purge;
use crate::controllers::tickets::{self, Purpose, Standing};
use crate::controllers::{Context, Error};
use crate::events::{EventType, ObjectRef, Reason};
use crate::resources::data_source::DataSource;
use crate::resources::engine::{CloneProgress, EngineStatus};
use crate::resources::volume::{CloneState, CloneStatus, Robustness, VolumeStatus};
use crate::resources::volume_attachment::{AttacherType, FrontendWish};
use crate::resources::{Engine, Object, Volume, timestamp};
use crate::settings::Name;

pub(crate) use calls::LABEL_FOR;

use calls::Copying;

/// Pause after the first attempt that failed, doubled with each further one.
const PAUSE_FIRST: Duration = Duration::from_secs(10);
const PAUSE_LONGEST: Duration = Duration::from_secs(600);
/// How soon to look for a turn again when others' heavy work fills the node.
const TURN_PAUSE: Duration = Duration::from_secs(10);
/// How soon to look at the source's ticket again: its changes do not wake the target.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What a person can do about a copy that failed.
const RETRIED: &str = "Mend what it says; it is tried again by itself. Delete the volume if it is not wanted any more.";

/// Both tickets, on the target and on the source, are the target's.
pub(super) const fn purpose(target: &str) -> Purpose<'_> {
    Purpose { kind: AttacherType::VolumeCloneController, of: target }
}

/// The step of one pass.
pub(super) async fn step(
    volumes: &Volumes,
    volume: &Object<Volume>,
    family: &Family,
    findings: &mut Findings,
) -> Result<(), Error> {
    // What was stored was checked; a text that is none asks for nothing.
    let Ok(source) = volume.spec.data_source.parse::<DataSource>() else { return Ok(()) };
    let clone = Clone { volumes, context: &volumes.context, volume, family, source };
    match volume.status.clone_status.state {
        CloneState::Completed => clone.release_both().await,
        CloneState::CopyCompletedAwaitingHealthy => clone.await_health(findings).await,
        CloneState::Failed if !clone.pause().is_zero() => {
            findings.look_again_in(clone.pause());
            findings.causes.push(clone.failed());
            clone.release_both().await
        }
        CloneState::None | CloneState::Initiated | CloneState::Failed => {
            let ended = clone.copy(findings).await;
            clone.bear_silence(ended, findings)
        }
    }
}

/// Takes back what the clone has on its source; for a target that goes, and whose engine reads no more. The snapshot
/// first: the ticket keeps the source up meanwhile.
pub(super) async fn let_source_go(context: &Context, volume: &Object<Volume>) -> Result<(), Error> {
    let Ok(source) = volume.spec.data_source.parse::<DataSource>() else { return Ok(()) };
    if source.snapshot.is_none() && !volume.is_filled() {
        calls::forget_helper(context, source.volume.as_str(), volume.name(), &helper_name(volume)).await?;
    }
    tickets::release(&context.store, source.volume.as_str(), &purpose(volume.name())).await
}

/// The snapshot of what the source holds now.
pub(in crate::controllers) fn helper_name(target: &Object<Volume>) -> String {
    format!("clone-{}", target.metadata.uid.chars().take(8).collect::<String>())
}

struct Clone<'a> {
    volumes: &'a Volumes,
    context: &'a Context,
    /// The target.
    volume: &'a Object<Volume>,
    family: &'a Family,
    source: DataSource,
}

impl Clone<'_> {
    /// Brings both up and has the data copied.
    async fn copy(&self, findings: &mut Findings) -> Result<(), Error> {
        let source = self.context.store.find::<Volume>(self.source.volume.as_str()).await?;
        let Some(source) = source.filter(|source| !source.is_deleting()) else {
            let why = format!("its source, volume {}, is gone", self.source.volume);
            return self.fail(&why, findings).await;
        };
        if source.status.robustness == Robustness::Faulted {
            let why = format!("its source, volume {}, is faulted", source.name());
            return self.fail(&why, findings).await;
        }
        if !source.is_filled() || !source.is_restored() {
            findings.look_again_in(TURN_PAUSE);
            let why = format!("its source, volume {}, does not hold all of its own data yet", source.name());
            findings.causes.push(self.underway(&why));
            return self.release_both().await;
        }
        if !self.both_are_up(&source).await? {
            findings.look_again_in(LOOK_AGAIN);
            findings.causes.push(self.underway("both volumes are being brought up for it"));
            return Ok(());
        }
        let snapshot = self.snapshot_name();
        match calls::copying(self.context, self.family, &snapshot).await? {
            Copying::There(told) => self.copied(&source, told).await,
            Copying::Running => {
                findings.causes.push(self.underway("its data is being copied"));
                self.note(CloneState::Initiated, &snapshot).await
            }
            Copying::Ended(why) if self.volume.status.clone_status.state == CloneState::Initiated => {
                self.fail(&why, findings).await
            }
            Copying::NotBegun | Copying::Ended(_) => {
                let _counting = self.volumes.copying.lock().await;
                match self.must_wait().await? {
                    None => self.begin(&source, &snapshot, findings).await,
                    Some(cause) => {
                        findings.look_again_in(TURN_PAUSE);
                        findings.causes.push(cause);
                        Ok(())
                    }
                }
            }
        }
    }

    /// A ticket is served for as long as its volume says that it is attached, also when the engine has just ended: the
    /// engines themselves have the last word.
    async fn both_are_up(&self, source: &Object<Volume>) -> Result<bool, Error> {
        let (store, purpose) = (&self.context.store, purpose(self.volume.name()));
        let Some(from) = tickets::node_for(self.context, source).await? else { return Ok(false) };
        let Some(to) = tickets::node_for(self.context, self.volume).await? else { return Ok(false) };
        let engine = store.find::<Engine>(&engine_name(source.name())).await?;
        let source = tickets::want(store, source.name(), &purpose, &from, FrontendWish::Either).await?;
        let target = tickets::want(store, self.volume.name(), &purpose, &to, FrontendWish::Off).await?;
        let are_served = source == Standing::Served && target == Standing::Served;
        Ok(are_served && self.family.can_be_asked() && engine.is_some_and(|engine| family::can_be_asked(&engine)))
    }

    /// Too much heavy work on the node (`snapshot-heavy-task-concurrent-limit`). One that has noted its beginning has its
    /// turn: two that wait for each other would wait for ever.
    async fn must_wait(&self) -> Result<Option<Cause>, Error> {
        let limit = self.context.settings.number(Name::SnapshotHeavyTaskConcurrentLimit);
        if limit == 0 || self.volume.status.clone_status.state == CloneState::Initiated {
            return Ok(None);
        }
        let (node, name) = (&self.family.engine.spec.node_id, self.volume.name());
        let mut busy = purge::heavy_engines(self.context, node).await?;
        busy.remove(self.family.engine.name());
        if (busy.len() as u64) < limit {
            return Ok(None);
        }
        let message = format!(
            "{name} waits to be filled from {}: {} purges and copies run on {node}, and {limit} are allowed at once.",
            self.source.volume,
            busy.len()
        );
        let next_step = "Wait, or raise snapshot-heavy-task-concurrent-limit.";
        let cause = Cause::new(CauseCode::RebuildWaiting, Severity::Info, message, next_step);
        Ok(Some(cause.about([name, node.as_str()])))
    }

    /// A question that got no answer is told and asked again; whatever else is to be done in the pass is done.
    fn bear_silence(&self, ended: Result<(), Error>, findings: &mut Findings) -> Result<(), Error> {
        let Err(Error::Client(error)) = ended else { return ended };
        findings.look_again_in(LOOK_AGAIN);
        let message = format!("{} waits to be filled from {}: {error}.", self.volume.name(), self.source.volume);
        findings.causes.push(self.cause(Severity::Warning, message, "It is asked again by itself."));
        Ok(())
    }

    async fn begin(&self, source: &Object<Volume>, snapshot: &str, findings: &mut Findings) -> Result<(), Error> {
        self.note(CloneState::Initiated, snapshot).await?;
        let begun = calls::begin(self.context, self.family, source, &self.source, snapshot).await?;
        match begun {
            Ok(()) => {
                let message = format!("Volume {} is being filled from {}.", self.volume.name(), self.origin(snapshot));
                self.tell(Reason::VolumeCloneInitiated, EventType::Normal, &message);
                findings.causes.push(self.underway("its data is being copied"));
                Ok(())
            }
            Err(why) => self.fail(&why, findings).await,
        }
    }

    /// The data is there; the source is not needed any more.
    async fn copied(&self, source: &Object<Volume>, told: Option<CloneProgress>) -> Result<(), Error> {
        // What is stored of the engine lags by a moment, and the job that ends with the next step says how much was copied.
        if told.is_some() && self.family.engine.status.clone != told {
            let note = |status: &mut EngineStatus| status.clone.clone_from(&told);
            self.context.store.modify_status::<Engine>(self.family.engine.name(), note).await?;
        }
        if self.source.snapshot.is_none() {
            calls::remove_helper(self.context, source, &self.snapshot_name()).await;
        }
        tickets::release(&self.context.store, source.name(), &purpose(self.volume.name())).await?;
        let (state, reason, what) = if self.is_whole() {
            (CloneState::Completed, Reason::VolumeCloneCompleted, "a complete copy")
        } else {
            let reason = Reason::VolumeCloneCopyCompleteAwaitingHealthy;
            (CloneState::CopyCompletedAwaitingHealthy, reason, "a copy, not yet on all of its replicas,")
        };
        let snapshot = self.snapshot_name();
        self.note(state, &snapshot).await?;
        let message = format!("Volume {} is {what} of {}.", self.volume.name(), self.origin(&snapshot));
        self.tell(reason, EventType::Normal, &message);
        Ok(())
    }

    /// The volume can be used; it is kept up until its replicas are whole, unless somebody wants it elsewhere.
    async fn await_health(&self, findings: &mut Findings) -> Result<(), Error> {
        tickets::release(&self.context.store, self.source.volume.as_str(), &purpose(self.volume.name())).await?;
        if self.is_whole() {
            self.note(CloneState::Completed, &self.volume.status.clone_status.snapshot).await?;
            let message = format!("Volume {} is a complete copy of {}.", self.volume.name(), self.source.volume);
            self.tell(Reason::VolumeCloneCompleted, EventType::Normal, &message);
            return Ok(());
        }
        match tickets::node_for(self.context, self.volume).await? {
            Some(node) => {
                let purpose = purpose(self.volume.name());
                let store = &self.context.store;
                tickets::want(store, self.volume.name(), &purpose, &node, FrontendWish::Either).await?;
            }
            None => findings.look_again_in(LOOK_AGAIN),
        }
        Ok(())
    }

    fn is_whole(&self) -> bool {
        let wished = usize::try_from(self.volume.spec.number_of_replicas).unwrap_or(usize::MAX);
        self.family.serving() >= wished
    }

    async fn release_both(&self) -> Result<(), Error> {
        let (store, purpose) = (&self.context.store, purpose(self.volume.name()));
        tickets::release(store, self.source.volume.as_str(), &purpose).await?;
        tickets::release(store, self.volume.name(), &purpose).await
    }

    async fn fail(&self, why: &str, findings: &mut Findings) -> Result<(), Error> {
        let attempts = self.volume.status.clone_status.attempt_count.saturating_add(1);
        let pause = pause_after(attempts);
        let next = timestamp::text(OffsetDateTime::now_utc() + pause);
        let change = |status: &mut VolumeStatus| {
            status.clone_status = CloneStatus {
                state: CloneState::Failed,
                attempt_count: attempts,
                next_allowed_attempt_at: next.clone(),
                source_volume: self.source.volume.to_string(),
                ..status.clone_status.clone()
            };
        };
        self.context.store.modify_status::<Volume>(self.volume.name(), change).await?;
        let message = format!("Volume {} could not be filled from {}: {why}.", self.volume.name(), self.source.volume);
        self.tell(Reason::VolumeCloneFailed, EventType::Warning, &message);
        findings.look_again_in(pause);
        let message = format!("{message} That was attempt {attempts}; the next one is at {next}.");
        findings.causes.push(self.cause(Severity::Warning, message, RETRIED));
        self.release_both().await
    }

    async fn note(&self, state: CloneState, snapshot: &str) -> Result<(), Error> {
        let change = |status: &mut VolumeStatus| {
            status.clone_status.state = state;
            status.clone_status.source_volume = self.source.volume.to_string();
            snapshot.clone_into(&mut status.clone_status.snapshot);
            status.clone_status.next_allowed_attempt_at.clear();
        };
        self.context.store.modify_status::<Volume>(self.volume.name(), change).await?;
        Ok(())
    }

    /// The snapshot of the source, and what it becomes here.
    fn snapshot_name(&self) -> String {
        match &self.source.snapshot {
            Some(name) => name.clone(),
            None => helper_name(self.volume),
        }
    }

    fn origin(&self, snapshot: &str) -> String {
        format!("snapshot {snapshot} of volume {}", self.source.volume)
    }

    fn pause(&self) -> Duration {
        let next = timestamp::parse(&self.volume.status.clone_status.next_allowed_attempt_at);
        next.map(|next| (next - OffsetDateTime::now_utc()).try_into().unwrap_or_default()).unwrap_or_default()
    }

    fn tell(&self, reason: Reason, kind: EventType, message: &str) {
        self.context.events.emit(&ObjectRef::from(self.volume), reason, kind, message);
    }

    fn cause(&self, severity: Severity, message: String, next_step: &str) -> Cause {
        let code = if severity == Severity::Info { CauseCode::Rebuilding } else { CauseCode::CloneFailed };
        let objects = vec![self.volume.name().to_owned(), self.source.volume.to_string()];
        Cause { code, severity, message, next_step: next_step.to_owned(), objects, details: Vec::new() }
    }

    fn underway(&self, what: &str) -> Cause {
        let message = format!("{} is a copy of {} in the making: {what}.", self.volume.name(), self.source.volume);
        self.cause(Severity::Info, message, "It ends by itself; the volume can be attached then.")
    }

    /// What was told when it failed, with the reason: it is kept in the status for as long as the pause lasts.
    fn failed(&self) -> Cause {
        let mut told = self.volume.status.causes.iter().filter(|cause| cause.code == CauseCode::CloneFailed);
        if let Some(cause) = told.next() {
            return cause.clone();
        }
        let status = &self.volume.status.clone_status;
        let message = format!(
            "{} could not be filled from {} (attempt {}); the next attempt is at {}.",
            self.volume.name(),
            self.source.volume,
            status.attempt_count,
            status.next_allowed_attempt_at
        );
        self.cause(Severity::Warning, message, RETRIED)
    }
}

/// Doubled with each attempt, up to a cap.
fn pause_after(attempts: u32) -> Duration {
    PAUSE_FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(PAUSE_LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_between_attempts_grow_to_a_cap() {
        assert_eq!(pause_after(1), PAUSE_FIRST);
        assert_eq!(pause_after(2), PAUSE_FIRST * 2);
        assert_eq!(pause_after(u32::MAX), PAUSE_LONGEST);
    }
}
