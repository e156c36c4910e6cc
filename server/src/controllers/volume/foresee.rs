//! What the passes over a volume would do, one deed after the other, if nothing else happened: for those who ask before
//! they change something ([`crate::whatif`]). Nothing is stored and nobody is asked.
//!
//! The choices are the passes' own ([`placement`], [`rebuild`], [`redundancy`], [`eviction`], [`locality`], [`balance`],
//! the surplus); what is here is their order, and what a deed changes in the picture. A volume that nobody uses is
//! looked at as if it were attached: that is when it is cared for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::replica::ReplicaMode;
use aurochs_api::size::ByteSize;

use super::balance::{self, Asking};
use super::expansion::present_size;
use super::extra::Need;
use super::family::{Family, new_replica};
use super::placement::{self, Wanted};
use super::ready_disks::ReadyDisks;
use super::rebuild::{self, Candidate, Choice, Reach, Situation};
use super::state::EnginePhase;
use super::status::{self, Redundancy};
use super::{eviction, expansion, growth_room, locality, redundancy};
use crate::controllers::drain::ReplicaFacts;
use crate::resources::engine::InstanceState;
use crate::resources::node::READY;
use crate::resources::volume::{DataLocality, Robustness};
use crate::resources::{Engine, Node, Object, Replica, Volume, condition};
use crate::scheduling::{NodeView, Place, Rules, place};
use crate::settings::{Name, Settings};

/// What all volumes share.
#[derive(Clone, Debug)]
pub struct Scene {
    pub nodes: Vec<Arc<Object<Node>>>,
    /// The same, as the scheduler sees them; deeds take and give back space here.
    pub views: Vec<NodeView>,
    pub rules: Rules,
    pub settings: Settings,
}

/// A replica that came, went or was filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    Add { place: Place, bytes: ByteSize },
    Rebuild { replica: String, bytes: ByteSize },
    Remove { replica: String },
}

/// What became of a volume.
#[derive(Clone, Debug, Default)]
pub struct Future {
    pub deeds: Vec<Deed>,
    /// Why it does not go on.
    pub causes: Vec<Cause>,
    /// Replicas with all data: before, and at last.
    pub whole_before: BTreeSet<String>,
    pub whole_after: usize,
    /// Nodes of those at last.
    pub nodes_after: BTreeSet<String>,
}

/// A volume in the picture.
pub struct Prospect {
    volume: Object<Volume>,
    family: Family,
    /// No replica held data yet: as many as wished are simply there at the first attachment.
    is_new: bool,
    /// Replicas with all data before anything happened.
    before: BTreeSet<String>,
}

/// Each deed lowers what is left to do; this only ends what a mistake would make endless.
const DEEDS_MAXIMUM: usize = 256;

impl Prospect {
    #[must_use]
    pub fn new(volume: &Object<Volume>, engine: Option<&Object<Engine>>, replicas: Vec<Object<Replica>>) -> Self {
        let engine = engine.cloned().unwrap_or_else(|| {
            let mut engine = Object::<Engine>::new(super::family::engine_name(volume.name()), Default::default());
            engine.spec.volume_size = volume.spec.size;
            engine
        });
        let mut family = Family { engine, replicas };
        let is_new = family.staying().all(placement::was_never_used);
        imagine_attached(&mut family, is_new);
        let before = family.whole().map(|replica| replica.name().to_owned()).collect();
        Self { volume: volume.clone(), family, is_new, before }
    }

    /// Replicas that have all data now, as far as is known.
    #[must_use]
    pub const fn whole(&self) -> &BTreeSet<String> {
        &self.before
    }

    /// Replicas that their nodes and disks, as they are in the picture, want away.
    #[must_use]
    pub fn to_leave(&self, nodes: &[Arc<Object<Node>>]) -> BTreeSet<String> {
        let nodes: Vec<Object<Node>> = nodes.iter().map(|node| Object::clone(node)).collect();
        let placed = self.family.staying().filter(|replica| replica.spec.is_placed());
        let leaving = placed.filter(|replica| eviction::requested(replica, &nodes).is_some());
        leaving.map(|replica| replica.name().to_owned()).collect()
    }

    /// They are asked to leave.
    pub fn evict(&mut self, names: &BTreeSet<String>) {
        for replica in &mut self.family.replicas {
            replica.spec.eviction_requested |= names.contains(replica.name());
        }
        // The volume is attached for it, and what is attached is no longer new.
        self.is_new &= names.is_empty();
    }

