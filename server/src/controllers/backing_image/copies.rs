//! Once a disk has the image: to which disks it is copied, and which ones let it go.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aurochs_api::backing_image::FileState;
use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::size::ByteSize;

use super::super::Error;
use super::super::volume::cluster;
use super::world::{Copy, Disk, World};
use super::{BackingImages, COPY_PAUSE, Findings, PROGRESS_PERIOD, files};
use crate::resources::backing_image::{BackingImageStatus, DiskFileSpec};
use crate::resources::{BackingImage, Object, Replica, timestamp};
use crate::scheduling::{Request, Taken, place};
use crate::settings::Name;

/// What a pure look at the copies finds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    /// Disks that are to get a copy now, by UUID; those that a replica waits for first.
    copy_to: Vec<String>,
    /// Disks that let theirs go.
    let_go: Vec<String>,
    /// Disks whose copy nobody needs, and that keep it for a while.
    unneeded: BTreeSet<String>,
    /// How many disks more are to have one.
    lacking: usize,
    /// When the next disk may let its copy go.
    look_again: Option<Duration>,
}

/// What the settings say.
#[derive(Clone, Copy, Debug)]
struct Limits {
    copies_minimum: usize,
    /// How long a copy stays that nobody needs.
    kept_for: Duration,
}

/// Pure: `unneeded_for` tells since how long a disk's copy has not been needed.
fn plan(
    wanted: &BTreeMap<String, DiskFileSpec>,
    world: &World,
    unneeded_for: impl Fn(&str) -> Duration,
    limits: Limits,
) -> Plan {
    let mut plan = Plan::default();
    let known = || wanted.keys().filter_map(|uuid| world.disks.get(uuid));
    let (mut waiting, mut rest): (Vec<&Disk>, Vec<&Disk>) =
        known().filter(|disk| disk.ready && !is_there_or_coming(disk)).partition(|disk| disk.needed);
    waiting.append(&mut rest);
    plan.copy_to = waiting.iter().map(|disk| disk.uuid.clone()).collect();
    // What is on a disk that is being emptied does not count: it is about to go.
    let staying = known().filter(|disk| !disk.evicting && (disk.ready || is_there_or_coming(disk))).count();
    plan.lacking = limits.copies_minimum.saturating_sub(staying);
    let mut whole_elsewhere = known().filter(|disk| !disk.evicting && is_whole(disk)).count();
    let mut leaving: Vec<&Disk> = known().filter(|disk| !disk.needed && is_whole(disk)).collect();
    leaving.sort_by_key(|disk| (!disk.evicting, std::cmp::Reverse(unneeded_for(&disk.uuid))));
    for disk in leaving {
        plan.unneeded.insert(disk.uuid.clone());
        let waited = unneeded_for(&disk.uuid);
        let others = whole_elsewhere - usize::from(!disk.evicting);
        // Invariant: the last copy stays whatever the number says.
        if others < limits.copies_minimum.max(1) {
            continue;
        }
        if disk.evicting || waited >= limits.kept_for {
            plan.let_go.push(disk.uuid.clone());
            whole_elsewhere = others;
        } else {
            let left = limits.kept_for - waited + Duration::from_secs(1);
            plan.look_again = Some(plan.look_again.map_or(left, |before| before.min(left)));
        }
    }
    // A copy that is nowhere, or of no use, and on its way out.
    let useless =
        known().filter(|disk| disk.evicting && !disk.needed && matches!(disk.copy, Copy::Absent | Copy::Failed(_)));
    let useless: Vec<String> = useless.map(|disk| disk.uuid.clone()).collect();
    plan.copy_to.retain(|uuid| !useless.contains(uuid));
    plan.let_go.extend(useless);
    plan
}

const fn is_whole(disk: &Disk) -> bool {
    matches!(disk.copy, Copy::Ready(_))
}

const fn is_there_or_coming(disk: &Disk) -> bool {
    matches!(disk.copy, Copy::Ready(_) | Copy::Making { .. } | Copy::Unknown(_))
}

impl BackingImages {
    /// A disk with a replica on the image is to have a copy.
    pub(super) async fn follow_replicas(
        &self,
        image: Object<BackingImage>,
        world: &World,
    ) -> Result<Object<BackingImage>, Error> {
        let missing: Vec<&String> =
            world.needed.iter().filter(|uuid| !image.spec.disk_file_spec_map.contains_key(*uuid)).collect();
        let emptied = |uuid: &String| world.disks.get(uuid).is_some_and(|disk| disk.evicting);
        let marked = |map: &BTreeMap<String, DiskFileSpec>| {
            map.iter().all(|(uuid, spec)| spec.eviction_requested == emptied(uuid))
        };
        if missing.is_empty() && marked(&image.spec.disk_file_spec_map) {
            return Ok(image);
        }
        let change = |image: &mut Object<BackingImage>| {
            for uuid in &missing {
                image.spec.disk_file_spec_map.entry((*uuid).clone()).or_insert_with(wanted);
            }
            for (uuid, spec) in &mut image.spec.disk_file_spec_map {
                spec.eviction_requested = emptied(uuid);
            }
        };
        Ok(self.context.store.modify::<BackingImage>(image.name(), change).await?)
    }

