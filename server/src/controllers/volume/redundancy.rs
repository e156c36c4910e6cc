//! Keeps as many whole replicas as an attached volume wishes, where they are wished: one change at a time.
//!
//! | the volume has | then |
//! |---|---|
//! | a replica that joins | nothing else, until it is whole or failed |
//! | too few whole replicas | [`rebuild::choose`]: rebuild one that is there, wait for one, or make one |
//! | enough | failed ones go; one more is made and filled while there is a [`Need`]; what is too many goes |
//!
//! Invariants: a whole replica goes only when more than wished are whole, so never the last; at most one object is made
//! in a pass, and none while another has no place or joins; nothing joins a copy in the making: that takes a snapshot, and
//! only a volume without any can be filled.

use std::time::Duration;

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::replica::ReplicaMode;

use super::super::Error;
use super::extra::Need;
use super::family::Family;
use super::placement::{self, SchedulingFailure, Wanted};
use super::ready_disks::{self, ReadyDisks};
use super::rebuild::{self, Candidate, Choice, Reach, Situation};
use super::turns::Turns;
use super::upkeep::CONDITION_FAILED;
use super::{Findings, SCHEDULING_RETRY, Volumes, balance, cluster, eviction, joining};
use crate::events::{EventType, ObjectRef, Reason};
use crate::instance::Answering;
use crate::resources::engine::{EngineStatus, InstanceState};
use crate::resources::replica::REBUILD_RETRIES_MAXIMUM;
use crate::resources::volume::{DataLocality, REASON_LOCAL_SCHEDULING_FAILURE, Robustness};
use crate::resources::{Object, Replica, Volume, condition, timestamp};
use crate::scheduling::NodeView;
use crate::scheduling::causes::NoPlace;
use crate::scheduling::surplus::{self, Surplus};
use crate::settings::{Name, Settings};

/// How soon to look again when something that is not ours has to happen first.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// One step for a volume whose engine runs.
pub(super) async fn keep(
    volumes: &Volumes,
    volume: &Object<Volume>,
    family: &Family,
    findings: &mut Findings,
) -> Result<(), Error> {
    if family.engine.status.replica_mode_map.is_empty() || !volume.is_filled() {
        return Ok(());
    }
    if let Some(joining) = joining::bring_in(&volumes.context, family).await? {
        findings.causes.push(joining);
        return Ok(());
    }
    let disks = ready_disks::read(&volumes.context).await?;
    let pass = Pass { volumes, volume, family, disks, wished: placement::wished(volume) };
    if pass.whole().count() < pass.wished { pass.restore(findings).await } else { pass.arrange(findings).await }
}

/// What one pass works on.
struct Pass<'a> {
    volumes: &'a Volumes,
    volume: &'a Object<Volume>,
    family: &'a Family,
    disks: ReadyDisks,
    wished: usize,
}

