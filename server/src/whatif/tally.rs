//! From what the controllers would do to the answer: figures, verdict, order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use aurochs_api::cause::{Cause, Severity};
use aurochs_api::size::{ByteSize, VOLUME_SIZE_MINIMUM};
use aurochs_api::volume::{Robustness, VolumeState};
use aurochs_api::whatif::{Moment, MoveKind, Verdict, WhatIf, WhatIfDisk, WhatIfMove, WhatIfVolume};

use super::picture::Picture;
use crate::controllers::volume::foresee::{Deed, Future, Scene, robustness};
use crate::resources::{Object, Volume};
use crate::scheduling::filter;
use crate::scheduling::{NodeView, Request, Rules};

/// More volumes are counted and not listed.
const VOLUMES_MAXIMUM: usize = 500;

/// What is put together.
pub(super) struct Tally<'a> {
    picture: &'a Picture,
    before: Scene,
    answer: WhatIf,
    /// Replicas that came to a disk less those that went, by node and disk UUID.
    counts: BTreeMap<(String, String), i64>,
}

/// What is known of a volume's future besides the deeds.
pub(super) struct Circumstances {
    pub lost: BTreeSet<String>,
    /// Replicas that are emptied or lost, for the warning that the last good one is among them.
    pub touched: BTreeSet<String>,
    pub interrupted: bool,
    /// The volume itself goes.
    pub deleted: bool,
    pub when: Moment,
    pub wished: u32,
    pub notes: Vec<String>,
}

impl Circumstances {
    pub(super) fn new(wished: u32, when: Moment) -> Self {
        let (lost, touched, notes) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        Self { lost, touched, interrupted: false, deleted: false, when, wished: wished.max(1), notes }
    }
}

impl<'a> Tally<'a> {
    pub(super) fn new(picture: &'a Picture) -> Self {
        Self { picture, before: picture.scene_now(), answer: WhatIf::default(), counts: BTreeMap::new() }
    }

    pub(super) fn obstacle(&mut self, cause: Cause) {
        self.answer.obstacles.push(cause);
    }

    pub(super) const fn free(&mut self, minimum: ByteSize, maximum: ByteSize) {
        self.answer.bytes_freed_minimum = self.answer.bytes_freed_minimum.saturating_add(minimum.bytes());
        self.answer.bytes_freed_maximum = self.answer.bytes_freed_maximum.saturating_add(maximum.bytes());
    }

    /// A volume that something happens to.
    pub(super) fn add(&mut self, volume: &Object<Volume>, future: Future, around: Circumstances) {
        let before = future.whole_before.len();
        let meanwhile = if around.deleted { 0 } else { future.whole_before.difference(&around.lost).count() };
        let after = future.whole_after;
        let becomes = |whole, wished| if around.deleted { Robustness::Unknown } else { robustness(whole, wished) };
        let wished = usize::try_from(around.wished).unwrap_or(usize::MAX);
        let last = before == 1 && future.whole_before.is_subset(&around.touched);
        let mut moves: Vec<WhatIfMove> = around.lost.iter().map(|name| self.departure(MoveKind::Lose, name)).collect();
        for deed in &future.deeds {
            moves.extend(self.told(deed, &around));
        }
        self.answer.bytes_to_copy =
            moves.iter().fold(self.answer.bytes_to_copy, |sum, one| sum.saturating_add(one.bytes));
        self.answer.volumes.push(WhatIfVolume {
            name: volume.name().to_owned(),
            state: volume.status.state,
            attached_to: match volume.status.state {
                VolumeState::Attached | VolumeState::Attaching => volume.status.current_node_id.clone(),
                _ => String::new(),
            },
            replicas_wished: around.wished,
            healthy_before: count(before),
            healthy_meanwhile: count(meanwhile),
            healthy_after: count(after),
            robustness_meanwhile: becomes(meanwhile, wished),
            robustness_after: becomes(after, wished),
            deleted: around.deleted,
            last_healthy_replica: last,
            interrupted: around.interrupted,
            moves,
            causes: future.causes,
            notes: around.notes,
        });
    }