    /// One step of bringing copies where they are wished, and of taking them from where they are not.
    pub(super) async fn spread(
        &self,
        image: &Object<BackingImage>,
        world: &World,
        findings: &mut Findings,
    ) -> Result<(), Error> {
        let settings = &self.context.settings;
        let limits = Limits {
            copies_minimum: usize::try_from(image.spec.min_number_of_copies).unwrap_or(1).max(1),
            kept_for: Duration::from_secs(settings.number(Name::BackingImageCleanupWaitInterval).saturating_mul(60)),
        };
        let last_needed = &image.status.disk_last_ref_at_map;
        let unneeded_for = |uuid: &str| last_needed.get(uuid).and_then(|at| timestamp::age(at)).unwrap_or_default();
        let plan = plan(&image.spec.disk_file_spec_map, world, unneeded_for, limits);
        if world.disks.values().any(|disk| matches!(disk.copy, Copy::Making { .. })) {
            findings.look_again_in(PROGRESS_PERIOD);
        }
        if let Some(delay) = plan.look_again {
            findings.look_again_in(delay);
        }
        self.note_unneeded(image, &plan.unneeded).await?;
        self.copy(image, world, &plan.copy_to, findings).await?;
        if plan.lacking > 0 {
            self.choose_more(image, world, limits.copies_minimum, findings).await?;
        }
        self.let_go(image, &plan.let_go).await
    }

    async fn note_unneeded(&self, image: &Object<BackingImage>, unneeded: &BTreeSet<String>) -> Result<(), Error> {
        let now = timestamp::now();
        let change = |status: &mut BackingImageStatus| {
            status.disk_last_ref_at_map.retain(|uuid, _| unneeded.contains(uuid));
            for uuid in unneeded {
                status.disk_last_ref_at_map.entry(uuid.clone()).or_insert_with(|| now.clone());
            }
        };
        self.context.store.modify_status::<BackingImage>(image.name(), change).await?;
        Ok(())
    }

    /// Begins copies from one that is whole. What a replica waits for is not held up by the limit, which is about copies
    /// that nobody waits for.
    async fn copy(
        &self,
        image: &Object<BackingImage>,
        world: &World,
        to: &[String],
        findings: &mut Findings,
    ) -> Result<(), Error> {
        if to.is_empty() {
            return Ok(());
        }
        let Some((from, _)) = world.ready().find(|(disk, _)| disk.ready).or_else(|| world.ready().next()) else {
            findings.look_again_in(COPY_PAUSE);
            let message = format!("Copies of {} wait for a node that has it and does not answer.", image.name());
            findings.causes.push(waiting(image, message, "Bring the node back."));
            return Ok(());
        };
        let mut running = self.running_by_node().await?;
        let limit = self.context.settings.number(Name::ConcurrentBackingImageReplenishPerNodeLimit);
        for disk in to.iter().filter_map(|uuid| world.disks.get(uuid)) {
            if let Some(pause) = rests(image, disk) {
                findings.look_again_in(pause);
                continue;
            }
            let here = running.entry(disk.node.clone()).or_default();
            if !disk.needed && *here >= limit {
                findings.look_again_in(COPY_PAUSE);
                continue;
            }
            *here += 1;
            findings.look_again_in(PROGRESS_PERIOD);
            // A file that is not the image is in the way of the one that is.
            if matches!(&disk.copy, Copy::Failed(_)) {
                files::remove(&self.context, image, disk).await?;
            }
            let source = files::copy_of(&self.context, image, from)?;
            files::make(&self.context, image, disk, source).await?;
            tracing::info!(image = image.name(), from = from.node, to = disk.node, disk = disk.name, "a copy begins");
        }
        Ok(())
    }

    /// How many files are being made on each node, of all images.
    async fn running_by_node(&self) -> Result<BTreeMap<String, u64>, Error> {
        let nodes = self.context.store.list_shared::<crate::resources::Node>().await?;
        let mut node_of: BTreeMap<String, String> = BTreeMap::new();
        for node in &nodes {
            let uuids = node.status.disk_status.values().map(|disk| disk.disk_uuid.clone());
            node_of.extend(uuids.map(|uuid| (uuid, node.name().to_owned())));
        }
        let mut running: BTreeMap<String, u64> = BTreeMap::new();
        for image in self.context.store.list_shared::<BackingImage>().await? {
            for (uuid, copy) in &image.status.disk_file_status_map {
                if matches!(copy.state, FileState::InProgress | FileState::Starting)
                    && let Some(node) = node_of.get(uuid)
                {
                    *running.entry(node.clone()).or_default() += 1;
                }
            }
        }
        Ok(running)
    }