    /// They are lost with what they are on.
    pub fn lose(&mut self, names: &BTreeSet<String>) {
        for replica in self.family.replicas.iter_mut().filter(|replica| names.contains(replica.name())) {
            replica.spec.failed_at = "lost".to_owned();
            replica.spec.healthy_at.clear();
            self.family.engine.status.replica_mode_map.remove(replica.name());
        }
        // What was only thought to be there has data that is gone.
        self.is_new = false;
    }

    /// It goes, and gives its disk back what it has.
    pub fn remove(&mut self, replica: &str, scene: &mut Scene) {
        self.apply(&Deed::Remove { replica: replica.to_owned() }, scene);
    }

    pub fn wish(&mut self, replicas: u32) {
        self.volume.spec.number_of_replicas = replicas;
    }

    /// Does what the passes would do until nothing is left to do or nothing goes on.
    #[must_use]
    pub fn unfold(mut self, scene: &mut Scene) -> Future {
        let mut future = Future { whole_before: self.before.clone(), ..Future::default() };
        while future.deeds.len() < DEEDS_MAXIMUM {
            match self.next(scene) {
                Next::Do(deed) => {
                    self.apply(&deed, scene);
                    future.deeds.push(deed);
                }
                Next::Place(replica, place) => {
                    self.put(&replica, &place, scene);
                    future.deeds.push(Deed::Add { place, bytes: ByteSize::ZERO });
                }
                Next::Stuck(causes) => {
                    future.causes = causes;
                    break;
                }
                Next::Rest => break,
            }
        }
        future.whole_after = self.family.whole().count();
        future.nodes_after = self.family.whole().map(|replica| replica.spec.node_id.clone()).collect();
        future
    }
}

/// As if an engine ran with those that have all data as far as is known.
fn imagine_attached(family: &mut Family, is_new: bool) {
    let status = &family.engine.status;
    if status.current_state == InstanceState::Running && !status.replica_mode_map.is_empty() {
        return;
    }
    let counts = |replica: &&Object<Replica>| {
        replica.spec.is_placed() && (is_new || ReplicaFacts::from(*replica).is_whole) && !replica.is_deleting()
    };
    let whole =
        family.replicas.iter().filter(counts).map(|replica| (replica.name().to_owned(), ReplicaMode::ReadWrite));
    family.engine.status.replica_mode_map = whole.collect();
    family.engine.status.current_state = InstanceState::Running;
    family.engine.spec.node_id.clear();
}

// === choosing ===

enum Next {
    Do(Deed),
    /// One that has no place yet gets it.
    Place(String, Place),
    Stuck(Vec<Cause>),
    Rest,
}

impl Prospect {
    fn next(&self, scene: &Scene) -> Next {
        if !self.volume.is_filled() {
            return Next::Rest;
        }
        let wished = placement::wished(&self.volume);
        if self.is_new && self.family.staying().count() < wished {
            return self.add(scene, &Wanted::First).unwrap_or_else(|cause| Next::Stuck(vec![cause]));
        }
        if self.is_new
            && let Some(surplus) = placement::first_surplus(&self.family, wished).next()
        {
            return Next::Do(Deed::Remove { replica: surplus.name().to_owned() });
        }
        if let Some(unplaced) = self.family.staying().find(|replica| !replica.spec.is_placed()) {
            return match self.find(scene, &Wanted::First) {
                Ok(place) => Next::Place(unplaced.name().to_owned(), place),
                Err(cause) => Next::Stuck(vec![cause]),
            };
        }
        if self.family.whole().next().is_none() {
            return Next::Stuck(vec![no_data(&self.volume)]);
        }
        if self.family.whole().count() < wished { self.restore(scene) } else { self.arrange(scene, wished) }
    }

    fn restore(&self, scene: &Scene) -> Next {
        let disks = ReadyDisks::of(scene.nodes.clone());
        let candidates: Vec<Candidate> =
            self.family.staying().map(|replica| self.candidate(replica, scene, &disks)).collect();
        let situation = self.situation(scene);
        match rebuild::choose(&candidates, &situation) {
            Choice::Start(replica) => self.rebuild(replica),
            Choice::GiveUp(replica) => Next::Do(Deed::Remove { replica }),
            Choice::Wait { cause, .. } => Next::Stuck(vec![cause]),
            Choice::Replace => self.add(scene, &Wanted::InsteadOfFailed).unwrap_or_else(|cause| {
                // As the pass has it: one that should leave is better than none.
                let staying: Vec<_> = candidates.into_iter().map(|one| Candidate { evicting: false, ..one }).collect();
                match rebuild::choose(&staying, &situation) {
                    Choice::Start(replica) => self.rebuild(replica),
                    _ => Next::Stuck(vec![cause]),
                }
            }),
        }
    }