impl<'a> Pass<'a> {
    fn whole(&self) -> impl Iterator<Item = &'a Object<Replica>> {
        self.family.whole()
    }

    /// Too few are whole.
    async fn restore(&self, findings: &mut Findings) -> Result<(), Error> {
        if let Some(cause) = self.must_wait() {
            findings.causes.push(cause);
            findings.look_again_in(LOOK_AGAIN);
            return Ok(());
        }
        let _in_turn = self.volumes.rebuilding.lock().await;
        let turns = Turns::count(&self.volumes.context).await?;
        let candidates = self.candidates(&turns);
        match rebuild::choose(&candidates, &self.situation(&turns)) {
            Choice::Start(name) => self.start(&name).await,
            Choice::GiveUp(name) => self.delete(&name, "it is given up").await,
            Choice::Replace => self.replace(candidates, &turns, findings).await,
            Choice::Wait { cause, look_again } => {
                // Why there is no place the scheduler has told, disk by disk.
                if cause.code != CauseCode::NotEnoughNodes || findings.scheduling.is_none() {
                    findings.causes.push(cause);
                }
                findings.look_again_in(look_again);
                Ok(())
            }
        }
    }

    fn situation(&self, turns: &Turns) -> Situation {
        let settings = &self.volumes.context.settings;
        Situation {
            degraded_for: self.degraded_for(),
            replenishment_wait: Duration::from_secs(settings.number(Name::ReplicaReplenishmentWaitInterval)),
            rebuilds_per_node: turns.limit,
            bound_to_node: self.volume.spec.data_locality == DataLocality::StrictLocal,
        }
    }

    /// Since the volume was found degraded, or since a replica failed that has not come back: a volume that was
    /// detached meanwhile does not wait anew.
    fn degraded_for(&self) -> Duration {
        let status = &self.volume.status;
        let told = (status.robustness == Robustness::Degraded).then(|| timestamp::age(&status.last_degraded_at));
        let failed = self.family.staying().filter_map(|replica| timestamp::age(&replica.spec.failed_at));
        failed.chain(told.flatten()).max().unwrap_or_default()
    }

    async fn replace(&self, candidates: Vec<Candidate>, turns: &Turns, findings: &mut Findings) -> Result<(), Error> {
        let Err(no) = placement::make(self.volumes, self.volume, self.family, &Wanted::InsteadOfFailed).await? else {
            return Ok(());
        };
        // Redundancy comes before an empty disk: one that should leave is better than none.
        let staying = candidates.into_iter().map(|one| Candidate { evicting: false, ..one }).collect::<Vec<_>>();
        if let Choice::Start(name) = rebuild::choose(&staying, &self.situation(turns)) {
            return self.start(&name).await;
        }
        placement::tell(self.volume, &no, findings);
        findings.causes.push(*no.cause);
        findings.look_again_in(SCHEDULING_RETRY);
        Ok(())
    }

    /// Enough are whole: what does not belong goes, what is needed besides comes.
    async fn arrange(&self, findings: &mut Findings) -> Result<(), Error> {
        let needs = std::mem::take(&mut findings.needs);
        let others: Vec<&Object<Replica>> = self.family.staying().filter(|one| !self.is_whole(one)).collect();
        let exactly = self.whole().count() == self.wished;
        let useful = others.iter().find(|one| exactly && self.is_useful(one, &needs)).copied();
        for replica in others.iter().filter(|one| useful.is_none_or(|useful| useful.name() != one.name())) {
            if replica.spec.rebuild_retry_count >= REBUILD_RETRIES_MAXIMUM {
                self.volumes.memory.note_extra_lost(self.volume.name());
            }
            self.delete(replica.name(), "enough others are whole").await?;
        }
        if let Some(useful) = useful {
            return self.fill(useful, findings).await;
        }
        if !others.is_empty() || self.is_one_leaving() {
            return Ok(());
        }
        if !exactly {
            return self.remove_surplus().await;
        }
        if needs.is_empty() {
            self.volumes.memory.forget_extra(self.volume.name());
        }
        for need in &needs {
            if self.meet(need, findings).await? {
                break;
            }
        }
        Ok(())
    }

    /// A replica that is to go is still in the engine. One that only waits for its disk or node holds up nothing.
    fn is_one_leaving(&self) -> bool {
        self.family.replicas.iter().any(|one| one.is_deleting() && self.family.mode(one.name()).is_some())
    }

    fn is_whole(&self, replica: &Object<Replica>) -> bool {
        self.family.mode(replica.name()) == Some(ReplicaMode::ReadWrite)
    }

    /// It is where one more is needed, and its data can still be brought there.
    fn is_useful(&self, replica: &Object<Replica>, needs: &[Need]) -> bool {
        let instances = &self.volumes.context.instances;
        let silent = matches!(instances.answering(&replica.spec.node_id), Answering::No { .. });
        let hopeless = replica.spec.rebuild_retry_count >= REBUILD_RETRIES_MAXIMUM;
        let (placed, writable) = (replica.spec.is_placed(), self.disks.has(replica));
        placed && writable && !silent && !hopeless && needs.iter().any(|need| need.is_met_by(replica))
    }

    async fn fill(&self, replica: &Object<Replica>, findings: &mut Findings) -> Result<(), Error> {
        if let Some(cause) = self.must_wait() {
            findings.causes.push(cause);
            findings.look_again_in(LOOK_AGAIN);
            return Ok(());
        }
        let _in_turn = self.volumes.rebuilding.lock().await;
        let turns = Turns::count(&self.volumes.context).await?;
        let candidate = self.candidate(replica, &turns);
        match rebuild::start_or_wait(&candidate, turns.limit) {
            Choice::Wait { cause, look_again } => {
                findings.causes.push(cause);
                findings.look_again_in(look_again);
                Ok(())
            }
            _ => self.start(replica.name()).await,
        }
    }

    /// Makes the replica that is needed; false when there is no place for it.
    async fn meet(&self, need: &Need, findings: &mut Findings) -> Result<bool, Error> {
        if let Some(cause) =
            self.must_wait().or_else(|| rebuilding_is_off(self.volume, need, &self.volumes.context.settings))
        {
            findings.causes.push(cause);
            findings.look_again_in(LOOK_AGAIN);
            return Ok(true);
        }
        let pause = self.volumes.memory.extra_pause(self.volume.name());
        if !pause.is_zero() {
            findings.causes.push(self.extra_failed(need));
            findings.look_again_in(pause);
            return Ok(true);
        }
        let made = match need {
            Need::Local { node } => self.make(&Wanted::ExtraOn(node.clone())).await?,
            Need::Replacement { .. } => self.make(&Wanted::Extra).await?,
            Need::Balance(_) => return balance::make(self.volumes, self.volume, self.family).await,
        };
        let Err(no) = made else { return Ok(true) };
        findings.look_again_in(SCHEDULING_RETRY);
        self.tell_unmet(need, no, findings);
        Ok(false)
    }

    async fn make(&self, wanted: &Wanted) -> Result<Result<Object<Replica>, NoPlace>, Error> {
        placement::make(self.volumes, self.volume, self.family, wanted).await
    }

    fn tell_unmet(&self, need: &Need, no: NoPlace, findings: &mut Findings) {
        if matches!(need, Need::Local { .. }) {
            let failure = SchedulingFailure { reason: REASON_LOCAL_SCHEDULING_FAILURE, message: no.message() };
            findings.scheduling.get_or_insert(failure);
        }
        let cause = unmet(need, no);
        if cause.code == CauseCode::Evicting {
            eviction::tell_stuck(&self.volumes.context, self.volume, &cause.message);
        }
        findings.causes.push(cause);
    }

    async fn remove_surplus(&self) -> Result<(), Error> {
        let nodes = cluster::read(&self.volumes.context, None).await?;
        match surplus_of(self.volume, self.family, &nodes, &self.volumes.context.settings) {
            Some(name) => self.delete(&name, "it is one more than wished").await,
            None => Ok(()),
        }
    }

    async fn delete(&self, name: &str, why: &str) -> Result<(), Error> {
        tracing::info!(volume = self.volume.name(), replica = name, why, "a replica is removed");
        Ok(self.volumes.context.store.delete::<Replica>(name).await?)
    }

    async fn start(&self, name: &str) -> Result<(), Error> {
        let context = &self.volumes.context;
        let replica = rebuild::start(context, name).await?;
        self.volumes.memory.note_rebuild(name);
        let message = format!("Replica {name} on {} is being rebuilt.", replica.spec.node_id);
        context.events.emit(&ObjectRef::from(&replica), Reason::Rebuilding, EventType::Normal, &message);
        Ok(())
    }

    /// What an engine refuses replicas for is not begun with.
    fn must_wait(&self) -> Option<Cause> {
        let what = comes_first(&self.family.engine.status)?;
        let message = format!("Rebuilding of {} waits until it has {what}.", self.volume.name());
        Some(self.cause(CauseCode::RebuildWaiting, Severity::Info, message, "It goes on by itself then."))
    }

    fn extra_failed(&self, need: &Need) -> Cause {
        let message = format!(
            "A replica of {} is to be made {}; the last one could not be filled and was given up.",
            self.volume.name(),
            need.text()
        );
        self.cause(CauseCode::RebuildWaiting, Severity::Warning, message, "It is tried again by itself.")
    }

    fn cause(&self, code: CauseCode, severity: Severity, message: String, next_step: &str) -> Cause {
        Cause::new(code, severity, message, next_step).about([self.volume.name()])
    }

    fn candidates(&self, turns: &Turns) -> Vec<Candidate> {
        self.family.staying().map(|replica| self.candidate(replica, turns)).collect()
    }

    fn candidate(&self, replica: &Object<Replica>, turns: &Turns) -> Candidate {
        let (spec, mode) = (&replica.spec, self.family.mode(replica.name()));
        Candidate {
            name: replica.name().to_owned(),
            node: spec.node_id.clone(),
            reach: match self.volumes.context.instances.answering(&spec.node_id) {
                Answering::Yes { .. } => Reach::Answers,
                Answering::No { .. } => Reach::Silent,
                Answering::NotYet => Reach::NotHeard,
            },
            disk_ready: self.disks.has(replica),
            placed: spec.is_placed(),
            serves: mode == Some(ReplicaMode::ReadWrite),
            failed: spec.has_failed(),
            evicting: spec.eviction_requested,
            stopped: replica.status.current_state == InstanceState::Stopped && mode.is_none(),
            retries: spec.rebuild_retry_count,
            failure: condition::find(&replica.status.conditions, CONDITION_FAILED)
                .map(|failed| failed.message.clone())
                .unwrap_or_default(),
            pause_left: self.volumes.memory.rebuild_pause(replica.name(), spec.rebuild_retry_count),
            rebuilds_on_node: turns.running_on(&spec.node_id),
        }
    }
}