    fn told(&mut self, deed: &Deed, around: &Circumstances) -> Option<WhatIfMove> {
        match deed {
            Deed::Add { place, bytes } => {
                *self.counts.entry((place.node.clone(), place.disk_uuid.clone())).or_default() += 1;
                Some(WhatIfMove {
                    kind: MoveKind::Add,
                    to_node: place.node.clone(),
                    to_disk: place.disk_name.clone(),
                    bytes: bytes.bytes(),
                    when: around.when,
                    ..WhatIfMove::default()
                })
            }
            Deed::Rebuild { replica, bytes } => {
                let there = self.departure(MoveKind::Rebuild, replica);
                let (to_node, to_disk) = (there.from_node.clone(), there.from_disk.clone());
                Some(WhatIfMove { to_node, to_disk, bytes: bytes.bytes(), when: around.when, ..there })
            }
            // It is told as lost already.
            Deed::Remove { replica } if around.lost.contains(replica) => None,
            Deed::Remove { replica } => {
                Some(WhatIfMove { when: around.when, ..self.departure(MoveKind::Remove, replica) })
            }
        }
    }

    /// Where a replica is now, as the place that it leaves.
    fn departure(&mut self, kind: MoveKind, name: &str) -> WhatIfMove {
        let Some(replica) = self.picture.replica(name) else {
            return WhatIfMove { kind, replica: name.to_owned(), ..WhatIfMove::default() };
        };
        let (node, disk) = (&replica.spec.node_id, &replica.spec.disk_id);
        if kind != MoveKind::Rebuild {
            *self.counts.entry((node.clone(), disk.clone())).or_default() -= 1;
        }
        WhatIfMove {
            kind,
            replica: name.to_owned(),
            from_node: node.clone(),
            from_disk: self.picture.disk_name(node, disk),
            ..WhatIfMove::default()
        }
    }

    /// The answer, with the disks as `after` leaves them.
    pub(super) fn done(mut self, after: &Scene, summary: impl FnOnce(&WhatIf) -> String) -> WhatIf {
        self.answer.disks = self.disks(after);
        self.answer.verdict = verdict(&self.answer);
        self.answer.summary = summary(&self.answer);
        let volumes = &mut self.answer.volumes;
        volumes.sort_by_key(|volume| {
            let worst = volume.causes.iter().map(|cause| cause.severity).max();
            (Reverse(loses(volume)), Reverse(worst), Reverse(volume.interrupted), volume.name.clone())
        });
        self.answer.volumes_left_out = volumes.len().saturating_sub(VOLUMES_MAXIMUM) as u64;
        volumes.truncate(VOLUMES_MAXIMUM);
        self.answer
    }