    fn arrange(&self, scene: &Scene, wished: usize) -> Next {
        let is_whole = |replica: &&Object<Replica>| self.family.mode(replica.name()) == Some(ReplicaMode::ReadWrite);
        if let Some(other) = self.family.staying().find(|replica| !is_whole(replica)) {
            let (name, exactly) = (other.name().to_owned(), self.family.whole().count() == wished);
            // It is on its way in, for a need that was there before.
            let joins = exactly && self.family.mode(&name) == Some(ReplicaMode::WriteOnly);
            return if joins { self.rebuild(name) } else { Next::Do(Deed::Remove { replica: name }) };
        }
        if self.family.whole().count() > wished {
            let surplus = redundancy::surplus_of(&self.volume, &self.family, &scene.views, &scene.settings);
            return surplus.map_or(Next::Rest, |replica| Next::Do(Deed::Remove { replica }));
        }
        let mut causes = Vec::new();
        for need in self.needs(scene) {
            if let Some(cause) = redundancy::rebuilding_is_off(&self.volume, &need, &scene.settings) {
                causes.push(cause);
                break;
            }
            match self.meet(&need, scene) {
                Ok(deed) => return Next::Do(deed),
                Err(cause) => causes.push(cause),
            }
        }
        if causes.is_empty() { Next::Rest } else { Next::Stuck(causes) }
    }

    /// In the order of the passes.
    fn needs(&self, scene: &Scene) -> Vec<Need> {
        let local = locality::wanted_on(&self.volume, &self.family).map(|node| Need::Local { node });
        let leaving = self.family.whole().find(|replica| replica.spec.eviction_requested);
        let replacement = leaving.map(|leaving| Need::Replacement { leaving: leaving.name().to_owned() });
        let mut needs: Vec<Need> = local.into_iter().chain(replacement).collect();
        if needs.is_empty() {
            let asking = Asking { settings: &scene.settings, rules: &scene.rules, only_disk: None };
            needs.extend(balance::plan_for(&self.volume, &self.family, &scene.views, &asking).map(Need::Balance));
        }
        needs
    }

    fn meet(&self, need: &Need, scene: &Scene) -> Result<Deed, Cause> {
        let wanted = match need {
            Need::Local { node } => Wanted::ExtraOn(node.clone()),
            Need::Replacement { .. } => Wanted::Extra,
            Need::Balance(planned) => return Ok(Deed::Add { place: planned.to.clone(), bytes: self.data() }),
        };
        let request = placement::asked(&self.volume, &self.family, &wanted, &scene.settings);
        match place(&request, &scene.views, &scene.rules) {
            Ok(place) => Ok(Deed::Add { place, bytes: self.data() }),
            Err(no) => Err(redundancy::unmet(need, no)),
        }
    }

    fn add(&self, scene: &Scene, wanted: &Wanted) -> Result<Next, Cause> {
        let bytes = if matches!(wanted, Wanted::First) { ByteSize::ZERO } else { self.data() };
        self.find(scene, wanted).map(|place| Next::Do(Deed::Add { place, bytes }))
    }

    fn find(&self, scene: &Scene, wanted: &Wanted) -> Result<Place, Cause> {
        let request = placement::asked(&self.volume, &self.family, wanted, &scene.settings);
        place(&request, &scene.views, &scene.rules).map_err(|no| *no.cause)
    }

    fn rebuild(&self, replica: String) -> Next {
        Next::Do(Deed::Rebuild { replica, bytes: self.data() })
    }

    /// What one replica has on its disk.
    fn data(&self) -> ByteSize {
        self.family.engine.status.actual_size
    }

    /// Waiting is over: what is asked is how it ends.
    fn situation(&self, scene: &Scene) -> Situation {
        let settings = &scene.settings;
        Situation {
            degraded_for: Duration::MAX,
            replenishment_wait: Duration::from_secs(settings.number(Name::ReplicaReplenishmentWaitInterval)),
            rebuilds_per_node: settings.number(Name::ConcurrentReplicaRebuildPerNodeLimit),
            bound_to_node: self.volume.spec.data_locality == DataLocality::StrictLocal,
        }
    }

    fn candidate(&self, replica: &Object<Replica>, scene: &Scene, disks: &ReadyDisks) -> Candidate {
        let spec = &replica.spec;
        let node = scene.nodes.iter().find(|node| node.name() == spec.node_id);
        let answers = node.is_some_and(|node| condition::is_true(&node.status.conditions, READY));
        Candidate {
            name: replica.name().to_owned(),
            node: spec.node_id.clone(),
            reach: if answers { Reach::Answers } else { Reach::Silent },
            disk_ready: disks.has(replica),
            placed: spec.is_placed(),
            serves: self.family.mode(replica.name()) == Some(ReplicaMode::ReadWrite),
            failed: spec.has_failed(),
            evicting: spec.eviction_requested,
            stopped: true,
            retries: spec.rebuild_retry_count,
            ..Candidate::default()
        }
    }
}

