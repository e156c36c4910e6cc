//! Expansion: the engine and the replicas follow a larger size of the volume.
//!
//! 1. The bytes that every replica may grow by are promised on its disk, all or none (`replica.spec.volumeSize`).
//! 2. While no workload has the volume attached, a ticket of the expansion's own brings the engine up without a device.
//! 3. The engine is asked to grow; what it then tells is the size.
//! 4. Promises, the engine's wish and the ticket follow what it told.
//!
//! Invariants:
//! - an engine is never asked to grow before the room is promised on every disk;
//! - `volume.spec.size` shrinks (a cancelled expansion) only while the engine has not the new size. Where it has it after
//!   all, because it was just growing, the size that the engine tells counts and `volume.spec.size` follows it: what a
//!   client has seen is never taken back;
//! - a copy in the making grows when its data is there: the engine fills only what is as it was made;
//! - the ticket is there exactly while there is something to grow that no workload's attachment serves; that is looked up
//!   in each pass, so that a restart leaves none behind.

use std::time::Instant;

use aurochs_api::cause::{Cause, CauseCode, CauseDetail, Severity};
use aurochs_api::size::ByteSize;
use aurochs_engine::grpc::engine_v1::ExpandRequest;

use super::attempts::Refusal;
use super::cluster::{limits, views};
use super::family::Family;
use super::growth_room::shortages;
use super::{ASK_AGAIN, Findings, SCHEDULING_RETRY, Volumes};
use crate::controllers::tickets::{self, Purpose};
use crate::controllers::{Context, Error};
use crate::events::{EventType, ObjectRef, Reason};
use crate::instance::{CHANGE_TIMEOUT, rpc, within};
use crate::resources::volume_attachment::{AttacherType, FrontendWish};
use crate::resources::{Engine, Node, Object, Replica, Volume, VolumeAttachment};

/// Whose ticket it is.
pub(super) const fn purpose(volume: &str) -> Purpose<'_> {
    Purpose { kind: AttacherType::VolumeExpansionController, of: volume }
}

/// The size that the volume has: what its engine last told, or was made for.
#[must_use]
pub fn present_size(engine: &Object<Engine>) -> ByteSize {
    if engine.status.current_size == ByteSize::ZERO { engine.spec.volume_size } else { engine.status.current_size }
}

/// What sizes ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// The volume has the size that it should have.
    Nothing,
    /// The engine has to grow.
    Grow,
    /// The engine has grown further than the volume says: an expansion that was cancelled too late.
    Follow,
}

fn wish(wished: ByteSize, present: ByteSize) -> Wish {
    match wished.cmp(&present) {
        std::cmp::Ordering::Equal => Wish::Nothing,
        std::cmp::Ordering::Greater => Wish::Grow,
        std::cmp::Ordering::Less => Wish::Follow,
    }
}

/// The step of one pass.
pub(super) async fn step(
    volumes: &Volumes,
    volume: &Object<Volume>,
    family: &Family,
    findings: &mut Findings,
) -> Result<(), Error> {
    let context = &volumes.context;
    let present = present_size(&family.engine);
    match wish(volume.spec.size, present) {
        Wish::Follow => follow(context, volume, present).await,
        Wish::Nothing => settle(volumes, volume, family, present).await,
        Wish::Grow if !volume.is_filled() => {
            findings.causes.push(waiting(volume, "it is a copy in the making", "It grows when its data is there."));
            tickets::release(&context.store, volume.name(), &purpose(volume.name())).await
        }
        Wish::Grow => grow(volumes, volume, family, findings).await,
    }
}

async fn follow(context: &Context, volume: &Object<Volume>, present: ByteSize) -> Result<(), Error> {
    tracing::warn!(volume = volume.name(), size = %present, "the engine has grown already; its size counts");
    let raise = |volume: &mut Object<Volume>| volume.spec.size = volume.spec.size.max(present);
    context.store.modify::<Volume>(volume.name(), raise).await?;
    Ok(())
}

