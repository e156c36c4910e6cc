//! Salvage by hand: a person's order to go on with certain replicas where none with all data can be used.
//!
//! ```text
//!  ordered ──tied to the record──► waits for every named replica ──► engine starts with --salvage ──► answered
//!     │                                 │ one can't run                    │ finds none either
//!     └─ a member runs, or the record changed ──────────────────────────────────────────────────────► answered
//! ```
//!
//! Invariants:
//! - nothing here orders a salvage: only the action `salvage` does;
//! - one order is carried out at most once. It is tied to the generation of the control record, which a salvage changes
//!   before anything is served (`engine/start.rs`); whatever becomes of it, it is answered and never tried again;
//! - while a member can be used the order changes nothing: the volume starts with that one;
//! - all named replicas have to run, or the best of them might be passed over without anybody knowing.

use std::collections::BTreeMap;

use super::family::Family;
use super::fault;
use super::open_close::{self, Opening, Readiness};
use super::{Findings, Volumes};
use crate::controllers::tickets::{self, Purpose};
use crate::controllers::{Context, Error};
use crate::events::{EventType, ObjectRef, Reason};
use crate::instance::record;
use crate::resources::engine::{EngineStatus, InstanceState};
use crate::resources::volume::VolumeStatus;
use crate::resources::volume_attachment::{AttacherType, FrontendWish};
use crate::resources::{Engine, Object, Replica, Volume, timestamp};

fn purpose(volume: &str) -> Purpose<'_> {
    Purpose { kind: AttacherType::SalvageController, of: volume }
}

/// What is to be done about an order in this pass.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// The record that it is for has to be noted first.
    Tie(u64),
    /// The volume has to come up; the rest happens while it is opened.
    CarryOn,
    Answer(Outcome),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// The engine chose a replica; the text says which, from what, and why.
    Salvaged(String),
    NotNeeded,
    NothingToSalvage,
    RecordChanged,
    Failed(String),
}

fn judge(engine: &Object<Engine>, decided_for: Option<u64>, generation: Option<u64>) -> Step {
    let status = &engine.status;
    match status.current_state {
        InstanceState::Running if !status.replica_mode_map.is_empty() => {
            return Step::Answer(match status.salvage.as_str() {
                "" => Outcome::NotNeeded,
                note => Outcome::Salvaged(note.to_owned()),
            });
        }
        InstanceState::Error if status.no_usable_replica && decided_for.is_some() => {
            return Step::Answer(Outcome::Failed(status.cause.clone()));
        }
        _ => {}
    }
    match (decided_for, generation) {
        (_, None) => Step::Answer(Outcome::NothingToSalvage),
        (None, Some(generation)) => Step::Tie(generation),
        (Some(decided_for), Some(generation)) if decided_for == generation => Step::CarryOn,
        // An engine that is still starting has changed it: what it tells next is the answer.
        (Some(_), Some(_)) if matches!(status.current_state, InstanceState::Starting | InstanceState::Running) => {
            Step::CarryOn
        }
        (Some(_), Some(_)) => Step::Answer(Outcome::RecordChanged),
    }
}

/// The step of one pass.
pub(super) async fn step(
    volumes: &Volumes,
    volume: &Object<Volume>,
    family: &Family,
    _: &mut Findings,
) -> Result<(), Error> {
    let context = &volumes.context;
    let Some(order) = family.engine.pending_salvage() else {
        return tickets::release(&context.store, volume.name(), &purpose(volume.name())).await;
    };
    let record = record::get(&context.clients, volume.name()).await?;
    match judge(&family.engine, order.record_generation, record.map(|record| record.generation)) {
        Step::Tie(generation) => {
            let number = order.number;
            let tie = |engine: &mut Object<Engine>| {
                let order = &mut engine.spec.salvage_order;
                if order.number == number && order.record_generation.is_none() {
                    order.record_generation = Some(generation);
                }
            };
            context.store.modify::<Engine>(family.engine.name(), tie).await?;
            Ok(())
        }
        Step::CarryOn => {
            if let Some(node) = tickets::node_for(context, volume).await? {
                let purpose = purpose(volume.name());
                tickets::want(&context.store, volume.name(), &purpose, &node, FrontendWish::Either).await?;
            }
            Ok(())
        }
        Step::Answer(outcome) => answer(context, volume, family, &outcome).await,
    }
}