fn no_data(volume: &Object<Volume>) -> Cause {
    let message = format!("No replica of {} that has all data is left.", volume.name());
    let next_step = "Bring one back before, or restore the volume from a backup.";
    Cause::new(CauseCode::NoUsableReplica, Severity::Error, message, next_step).about([volume.name()])
}

// === doing ===

impl Prospect {
    fn apply(&mut self, deed: &Deed, scene: &mut Scene) {
        match deed {
            Deed::Add { place, .. } => {
                let mut replica = new_replica(&self.volume);
                replica.spec.volume_size =
                    if self.is_new { self.volume.spec.size } else { present_size(&self.family.engine) };
                let name = replica.name().to_owned();
                self.family.replicas.push(replica);
                self.put(&name, place, scene);
            }
            Deed::Rebuild { replica: name, .. } => {
                for replica in self.family.replicas.iter_mut().filter(|replica| replica.name() == name) {
                    replica.spec.failed_at.clear();
                }
                self.family.engine.status.replica_mode_map.insert(name.clone(), ReplicaMode::ReadWrite);
            }
            Deed::Remove { replica: name } => {
                let data = if self.family.mode(name).is_some() { self.data() } else { ByteSize::ZERO };
                if let Some(at) = self.family.replicas.iter().position(|replica| replica.name() == name) {
                    let spec = self.family.replicas.remove(at).spec;
                    give(&mut scene.views, &spec.node_id, &spec.disk_id, spec.volume_size, data);
                }
                self.family.engine.status.replica_mode_map.remove(name);
            }
        }
    }

    /// It is there, and filled.
    fn put(&mut self, name: &str, found: &Place, scene: &mut Scene) {
        let data = if self.is_new { ByteSize::ZERO } else { self.data() };
        for replica in self.family.replicas.iter_mut().filter(|replica| replica.name() == name) {
            placement::put(replica, &self.volume, found);
            take(&mut scene.views, found, replica.spec.volume_size, data);
        }
        self.family.engine.status.replica_mode_map.insert(name.to_owned(), ReplicaMode::ReadWrite);
    }
}

fn take(views: &mut [NodeView], found: &Place, size: ByteSize, data: ByteSize) {
    for disk in views.iter_mut().flat_map(|node| &mut node.disks).filter(|disk| disk.uuid == found.disk_uuid) {
        disk.space.scheduled = disk.space.scheduled.saturating_add(size);
        disk.space.available = disk.space.available.saturating_sub(data);
    }
}

/// `node` is asked for, too: a replica without a disk must not be taken for one of a disk that is not known yet.
fn give(views: &mut [NodeView], node: &str, uuid: &str, size: ByteSize, data: ByteSize) {
    let of_node = views.iter_mut().filter(|view| view.name == node).flat_map(|view| &mut view.disks);
    for disk in of_node.filter(|disk| disk.uuid == uuid) {
        disk.space.scheduled = disk.space.scheduled.saturating_sub(size);
        disk.space.available = disk.space.available.saturating_add(data).min(disk.space.maximum);
    }
}

/// As the volume's own status says it of an attached one.
#[must_use]
pub const fn robustness(serving: usize, wished: usize) -> Robustness {
    status::robustness(&Redundancy {
        attached: true,
        engine: EnginePhase::Running,
        serving: Some(serving),
        wished,
        faulted: false,
        recovered: false,
        before: Robustness::Unknown,
    })
}

/// Why the volume could not grow to this size; none when it could. Where it can, the bytes are promised.
#[must_use]
pub fn growth(
    volume: &Object<Volume>,
    replicas: &[Object<Replica>],
    size: ByteSize,
    scene: &mut Scene,
) -> Option<Cause> {
    let missing = growth_room::shortages(replicas.iter(), size, &scene.views, scene.rules.limits);
    if !missing.is_empty() {
        let mut wished = volume.clone();
        wished.spec.size = size;
        return Some(expansion::no_room(&wished, missing));
    }
    for spec in replicas.iter().filter(|replica| !replica.is_deleting()).map(|replica| &replica.spec) {
        let lacking = size.saturating_sub(spec.volume_size);
        let disks = scene.views.iter_mut().filter(|view| view.name == spec.node_id).flat_map(|view| &mut view.disks);
        for disk in disks.filter(|disk| disk.uuid == spec.disk_id) {
            disk.space.scheduled = disk.space.scheduled.saturating_add(lacking);
        }
    }
    None
}
