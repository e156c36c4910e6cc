//! Volumes: one pass moves a volume one step towards what its spec says.
//!
//! 1. [`family`] — find or make its engine and replicas;
//! 2. [`placement`] — places for replicas without one;
//! 3. [`upkeep`] — take over the engine's word on who is whole;
//! 4. [`Volumes::steps`] — what may be needed besides, one file each;
//! 5. [`state`] — the table: what to do now;
//! 6. [`open_close`], or [`redundancy`] with [`rebuild`] — do it;
//! 7. [`status`] — state, robustness and causes, written when they changed.

mod attempts;
mod backing_image;
mod balance;
mod causes;
pub(crate) mod clone;
pub mod cluster;
pub mod default_group;
mod deletion;
mod eviction;
pub mod expansion;
mod extra;
pub(super) mod family;
mod fault;
pub mod foresee;
pub mod growth_room;
mod image;
mod joining;
mod limits;
pub mod locality;
mod memory;
mod offline_rebuild;
mod open_close;
mod own_ticket;
mod pace;
pub mod placement;
mod ready_disks;
mod rebuild;
mod redundancy;
pub(crate) mod restore;
mod restore_memory;
mod salvage;
mod snapshot_causes;
mod stale;
pub mod state;
mod status;
mod transitions;
mod turns;
mod upkeep;
mod waiting;
mod wake;

#[cfg(test)]
mod cause_table;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use aurochs_api::cause::Cause;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use self::extra::Need;
use self::family::Family;
use self::memory::Memory;
use self::open_close::Opening;
use self::placement::SchedulingFailure;
use self::state::{Action, EnginePhase, Inputs, Step};
use super::queue::WorkQueue;
use super::runtime::{self, Controller, Next};
use super::{Context, Error};
use crate::resources::engine::InstanceState;
use crate::resources::volume::{Robustness, VolumeState};
use crate::resources::{Engine, LABEL_VOLUME, Object, Replica, Volume, VolumeAttachment};
use crate::settings::Name;

/// How often a replica without a place is offered to the scheduler again.
const SCHEDULING_RETRY: Duration = Duration::from_secs(30);

/// How soon a process that did not answer is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(2);

pub(super) struct Volumes {
    context: Context,
    memory: Memory,
    /// Held while a replica is placed: two placements at once would both see the same free space.
    placing: Mutex<()>,
    /// Held while a rebuild is chosen and started: two at once would both see the same turn free. Taken before `placing`.
    rebuilding: Mutex<()>,
    /// Held from counting the heavy work of a node to noting that one more copy begins there.
    copying: Mutex<()>,
}

/// Keys are volume names.
pub fn start(context: &Context) -> Vec<JoinHandle<()>> {
    let queue = WorkQueue::default();
    let volumes = Volumes {
        context: context.clone(),
        memory: Memory::default(),
        placing: Mutex::default(),
        rebuilding: Mutex::default(),
        copying: Mutex::default(),
    };
    vec![
        runtime::feed_from_store::<Volume>(&context.store, &queue, |volume| vec![volume.name().to_owned()]),
        runtime::feed_from_store::<Engine>(&context.store, &queue, |engine| vec![engine.spec.volume_name.clone()]),
        runtime::feed_from_store::<Replica>(&context.store, &queue, |replica| vec![replica.spec.volume_name.clone()]),
        // A node that came or went may matter to any volume.
        runtime::feed_from_nodes::<Volume>(&context.store, &context.instances, &queue, |_, _| true),
        wake::feed(context, &queue),
        runtime::feed_from_settings::<Volume>(&context.store, &context.settings, &queue),
        wake::feed_from_backups(context, &queue),
        // A workload that wants the volume takes our own tickets' place.
        runtime::feed_from_store::<VolumeAttachment>(&context.store, &queue, |tickets| vec![tickets.name().to_owned()]),
        runtime::resync::<Volume>(&context.store, &queue, runtime::RESYNC),
        runtime::run(Arc::new(volumes), queue),
    ]
}

/// What a pass found out besides the step.
#[derive(Debug, Default)]
struct Findings {
    causes: Vec<Cause>,
    /// No replica with all data can be had.
    faulted: bool,
    /// Why one replica more than wished is needed, strongest first.
    needs: Vec<Need>,
    /// What the condition `Scheduled` says; none when all replicas have a place.
    scheduling: Option<SchedulingFailure>,
    look_again: Option<Duration>,
}

impl Findings {
    fn look_again_in(&mut self, delay: Duration) {
        self.look_again = Some(self.look_again.map_or(delay, |before| before.min(delay)));
    }

    /// Takes the outcome of a step that asks a process. One that can't be asked ends the step and not the pass.
    fn bear_silence(&mut self, volume: &str, ended: Result<(), Error>) -> Result<(), Error> {
        let Err(Error::Client(error)) = ended else { return ended };
        tracing::warn!(volume, %error, "a step is left for the next pass");
        self.look_again_in(ASK_AGAIN);
        Ok(())
    }
}

impl Controller for Volumes {
    const NAME: &'static str = "volume";