/// A replica that is needed has no place.
pub(super) fn unmet(need: &Need, no: NoPlace) -> Cause {
    let message = format!("A replica is to be made {}, and has no place. {}", need.text(), no.cause.message);
    let code = if matches!(need, Need::Replacement { .. }) { CauseCode::Evicting } else { no.cause.code };
    Cause { code, message, ..*no.cause }
}

pub(super) fn rebuilding_is_off(volume: &Object<Volume>, need: &Need, settings: &Settings) -> Option<Cause> {
    let limit = settings.number(Name::ConcurrentReplicaRebuildPerNodeLimit);
    (limit == 0).then(|| {
        let message = format!(
            "A replica of {} is to be made {}, and rebuilding is switched off \
             (concurrent-replica-rebuild-per-node-limit is 0).",
            volume.name(),
            need.text()
        );
        let next_step = "Raise concurrent-replica-rebuild-per-node-limit.";
        Cause::new(CauseCode::RebuildWaiting, Severity::Warning, message, next_step).about([volume.name()])
    })
}

/// Of more whole replicas than wished, the one that goes.
pub(super) fn surplus_of(
    volume: &Object<Volume>,
    family: &Family,
    nodes: &[NodeView],
    settings: &Settings,
) -> Option<String> {
    let holders = balance::holders(family.whole());
    let surplus = Surplus {
        holders: &holders,
        nodes,
        mode: balance::mode(settings, volume),
        pressure_percent: balance::pressure_percent(settings),
        engine_node: &family.engine.spec.node_id,
        keep_local: volume.spec.data_locality == DataLocality::BestEffort,
    };
    surplus::choose(&surplus).map(str::to_owned)
}

/// What a volume gets before replicas join it.
fn comes_first(engine: &EngineStatus) -> Option<&'static str> {
    let copies = engine.clone.as_ref().is_some_and(|clone| clone.state == "in_progress");
    match (engine.is_expanding, copies) {
        (true, _) => Some("its new size"),
        (false, true) => Some("the data that it is made from"),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::engine::CloneProgress;

    /// behaviour.md §3, row "rebuild trigger".
    #[test]
    fn nothing_is_rebuilt_while_the_volume_grows_or_is_filled() {
        let cloning = |state: &str| Some(CloneProgress { state: state.to_owned(), ..CloneProgress::default() });
        for (is_expanding, clone, waits) in [
            (false, None, false),
            (true, None, true),
            (false, cloning("in_progress"), true),
            (false, cloning("complete"), false),
            (false, cloning("error"), false),
        ] {
            let engine = EngineStatus { is_expanding, clone, ..EngineStatus::default() };
            assert_eq!(comes_first(&engine).is_some(), waits, "{engine:?}");
        }
    }
}