    /// One more disk, where the scheduler would put a replica of the image's size.
    async fn choose_more(
        &self,
        image: &Object<BackingImage>,
        world: &World,
        minimum: usize,
        findings: &mut Findings,
    ) -> Result<(), Error> {
        if self.context.settings.number(Name::ConcurrentBackingImageReplenishPerNodeLimit) == 0 || world.is_early {
            return Ok(());
        }
        let _one_at_a_time = self.choosing.lock().await;
        let nodes = cluster::read(&self.context, None).await?;
        let mut request = request(image, image.status.real_size);
        request.taken = taken(image, world);
        let rules = cluster::rules(&self.context.settings);
        match place(&request, &nodes, &rules) {
            Ok(found) => {
                let change = |image: &mut Object<BackingImage>| {
                    image.spec.disk_file_spec_map.entry(found.disk_uuid.clone()).or_insert_with(wanted);
                };
                self.context.store.modify::<BackingImage>(image.name(), change).await?;
                tracing::info!(
                    image = image.name(),
                    node = found.node,
                    disk = found.disk_name,
                    "one more copy is wished"
                );
            }
            Err(no) => {
                let there = world.ready().count();
                let message = format!(
                    "{} has {there} of the {minimum} copies that are wished, and no other disk can take one: {}",
                    image.name(),
                    no.cause.message
                );
                let next_step = "Add a disk on another node, or lower minNumberOfCopies.";
                findings.causes.push(
                    Cause::new(CauseCode::BackingImageWaiting, Severity::Info, message, next_step)
                        .about([image.name()])
                        .detailed(no.cause.details),
                );
            }
        }
        Ok(())
    }

    /// The files go in the next pass ([`Self::sweep`]).
    async fn let_go(&self, image: &Object<BackingImage>, disks: &[String]) -> Result<(), Error> {
        if disks.is_empty() {
            return Ok(());
        }
        let change = |image: &mut Object<BackingImage>| {
            image.spec.disk_file_spec_map.retain(|uuid, _| !disks.contains(uuid));
        };
        self.context.store.modify::<BackingImage>(image.name(), change).await?;
        Ok(())
    }

    /// Removes files from disks where they are not wished. First the resource says so, then the file goes: no replica
    /// begins to use what is about to go.
    pub(super) async fn sweep(
        &self,
        image: &Object<BackingImage>,
        world: &World,
        findings: &mut Findings,
    ) -> Result<(), Error> {
        let (store, wished) = (&self.context.store, &image.spec.disk_file_spec_map);
        for uuid in image.status.disk_file_status_map.keys().filter(|uuid| !wished.contains_key(*uuid)) {
            // A disk that nobody has any more has no file that could be removed.
            let Some(disk) = world.disks.get(uuid).filter(|disk| disk.copy != Copy::Absent) else { continue };
            let close = |status: &mut BackingImageStatus| {
                if let Some(copy) = status.disk_file_status_map.get_mut(uuid) {
                    copy.state = FileState::FailedAndCleanup;
                }
                status.disk_last_ref_at_map.remove(uuid);
            };
            store.modify_status::<BackingImage>(image.name(), close).await?;
            let replicas = store.list_shared::<Replica>().await?;
            let came = |one: &Object<Replica>| one.spec.backing_image == image.name() && one.spec.disk_id == *uuid;
            let removed = if replicas.iter().any(|one| came(one)) {
                findings.look_again_in(Duration::ZERO);
                Err("a replica came".to_owned())
            } else {
                files::remove(&self.context, image, disk).await.map_err(|error| error.to_string())
            };
            match removed {
                Ok(()) => tracing::info!(image = image.name(), node = disk.node, disk = disk.name, "a copy went"),
                Err(why) => {
                    findings.look_again_in(COPY_PAUSE);
                    findings.left.insert(uuid.clone(), why);
                }
            }
        }
        Ok(())
    }
}

/// A new entry of the map of disks.
pub(super) fn wanted() -> DiskFileSpec {
    DiskFileSpec { data_engine: "v1".to_owned(), eviction_requested: false }
}

/// What the scheduler is asked for a copy of this size.
pub(super) fn request(image: &Object<BackingImage>, size: ByteSize) -> Request {
    Request {
        volume: image.name().to_owned(),
        size,
        required: size,
        node_selector: image.spec.node_selector.clone(),
        disk_selector: image.spec.disk_selector.clone(),
        // Another node is better, another disk of the same node will do; never the same disk twice.
        node_soft: true,
        zone_soft: true,
        disk_soft: false,
        ..Request::default()
    }
}