/// Brings everything in line with the size that the volume has.
async fn settle(volumes: &Volumes, volume: &Object<Volume>, family: &Family, size: ByteSize) -> Result<(), Error> {
    let context = &volumes.context;
    tickets::release(&context.store, volume.name(), &purpose(volume.name())).await?;
    volumes.memory.attempts.forget(volume.name());
    for replica in family.staying().filter(|replica| replica.spec.volume_size != size) {
        let change = |replica: &mut Object<Replica>| replica.spec.volume_size = size;
        context.store.modify::<Replica>(replica.name(), change).await?;
    }
    if family.engine.spec.volume_size != size {
        let change = |engine: &mut Object<Engine>| engine.spec.volume_size = size;
        context.store.modify::<Engine>(family.engine.name(), change).await?;
        let message = format!("Volume {} has {size} now.", volume.name());
        context.events.emit(&ObjectRef::from(volume), Reason::SucceededExpansion, EventType::Normal, &message);
    }
    Ok(())
}

async fn grow(
    volumes: &Volumes,
    volume: &Object<Volume>,
    family: &Family,
    findings: &mut Findings,
) -> Result<(), Error> {
    let context = &volumes.context;
    let missing = promise(volumes, volume, family).await?;
    if !missing.is_empty() {
        tickets::release(&context.store, volume.name(), &purpose(volume.name())).await?;
        findings.causes.push(no_room(volume, missing));
        findings.look_again_in(SCHEDULING_RETRY);
        return Ok(());
    }
    if !bring_up(context, volume, findings).await? || !family.can_be_asked() {
        return Ok(());
    }
    if family.engine.status.is_expanding {
        findings.causes.push(underway(volume));
        return Ok(());
    }
    ask(volumes, volume, family, findings).await
}

/// Promises the room on every disk, or says what is missing.
async fn promise(volumes: &Volumes, volume: &Object<Volume>, family: &Family) -> Result<Vec<CauseDetail>, Error> {
    let lacks = |replica: &&Object<Replica>| replica.spec.volume_size < volume.spec.size;
    if !family.staying().any(|replica| lacks(&replica)) {
        return Ok(Vec::new());
    }
    let context = &volumes.context;
    // Two volumes that grow at once would both see the same free space.
    let _one_at_a_time = volumes.placing.lock().await;
    let (nodes, replicas) = (context.store.list::<Node>().await?, context.store.list::<Replica>().await?);
    let missing = shortages(family.staying(), volume.spec.size, &views(&nodes, &replicas), limits(&context.settings));
    if missing.is_empty() {
        for replica in family.staying().filter(lacks) {
            let change = |replica: &mut Object<Replica>| replica.spec.volume_size = volume.spec.size;
            context.store.modify::<Replica>(replica.name(), change).await?;
        }
    }
    Ok(missing)
}

/// Whether the volume is attached or on its way there: by a workload's ticket, or by one of our own.
async fn bring_up(context: &Context, volume: &Object<Volume>, findings: &mut Findings) -> Result<bool, Error> {
    let (store, name) = (&context.store, volume.name());
    let tickets = store.find::<VolumeAttachment>(name).await?;
    if tickets.is_some_and(|tickets| tickets::is_in_use(&tickets.spec)) {
        tickets::release(store, name, &purpose(name)).await?;
        return Ok(true);
    }
    let Some(node) = tickets::node_for(context, volume).await? else {
        findings.causes.push(waiting(volume, "no node answers", "Bring a node back; it then goes on by itself."));
        return Ok(false);
    };
    tickets::want(store, name, &purpose(name), &node, FrontendWish::Either).await?;
    Ok(true)
}