/// Opening with the named replicas, after no member could be had.
pub(super) async fn open(context: &Context, volume: &Object<Volume>, family: &Family) -> Result<Opening, Error> {
    let Some(order) = family.engine.pending_salvage() else { return Ok(Opening::Underway) };
    let (mut ready, mut waiting, mut lost) = (BTreeMap::new(), false, Vec::new());
    for name in &order.replicas {
        let Some(replica) = family.staying().find(|replica| replica.name() == name) else {
            lost.push(format!("{name} (there is no such replica any more)"));
            continue;
        };
        match open_close::readiness(context, replica) {
            Readiness::Ready => {
                ready.insert(name.clone(), replica.status.address.clone());
            }
            Readiness::Coming => {
                bring_up(context, replica).await?;
                waiting = true;
            }
            Readiness::Lost(reason) => lost.push(format!("{name} ({reason})")),
        }
    }
    if waiting {
        return Ok(Opening::Underway);
    }
    if !lost.is_empty() || ready.is_empty() {
        let why = format!("these of the chosen replicas can't be used: {}", lost.join("; "));
        answer(context, volume, family, &Outcome::Failed(why)).await?;
        let record = record::get(&context.clients, volume.name()).await?;
        return Ok(Opening::Impossible(fault::cause(volume, family, &[], record.as_ref())));
    }
    open_close::start_engine(context, volume, family, ready).await?;
    Ok(Opening::Underway)
}

/// Its files count as they are: a directory that is gone is not made anew.
async fn bring_up(context: &Context, replica: &Object<Replica>) -> Result<(), Error> {
    let change = |replica: &mut Object<Replica>| {
        replica.spec.salvage_requested = true;
        replica.spec.failed_at.clear();
        replica.spec.desire_state = InstanceState::Running;
    };
    context.store.modify::<Replica>(replica.name(), change).await?;
    Ok(())
}

/// Ends the order. The number in the status comes last: until then everything can be repeated.
async fn answer(context: &Context, volume: &Object<Volume>, family: &Family, outcome: &Outcome) -> Result<(), Error> {
    let Some(number) = family.engine.pending_salvage().map(|order| order.number) else { return Ok(()) };
    for replica in family.replicas.iter().filter(|replica| replica.spec.salvage_requested) {
        context.store.modify::<Replica>(replica.name(), |replica| end_order(replica, outcome)).await?;
    }
    let clear = |engine: &mut Object<Engine>| {
        if engine.spec.salvage_order.number == number {
            engine.spec.salvage_requested = false;
        }
    };
    context.store.modify::<Engine>(family.engine.name(), clear).await?;
    if matches!(outcome, Outcome::Salvaged(_)) {
        let remount = |status: &mut VolumeStatus| status.remount_requested_at = timestamp::now();
        context.store.modify_status::<Volume>(volume.name(), remount).await?;
    }
    let answered = |status: &mut EngineStatus| status.salvage_answered = status.salvage_answered.max(number);
    context.store.modify_status::<Engine>(family.engine.name(), answered).await?;
    tell(context, volume, outcome);
    Ok(())
}

/// A replica that was brought up for a salvage which was not carried out lacks what it lacked before.
fn end_order(replica: &mut Object<Replica>, outcome: &Outcome) {
    let spec = &mut replica.spec;
    spec.salvage_requested = false;
    if !matches!(outcome, Outcome::Salvaged(_)) && spec.healthy_at.is_empty() && spec.failed_at.is_empty() {
        spec.failed_at.clone_from(&spec.last_failed_at);
        if !spec.failed_at.is_empty() {
            spec.desire_state = InstanceState::Stopped;
        }
    }
}