fn taken(image: &Object<BackingImage>, world: &World) -> Vec<Taken> {
    let disks = image.spec.disk_file_spec_map.keys().filter_map(|uuid| world.disks.get(uuid));
    disks.map(|disk| Taken { node: disk.node.clone(), disk_uuid: disk.uuid.clone(), evicting: false }).collect()
}

/// How long a copy that failed rests before it is tried again.
fn rests(image: &Object<BackingImage>, disk: &Disk) -> Option<Duration> {
    if !matches!(disk.copy, Copy::Failed(_)) {
        return None;
    }
    let told = image.status.disk_file_status_map.get(&disk.uuid).filter(|told| told.state == FileState::Failed);
    let Some(told) = told else { return Some(COPY_PAUSE) };
    let waited = timestamp::age(&told.last_state_transition_time).unwrap_or(COPY_PAUSE);
    COPY_PAUSE.checked_sub(waited).filter(|left| !left.is_zero())
}

pub(super) fn waiting(image: &Object<BackingImage>, message: String, next_step: &str) -> Cause {
    Cause::new(CauseCode::BackingImageWaiting, Severity::Warning, message, next_step).about([image.name()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(uuid: &str, change: impl FnOnce(&mut Disk)) -> Disk {
        let mut disk = Disk {
            node: format!("node-{uuid}"),
            name: "d".into(),
            path: format!("/{uuid}"),
            uuid: uuid.into(),
            ready: true,
            evicting: false,
            needed: false,
            copy: Copy::Ready(Box::default()),
        };
        change(&mut disk);
        disk
    }

    fn planned(disks: Vec<Disk>, waited: u64, minimum: usize) -> Plan {
        let wanted = disks.iter().map(|disk| (disk.uuid.clone(), wanted())).collect();
        let needed = disks.iter().filter(|disk| disk.needed).map(|disk| disk.uuid.clone()).collect();
        let disks = disks.into_iter().map(|disk| (disk.uuid.clone(), disk)).collect();
        let world = World { disks, needed, is_early: false };
        let limits = Limits { copies_minimum: minimum, kept_for: Duration::from_secs(60) };
        plan(&wanted, &world, |_| Duration::from_secs(waited), limits)
    }

    #[test]
    fn what_replicas_wait_for_comes_first() {
        let absent = |disk: &mut Disk| disk.copy = Copy::Absent;
        let needed = |disk: &mut Disk| (disk.copy, disk.needed) = (Copy::Absent, true);
        let plan = planned(vec![disk("a", |_| {}), disk("b", absent), disk("c", needed)], 0, 3);
        assert_eq!((plan.copy_to, plan.lacking), (vec!["c".to_owned(), "b".to_owned()], 0));
    }

    /// behaviour.md §10: unused copies go after the interval, never below the minimum.
    #[test]
    fn copies_go_when_nobody_needs_them_and_enough_are_left() {
        let three = || vec![disk("a", |disk| disk.needed = true), disk("b", |_| {}), disk("c", |_| {})];
        assert_eq!(planned(three(), 61, 1).let_go, ["b", "c"]);
        assert_eq!(planned(three(), 61, 2).let_go, ["b"]);
        assert_eq!(planned(three(), 61, 3).let_go, [""; 0]);
        let early = planned(three(), 59, 1);
        assert_eq!((early.let_go.len(), early.look_again), (0, Some(Duration::from_secs(2))));
        // The last one stays, needed or not.
        assert_eq!(planned(vec![disk("a", |_| {})], 999, 1).let_go, [""; 0]);
    }

    #[test]
    fn a_disk_that_is_emptied_lets_go_when_others_have_it() {
        let emptied = |disk: &mut Disk| disk.evicting = true;
        let alone = planned(vec![disk("a", emptied)], 0, 1);
        assert_eq!((alone.let_go.len(), alone.lacking), (0, 1));
        assert_eq!(planned(vec![disk("a", emptied), disk("b", |_| {})], 0, 1).let_go, ["a"]);
        // A replica is still there.
        let used =
            planned(vec![disk("a", |disk| (disk.evicting, disk.needed) = (true, true)), disk("b", |_| {})], 0, 1);
        assert_eq!(used.let_go, [""; 0]);
    }

    #[test]
    fn what_a_silent_node_has_is_neither_copied_nor_removed() {
        let silent = |disk: &mut Disk| (disk.ready, disk.copy) = (false, Copy::Unknown("silent".into()));
        let plan = planned(vec![disk("a", silent), disk("b", |_| {}), disk("c", |_| {})], 999, 3);
        assert_eq!((plan.copy_to.len(), plan.let_go.len(), plan.lacking), (0, 0, 0));
    }
}