    async fn reconcile(&self, name: &str) -> Result<Next, Error> {
        let Some(volume) = self.context.store.find::<Volume>(name).await? else {
            self.memory.forget(name);
            return Ok(Next::Wait);
        };
        if volume.is_deleting() {
            return deletion::run(&self.context, &volume).await;
        }
        let mut family = Family::of(&self.context, &volume).await?;
        let mut findings = Findings::default();
        placement::ensure(self, &volume, &mut family, &mut findings).await?;
        upkeep::note_modes(&self.context, &family).await?;
        family.replicas = self.context.store.list_labelled::<Replica>(LABEL_VOLUME, name).await?;

        self.steps(&volume, &family, &mut findings).await?;
        let step = self.step(&volume, &family, &mut findings);
        self.act(&volume, &family, &step, &mut findings).await?;
        let recovered = fault::look(self, &volume, &family, &mut findings).await?;
        waiting::tell(self, &volume, &family, step.state, &mut findings).await?;
        let look_again = findings.look_again;
        status::write(&self.context, &volume, &family, &step, findings, recovered).await?;
        Ok(look_again.map_or(Next::Wait, Next::After))
    }
}

impl Volumes {
    /// One behaviour a file, in the order in which they matter: first what decides whether the volume can be used, then
    /// what its data asks for, then where its replicas are. Each looks at the present alone, makes at most one object
    /// and leaves everything to the next pass that depends on what it made.
    ///
    /// Invariant: no step ends the pass because a process can't be asked. What comes after the steps takes a volume down
    /// whose engine ended; a pass that never got there would leave it as it is for ever.
    async fn steps(&self, volume: &Object<Volume>, family: &Family, findings: &mut Findings) -> Result<(), Error> {
        let name = volume.name();
        let ended = salvage::step(self, volume, family, findings).await;
        findings.bear_silence(name, ended)?;
        let ended = expansion::step(self, volume, family, findings).await;
        findings.bear_silence(name, ended)?;
        let ended = clone::step(self, volume, family, findings).await;
        findings.bear_silence(name, ended)?;
        let ended = restore::step(self, volume, family, findings).await;
        findings.bear_silence(name, ended)?;
        default_group::step(self, volume, family, findings).await?;
        backing_image::step(self, volume, family, findings).await?;
        image::step(self, volume, family, findings).await?;
        limits::step(self, volume, family, findings).await?;
        stale::step(self, volume, family, findings).await?;
        locality::step(self, volume, family, findings).await?;
        eviction::step(self, volume, family, findings).await?;
        balance::step(self, volume, family, findings).await?;
        pace::step(self, volume, family, findings).await?;
        offline_rebuild::step(self, volume, family, findings).await
    }

    /// The table's answer; an opening that failed lately rests first.
    fn step(&self, volume: &Object<Volume>, family: &Family, findings: &mut Findings) -> Step {
        let inputs = Inputs {
            state: volume.status.state,
            wanted: volume.spec.node_id.clone(),
            current: volume.status.current_node_id.clone(),
            engine: EnginePhase::of(family.engine.status.current_state),
            closing: family.engine.spec.desire_state == InstanceState::Stopped,
            all_closed: family.all_closed(),
        };
        let step = state::step(&inputs);
        let name = volume.name();
        if inputs.engine == EnginePhase::Ended && inputs.state != VolumeState::Detaching {
            self.memory.note_end(name, &family.engine.status.cause);
            // Its replicas run and none of them can be used: what it said names each.
            if inputs.state == VolumeState::Attaching && family.engine.status.no_usable_replica {
                findings.faulted = true;
                findings.causes.push(fault::refused(volume, &family.engine.status.cause));
            }
        }
        if step.state == VolumeState::Attached && inputs.engine == EnginePhase::Running {
            self.memory.note_attached(name);
        }
        let opens = step.action == Action::Open && inputs.state == VolumeState::Detached;
        let pause = self.memory.open_pause(name);
        if opens && !pause.is_zero() {
            findings.look_again_in(pause);
        } else if opens && !self.context.settings.flag(Name::V1DataEngine) {
            findings.causes.push(waiting::engine_off(volume));
        } else {
            return step;
        }
        Step { action: Action::Close, state: VolumeState::Detached, current: String::new() }
    }

    async fn act(
        &self,
        volume: &Object<Volume>,
        family: &Family,
        step: &Step,
        findings: &mut Findings,
    ) -> Result<(), Error> {
        let attached = step.state == VolumeState::Attached;
        match step.action {
            Action::Open => {
                if let Opening::Impossible(cause) = open_close::open(&self.context, volume, family).await? {
                    let unplaced = family.staying().all(|replica| !replica.spec.is_placed());
                    // Without any place there is no data to miss: that is the scheduler's cause, not a fault.
                    if !unplaced {
                        self.memory.note_end(volume.name(), &cause.message);
                        findings.faulted = true;
                        findings.causes.push(cause);
                    }
                }
            }
            Action::Close => open_close::close(&self.context, family).await?,
            Action::Keep if attached && family.engine.status.current_state == InstanceState::Running => {
                redundancy::keep(self, volume, family, findings).await?;
            }
            Action::Keep => {}
        }
        // A faulted volume has a cause of its own.
        let faulted = findings.faulted || volume.status.robustness == Robustness::Faulted;
        if !attached
            && !faulted
            && let Some(end) = self.memory.last_end(volume.name())
        {
            findings.causes.push(causes::engine_ended(volume, &end));
        }
        Ok(())
    }
}