/// Asks the running engine, after a pause if it refused lately.
async fn ask(
    volumes: &Volumes,
    volume: &Object<Volume>,
    family: &Family,
    findings: &mut Findings,
) -> Result<(), Error> {
    let (name, now) = (volume.name(), Instant::now());
    if let Some(last) = volumes.memory.attempts.last(name).filter(|last| !last.pause(now).is_zero()) {
        findings.look_again_in(last.pause(now));
        findings.causes.push(refused(volume, &last));
        return Ok(());
    }
    let engine = &family.engine;
    let mut client = volumes.context.clients.engine(&engine.status.address)?;
    let request = within(CHANGE_TIMEOUT, ExpandRequest { size_bytes: volume.spec.size.bytes() });
    let doing = format!("growing engine {} to {}", engine.name(), volume.spec.size);
    let why = match client.expand(request).await.map_err(rpc(doing)) {
        // A frontend that could not follow is in the status; the volume has its new size all the same.
        Ok(status) if status.get_ref().size_bytes >= volume.spec.size.bytes() => {
            tracing::info!(volume = name, size = %volume.spec.size, "expanded");
            volumes.memory.attempts.forget(name);
            return Ok(());
        }
        Ok(status) => status.into_inner().last_expansion_error,
        // Whether it has grown is seen when it answers again.
        Err(error) if error.is_unreachable() => {
            findings.look_again_in(ASK_AGAIN);
            findings.causes.push(waiting(volume, &error.to_string(), "It is asked again by itself."));
            return Ok(());
        }
        Err(error) => error.to_string(),
    };
    let refusal = volumes.memory.attempts.note(name, &why, now);
    if refusal.count == 1 {
        let message = format!("Volume {name} did not grow to {}: {why}.", volume.spec.size);
        volumes.context.events.emit(&ObjectRef::from(volume), Reason::FailedExpansion, EventType::Warning, &message);
    }
    findings.look_again_in(refusal.pause(now));
    findings.causes.push(refused(volume, &refusal));
    Ok(())
}

fn cause(code: CauseCode, severity: Severity, volume: &Object<Volume>, message: String, next_step: &str) -> Cause {
    let objects = vec![volume.name().to_owned()];
    Cause { code, severity, message, next_step: next_step.to_owned(), objects, details: Vec::new() }
}

pub(super) fn waiting(volume: &Object<Volume>, why: &str, next_step: &str) -> Cause {
    let message = format!("{} waits to grow to {}: {why}.", volume.name(), volume.spec.size);
    cause(CauseCode::ExpansionWaiting, Severity::Warning, volume, message, next_step)
}

pub(super) fn no_room(volume: &Object<Volume>, details: Vec<CauseDetail>) -> Cause {
    let why: Vec<&str> = details.iter().map(|detail| detail.text.as_str()).collect();
    let next_step = "Free space or add a larger disk and move the replica there, or cancel the expansion.";
    Cause { details: details.clone(), ..waiting(volume, &why.join("; "), next_step) }
}

pub(super) fn underway(volume: &Object<Volume>) -> Cause {
    let message = format!("{} grows to {}.", volume.name(), volume.spec.size);
    cause(CauseCode::ExpansionWaiting, Severity::Info, volume, message, "It ends by itself within moments.")
}

pub(super) fn refused(volume: &Object<Volume>, refusal: &Refusal) -> Cause {
    let message =
        format!("{} did not grow to {}: {}.", volume.name(), volume.spec.size, refusal.reason.trim_end_matches('.'));
    let next_step = "It is tried again by itself; cancel the expansion if you no longer want it.";
    cause(CauseCode::ExpansionFailed, Severity::Warning, volume, message, next_step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::engine::EngineSpec;

    #[test]
    fn the_size_of_the_engine_counts() {
        let mib = |count: u64| ByteSize(count << 20);
        assert_eq!(wish(mib(10), mib(10)), Wish::Nothing);
        assert_eq!(wish(mib(20), mib(10)), Wish::Grow);
        assert_eq!(wish(mib(10), mib(20)), Wish::Follow, "a size that clients have seen is not taken back");
        let spec = EngineSpec { volume_size: mib(10), ..EngineSpec::default() };
        let mut engine = Object::<Engine>::new("v-e-0", spec);
        assert_eq!(present_size(&engine), mib(10), "never started: the size that it was made for");
        engine.status.current_size = mib(20);
        assert_eq!(present_size(&engine), mib(20));
    }
}