    fn disks(&self, after: &Scene) -> Vec<WhatIfDisk> {
        let mut replicas: BTreeMap<&str, u32> = BTreeMap::new();
        for replica in self.picture.replicas.iter().filter(|replica| replica.spec.is_placed()) {
            *replicas.entry(replica.spec.disk_id.as_str()).or_default() += 1;
        }
        let refusals = (refusals(&self.before.views, &self.before.rules), refusals(&after.views, &after.rules));
        let mut rows = Vec::new();
        for node in &self.before.views {
            for disk in &node.disks {
                let key = (node.name.clone(), disk.uuid.clone());
                let then = after.views.iter().find(|one| one.name == node.name);
                let Some(then) = then.and_then(|one| one.disks.iter().find(|one| one.uuid == disk.uuid)) else {
                    continue;
                };
                let count = replicas.get(disk.uuid.as_str()).copied().unwrap_or_default();
                let difference = self.counts.get(&key).copied().unwrap_or_default();
                let name = (node.name.clone(), disk.name.clone());
                let (refused, refuses) = (refusals.0.get(&name), refusals.1.get(&name));
                let limits = (self.before.rules.limits, after.rules.limits);
                let row = WhatIfDisk {
                    node: node.name.clone(),
                    disk: disk.name.clone(),
                    replicas_before: count,
                    replicas_after: u32::try_from((i64::from(count) + difference).max(0)).unwrap_or(u32::MAX),
                    available_before: disk.space.available.bytes(),
                    available_after: then.space.available.bytes(),
                    scheduled_before: disk.space.scheduled.bytes(),
                    scheduled_after: then.space.scheduled.bytes(),
                    schedulable_before: disk.space.schedulable(limits.0).bytes(),
                    schedulable_after: then.space.schedulable(limits.1).bytes(),
                    refuses_after: refuses.cloned().unwrap_or_default(),
                };
                let same = (disk.space, row.schedulable_before, row.replicas_before)
                    == (then.space, row.schedulable_after, row.replicas_after);
                if !same || refused != refuses {
                    rows.push(row);
                }
            }
        }
        rows
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Why disks take nothing, not even the smallest volume whatever tags it asks for; by node and disk.
fn refusals(views: &[NodeView], rules: &Rules) -> BTreeMap<(String, String), String> {
    let request = Request { size: VOLUME_SIZE_MINIMUM, ..Request::default() };
    let rules = Rules { allow_empty_node_selector: true, allow_empty_disk_selector: true, ..*rules };
    let (_, refusals) = filter::candidates(&request, views, &rules);
    let mut found = BTreeMap::new();
    for refusal in refusals {
        let of_node = views.iter().filter(|view| view.name == refusal.node).flat_map(|view| &view.disks);
        for disk in of_node.filter(|disk| refusal.disk.is_empty() || refusal.disk == disk.name) {
            found.insert((refusal.node.clone(), disk.name.clone()), refusal.text.clone());
        }
    }
    found
}

/// Its data would be gone, and nobody asked for that.
const fn loses(volume: &WhatIfVolume) -> bool {
    !volume.deleted && volume.healthy_before > 0 && volume.healthy_meanwhile == 0
}

fn verdict(answer: &WhatIf) -> Verdict {
    let falls_short = |volume: &WhatIfVolume| {
        !volume.causes.is_empty() || !volume.deleted && volume.robustness_after != Robustness::Healthy
    };
    if answer.volumes.iter().any(loses) {
        Verdict::DataLoss
    } else if answer.obstacles.iter().any(|cause| cause.severity > Severity::Info) {
        Verdict::Refused
    } else if answer.volumes.iter().any(falls_short) {
        Verdict::Incomplete
    } else {
        Verdict::Fine
    }
}

/// `1 volume`, `3 volumes`.
pub(super) fn counted(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// What is to be copied and what does not fit, as the end of a summary.
pub(super) fn consequences(answer: &WhatIf) -> String {
    let mut sentences = Vec::new();
    let moves = || answer.volumes.iter().flat_map(|volume| &volume.moves);
    let filled = moves().filter(|one| matches!(one.kind, MoveKind::Add | MoveKind::Rebuild)).count();
    if filled > 0 {
        let bytes = ByteSize(answer.bytes_to_copy);
        sentences.push(format!("{} would be filled, {bytes} to copy.", counted(filled, "replica")));
    }
    let lost = answer.volumes.iter().filter(|volume| loses(volume)).count();
    if lost > 0 {
        sentences
            .push(format!("The data of {} would be gone: the last good replica is there.", counted(lost, "volume")));
    }
    let interrupted = answer.volumes.iter().filter(|volume| volume.interrupted).count();
    if interrupted > 0 {
        sentences.push(format!("{} in use would be interrupted.", counted(interrupted, "volume")));
    }
    let stuck = answer.volumes.iter().filter(|volume| !loses(volume) && !volume.causes.is_empty()).count();
    if stuck > 0 {
        sentences.push(format!("{} would not be as wished afterwards.", counted(stuck, "volume")));
    }
    sentences.join(" ")
}