fn tell(context: &Context, volume: &Object<Volume>, outcome: &Outcome) {
    let name = volume.name();
    let (reason, kind, message) = match outcome {
        Outcome::Salvaged(note) => {
            (Reason::Remount, EventType::Warning, format!("Volume {name} was salvaged, as ordered: {note}."))
        }
        Outcome::NotNeeded => {
            let message = format!("Volume {name} runs with all of its data; the salvage was not needed.");
            (Reason::Start, EventType::Normal, message)
        }
        Outcome::NothingToSalvage => {
            let message = format!("Volume {name} was never attached; there is nothing to salvage.");
            (Reason::FailedStarting, EventType::Warning, message)
        }
        Outcome::RecordChanged => {
            let message = format!("Volume {name} was in use since its salvage was ordered; it is not carried out.");
            (Reason::FailedStarting, EventType::Warning, message)
        }
        Outcome::Failed(why) => {
            let message = format!("Volume {name} could not be salvaged: {why}. Order it again with other replicas.");
            (Reason::FailedStarting, EventType::Warning, message)
        }
    };
    context.events.emit(&ObjectRef::from(volume), reason, kind, &message);
}

#[cfg(test)]
mod tests {
    use super::*;
    use aurochs_api::replica::ReplicaMode;

    fn engine(state: InstanceState) -> Object<Engine> {
        let mut engine = Object::<Engine>::new("v-e-0", Default::default());
        engine.status.current_state = state;
        if state == InstanceState::Running {
            engine.status.replica_mode_map.insert("b".into(), ReplicaMode::ReadWrite);
        }
        engine
    }

    #[test]
    fn a_replica_that_was_not_salvaged_has_still_failed() {
        const FAILED: &str = "2026-01-01T00:00:00Z";
        let brought_up = || {
            let mut replica = Object::<Replica>::new("f", Default::default());
            replica.spec.salvage_requested = true;
            replica.spec.last_failed_at = FAILED.into();
            replica.spec.desire_state = InstanceState::Running;
            replica
        };
        let failed = [Outcome::Failed(String::new()), Outcome::RecordChanged, Outcome::NotNeeded];
        for outcome in failed {
            let mut replica = brought_up();
            end_order(&mut replica, &outcome);
            assert_eq!(
                (replica.spec.failed_at.as_str(), replica.spec.salvage_requested),
                (FAILED, false),
                "{outcome:?}"
            );
            assert_eq!(replica.spec.desire_state, InstanceState::Stopped, "{outcome:?}");
            let mut whole = brought_up();
            whole.spec.healthy_at = FAILED.into();
            end_order(&mut whole, &outcome);
            assert!(!whole.spec.has_failed(), "{outcome:?}: a member that was named is whole");
        }
        let mut salvaged = brought_up();
        end_order(&mut salvaged, &Outcome::Salvaged("f was chosen".into()));
        assert!(!salvaged.spec.has_failed() && salvaged.spec.desire_state == InstanceState::Running);
    }

    #[test]
    fn an_order_is_tied_to_one_record_and_answered_once() {
        use InstanceState::{Error, Running, Starting, Stopped};
        let stopped = engine(Stopped);
        assert_eq!(judge(&stopped, None, Some(7)), Step::Tie(7));
        assert_eq!(judge(&stopped, Some(7), Some(7)), Step::CarryOn);
        assert_eq!(judge(&stopped, Some(7), Some(8)), Step::Answer(Outcome::RecordChanged));
        assert_eq!(judge(&stopped, Some(7), None), Step::Answer(Outcome::NothingToSalvage));
        // The salvage has changed the record, and the engine has not told of it yet.
        assert_eq!(judge(&engine(Starting), Some(7), Some(8)), Step::CarryOn);
        let mut salvaged = engine(Running);
        assert_eq!(judge(&salvaged, Some(7), Some(8)), Step::Answer(Outcome::NotNeeded), "a member turned up");
        salvaged.status.salvage = "b was chosen".into();
        assert_eq!(judge(&salvaged, Some(7), Some(8)), Step::Answer(Outcome::Salvaged("b was chosen".into())));
        let mut failed = engine(Error);
        failed.status.no_usable_replica = true;
        assert!(matches!(judge(&failed, Some(7), Some(7)), Step::Answer(Outcome::Failed(_))));
    }
}
