//! How a volume comes up (SAFETY.md, "Start").
//!
//! 1. The record names this engine's epoch, raised by whoever started it.
//! 2. HELLO to every member; each makes the epoch durable and lets lower ones go.
//! 3. Members that don't answer, are in the middle of a rebuild or have other layers than the rest are taken out, and
//!    a snapshot that only some have is completed; all this is recorded before the first request is served.
//!    Where none is left, nothing comes up, unless a person asked to go on with another replica (`salvage`).
//! 4. Members of different sizes are an expansion that broke off: it is completed like a snapshot. If all of them are
//!    larger than the engine was told, it came about without being told to whoever starts engines, and the larger size
//!    counts, since clients may have written up to it. If they are smaller, the volume was expanded while it was down,
//!    and grows: before it is served, or in the background where that has to wait for 5 (`growth_at_start`).
//! 5. After an unclean stop what is dirty in a member's log is compared before it is read; everything in the members' heads,
//!    where one of them has no log that can be trusted. A member whose host has not
//!    rebooted is the source: the others may lack acknowledged writes that were never flushed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;

use super::changes::Changes;
use super::counters::Counters;
use super::expand::{self, Expansion};
use super::lazy::Lazy;
use super::lazy::map::Map;
use super::membership::{Member, Membership, Mode, View};
use super::ordering::Ordering;
use super::record::{Epoch, Generation, Keeper, KeeperError, Record};
use super::status::LayerCache;
use super::unequal::Unequal;
use super::{Shared, Volume, growth_at_start, snapshot_limits, watchdog};
use crate::link::control::{ControlReply, ControlRequest, Hello};
use crate::link::extents::ExtentPages;
use crate::link::{Address, LinkError, ReplicaLink};
use crate::replica::LayerInfo;
use crate::replica::tree::Tree;
use crate::{crash_point, rule};

/// How long a member may take for an answer during the start.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Generation of a record that no engine has changed yet.
const FIRST_GENERATION: Generation = Generation(1);

/// What an engine is started with.
#[derive(Clone, Debug)]
pub struct StartOptions {
    pub volume: String,
    pub size: u64,
    pub epoch: Epoch,
    /// Where the replicas listen, by name.
    pub replicas: BTreeMap<String, Address>,
    /// A person's decision to go on with another replica if no member can be used, and to lose what that one lacks.
    pub salvage: bool,
}

/// Why a volume did not come up.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    #[error("volume {volume}: this engine has epoch {}, the control record {}: a newer engine was started", .epoch.0, .recorded.0)]
    OutOfDate { volume: String, epoch: Epoch, recorded: Epoch },
    #[error("volume {volume}: none of its replicas with all data can be used: {reasons}; {next}")]
    NoReplica { volume: String, reasons: String, next: String },
    #[error("volume {volume}: {0}", volume = .1)]
    Fenced(String, String),
}

/// A member that answered, with its layers.
pub(super) struct Candidate {
    pub(super) link: ReplicaLink,
    layers: Vec<LayerInfo>,
}

/// What is expected of a replica that is greeted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// A member of a volume that no engine has served yet: it may be empty.
    New,
    /// A member that has served an engine before, and has to show it.
    Member,
    /// Not necessarily a member, but data has to be in it.
    Salvage,
}

/// What the start has found and recorded: the volume as it begins.
struct Found {
    view: View,
    unequal: Unequal,
    /// All members agree on them. Known before anybody can ask: a volume that runs has a head at least, and whoever was
    /// told of no layers at all would take every snapshot for gone.
    layers: LayerCache,
    /// What a salvage chose, and why; empty after an ordinary start.
    salvaged: String,
    /// What is still in a backup.
    lazy: Lazy,
}

impl Volume {
    /// Brings the volume up. Nothing is served before this returns.
    pub async fn start(options: StartOptions, keeper: Arc<dyn Keeper>) -> Result<Self, StartError> {
        let record = keeper.get(&options.volume).await?;
        if record.epoch != options.epoch {
            let StartOptions { volume, epoch, .. } = options;
            return Err(StartError::OutOfDate { volume, epoch, recorded: record.epoch });
        }
        let session = uuid::Uuid::new_v4().to_string();
        // Every start raises the generation, so that from the second one on each member has served an engine before.
        let trust = if record.generation > FIRST_GENERATION { Trust::Member } else { Trust::New };
        let mut failed = BTreeMap::new();
        let candidates = greet(&options, record.members.iter(), &session, trust, &mut failed).await?;
        let mut candidates = agree_on_layers(candidates, &mut failed).await;
        crash_point::reached("volume-start.agreed");
        // The order that `reconcile` takes its source from.
        candidates.sort_by_key(|candidate| candidate.link.welcome().rebooted);
        let mut salvaged = String::new();
        if candidates.is_empty() {
            let chosen = super::salvage::choose(&options, &record, &session, &mut failed).await?;
            candidates.push(chosen.candidate);
            salvaged = chosen.note;
        }
        let started = Record {
            generation: Generation(record.generation.0 + 1),
            members: candidates.iter().map(|candidate| candidate.link.name().to_owned()).collect(),
            joining: BTreeSet::new(),
            clean: false,
            ..record.clone()
        };
        keeper.compare_and_set(record.epoch, record.generation, &started).await?;
        crash_point::reached("volume-start.recorded");
        if salvaged.is_empty() {
            note_absent(&candidates, &record, &started).await;
        }
        if !salvaged.is_empty() {
            crate::crash_point::reached("salvage.recorded");
        }
        let wanted = options.size;
        let size = candidates.first().and_then(|candidate| head_size(&candidate.layers)).unwrap_or(wanted);
        let unequal = Unequal::default();
        if !record.clean && candidates.len() > 1 {
            add_what_may_differ(&candidates, &unequal, size).await;
        }
        let view = View::new(members(&candidates), failed, started);
        let (map, all_alike) = remote_map(&candidates, &options.volume)?;
        let lazy = Lazy::of(map);
        let layers = candidates.into_iter().next().map(|candidate| candidate.layers).unwrap_or_default();
        let found = Found { view, unequal, layers: LayerCache::new(layers), salvaged, lazy };
        let name = options.volume.clone();
        let volume = Self::assemble(StartOptions { size, ..options }, session, keeper, found);
        volume.resume_lazily(all_alike).await.map_err(|why| map_unusable(&name, why))?;
        volume.start_with_size(wanted).await;
        Ok(volume)
    }

    fn assemble(options: StartOptions, session: String, keeper: Arc<dyn Keeper>, found: Found) -> Self {
        let Found { view, unequal, layers, salvaged, lazy } = found;
        super::generation::tell(&view);
        let links: Vec<_> = view.members.iter().map(|member| member.link.clone()).collect();
        let work = super::exclusive_work::ExclusiveWork::on(&options.volume);
        let shared = Arc::new(Shared {
            name: options.volume,
            size: options.size.into(),
            session,
            ordering: Ordering::default(),
            membership: Membership::new(view, keeper),
            unequal,
            repairs: super::repair::Repairs::default(),
            region_rounds: super::region_rounds::RegionRounds::default(),
            counters: Counters::default(),
            layers,
            rebuilds: crate::rebuild::Rebuilds::default(),
            passes: super::snapshot_read::Passes::default(),
            filling: super::fill::FillMark::default(),
            clones: super::clone::Clones::default(),
            backups: super::backup::list::Backups::default(),
            restores: super::restore::shown::Restores::default(),
            lazy,
            hashes: super::hash::Hashes::default(),
            salvaged,
            expansion: Expansion::default(),
            offered: growth_at_start::Offered::default(),
            snapshot_limits: snapshot_limits::Current::default(),
            work,
            purges: super::purge::Purges::default(),
            unmap_chain: super::unmap_chain::UnmapChain::default(),
            patience: watchdog::Patience::default(),
            snapshotting: tokio::sync::Mutex::new(()),
            broken_frontend: tokio::sync::watch::Sender::default(),
            changed: Changes::default(),
        });
        for link in &links {
            watchdog::watch_link(&shared, link);
        }
        let recorder = Arc::clone(&shared);
        tokio::spawn(async move { recorder.membership.run(&recorder.changed).await });
        tokio::spawn(watchdog::run(Arc::clone(&shared)));
        tokio::spawn(super::status::run_refresh(Arc::clone(&shared)));
        tokio::spawn(super::reconcile::run(Arc::clone(&shared)));
        tokio::spawn(super::region_rounds::run(Arc::clone(&shared)));
        tokio::spawn(super::repair::run(Arc::clone(&shared)));
        Self { shared }
    }
}

/// Who is here takes down what those members miss that are not, before anything is made clean or acknowledged. Not after a
/// salvage: the members that are given up may have had what nobody here knows of.
async fn note_absent(candidates: &[Candidate], before: &Record, now: &Record) {
    if rule::is_left_out(rule::MISSED_FIRST) {
        return;
    }
    let since = now.generation.0;
    let noted = candidates.iter().map(|candidate| async {
        for absent in before.members.difference(&now.members) {
            let request = ControlRequest::BeginToMiss { replica: absent.clone(), since };
            if let Err(error) = in_time(&candidate.link, candidate.link.control(&request)).await {
                let replica = candidate.link.name();
                tracing::warn!(replica, absent, %error, "it does not take down what an absent replica misses");
            }
        }
    });
    join_all(noted).await;
}

/// What the members' maps tell together, and whether all of them tell the same. One that has none, beside others that
/// have, was not told yet when the restore began, or has let go of it already at its end: then that of the others has
/// everything in it, or nothing.
fn remote_map(candidates: &[Candidate], volume: &str) -> Result<(Option<Map>, bool), StartError> {
    let texts = || candidates.iter().map(|candidate| candidate.link.welcome().remote.as_deref());
    let all_alike = texts().all(|text| Some(text) == texts().next());
    let maps = texts().flatten().map(Map::decode).collect::<Result<Vec<_>, String>>();
    let map = maps.and_then(Map::of_all).map_err(|why| map_unusable(volume, why))?;
    Ok((map, all_alike))
}

fn map_unusable(volume: &str, reasons: String) -> StartError {
    let next = "restore the backup into a new volume".to_owned();
    StartError::NoReplica { volume: volume.to_owned(), reasons, next }
}

fn members(candidates: &[Candidate]) -> Vec<Member> {
    candidates.iter().map(|candidate| Member { link: candidate.link.clone(), mode: Mode::ReadWrite }).collect()
}

/// HELLO to each of these replicas; those that can't be used go to the failed ones with their reason.
pub(super) async fn greet(
    options: &StartOptions,
    names: impl Iterator<Item = &String>,
    session: &str,
    trust: Trust,
    failed: &mut BTreeMap<String, String>,
) -> Result<Vec<Candidate>, StartError> {
    let greetings = names.map(|name| async move { (name, greet_one(options, name, session, trust).await) });
    let mut candidates = Vec::new();
    for (name, greeting) in join_all(greetings).await {
        match greeting {
            Ok(candidate) => candidates.push(candidate),
            Err(error) => {
                if let Some(over) = fenced(options, &error) {
                    return Err(over);
                }
                tracing::warn!(replica = name, %error, "replica can't be used");
                failed.insert(name.clone(), error.to_string());
            }
        }
    }
    Ok(candidates)
}

/// A replica that has seen a newer engine ends the start, whatever the others say.
fn fenced(options: &StartOptions, error: &LinkError) -> Option<StartError> {
    let fenced = error.remote_kind() == Some(crate::link::control::RemoteErrorKind::Fenced);
    fenced.then(|| StartError::Fenced(error.to_string(), options.volume.clone()))
}

async fn greet_one(options: &StartOptions, name: &str, session: &str, trust: Trust) -> Result<Candidate, LinkError> {
    let lost = |cause: String| LinkError::Lost { replica: name.to_owned(), cause };
    let address = options.replicas.get(name).ok_or_else(|| lost("it is not running".to_owned()))?;
    let link = ReplicaLink::connect(name, address, &hello(options, name, session, trust)).await?;
    let welcome = link.welcome();
    if welcome.rebuilding {
        return Err(lost("its last rebuild was interrupted, so its data is not complete".to_owned()));
    }
    let layers = in_time(&link, ask_layers(&link)).await?;
    Ok(Candidate { link, layers })
}

fn hello(options: &StartOptions, name: &str, session: &str, trust: Trust) -> Hello {
    Hello {
        volume: options.volume.clone(),
        replica: name.to_owned(),
        epoch: options.epoch.0,
        session: session.to_owned(),
        link: 0,
        holds_data: trust != Trust::New,
        salvage: trust == Trust::Salvage,
        bulk: false,
    }
}

/// Before the volume is up nobody watches its links, and a member that stands still must not hold the others up.
async fn in_time<T>(link: &ReplicaLink, answer: impl Future<Output = Result<T, LinkError>>) -> Result<T, LinkError> {
    tokio::time::timeout(ANSWER_TIMEOUT, answer).await.unwrap_or_else(|_| {
        let cause = format!("no answer within {} s while the volume was started", ANSWER_TIMEOUT.as_secs());
        link.fail(&cause);
        Err(LinkError::Lost { replica: link.name().to_owned(), cause })
    })
}

pub(crate) async fn ask_layers(link: &ReplicaLink) -> Result<Vec<LayerInfo>, LinkError> {
    match link.control(&ControlRequest::Layers).await? {
        ControlReply::Layers(layers) => Ok(layers),
        other => {
            let cause = format!("answered a question for its layers with {other:?}");
            Err(LinkError::Lost { replica: link.name().to_owned(), cause })
        }
    }
}

/// The volume's size as these layers have it.
pub(crate) fn head_size(layers: &[LayerInfo]) -> Option<u64> {
    layers.iter().find(|layer| layer.is_head).map(|head| head.file_size)
}

/// Whether two members agree: the live snapshots, and which of them each and the head go back to. What is seen from
/// those is then the same on both; and the volume's size. Removed layers and allocated sizes may differ: members purge
/// at their own pace.
pub(crate) fn agree(one: &[LayerInfo], other: &[LayerInfo]) -> bool {
    Tree::of_layers(one).live_view() == Tree::of_layers(other).live_view() && head_size(one) == head_size(other)
}

fn live_layers(layers: &[LayerInfo]) -> usize {
    // One whose image is lost must not outdo a member that has it.
    Tree::of_layers(layers).live_view().readable()
}

/// Marks on every member what any of them has marked: users were told so, or have asked for it. Nobody deletes or
/// merges a layer before all members have marked it, so that a mark is enough to tell a removal from a loss.
///
/// A member that cannot mark now would look as if it had more snapshots than the others: it is left out.
async fn complete_marks(candidates: Vec<Candidate>, failed: &mut BTreeMap<String, String>) -> Vec<Candidate> {
    let marked: BTreeSet<String> = candidates
        .iter()
        .flat_map(|candidate| candidate.layers.iter().filter(|layer| layer.removed && !layer.is_head))
        .map(|layer| layer.file_name.clone())
        .collect();
    let mut complete = Vec::new();
    for mut candidate in candidates {
        let missing = candidate.layers.iter().filter(|layer| !layer.removed && marked.contains(&layer.file_name));
        let snapshots: Vec<String> =
            missing.map(|layer| super::status::snapshot_name(&layer.file_name).to_owned()).collect();
        if !snapshots.is_empty() {
            match mark(&candidate, snapshots).await {
                Ok(layers) => candidate.layers = layers,
                Err(error) => {
                    tracing::warn!(replica = candidate.link.name(), %error, "marks not completed");
                    let cause = format!("it could not mark what the others have marked as removed: {error}");
                    failed.insert(candidate.link.name().to_owned(), cause);
                    continue;
                }
            }
        }
        complete.push(candidate);
    }
    complete
}

async fn mark(candidate: &Candidate, snapshots: Vec<String>) -> Result<Vec<LayerInfo>, LinkError> {
    in_time(&candidate.link, candidate.link.control(&ControlRequest::MarkRemoved { snapshots })).await?;
    in_time(&candidate.link, ask_layers(&candidate.link)).await
}

/// Rule 5: a snapshot that only some members have was not acknowledged. It was taken with nothing in flight and
/// nothing was written since, so it is completed on the others. Members that differ in any other way (an operation
/// that ended half-way) are taken out and rebuilt; the one with the most live layers, the earliest by name, is right.
async fn agree_on_layers(candidates: Vec<Candidate>, failed: &mut BTreeMap<String, String>) -> Vec<Candidate> {
    let mut candidates = complete_marks(candidates, failed).await;
    candidates.sort_by(|a, b| {
        live_layers(&b.layers).cmp(&live_layers(&a.layers)).then_with(|| a.link.name().cmp(b.link.name()))
    });
    let Some(model) = candidates.first().map(|candidate| candidate.layers.clone()) else { return candidates };
    let mut agreed = Vec::new();
    for mut candidate in candidates {
        if !agree(&candidate.layers, &model) {
            match complete_snapshot(&candidate, &model).await {
                Ok(layers) => candidate.layers = layers,
                Err(error) => tracing::warn!(replica = candidate.link.name(), %error, "snapshot not completed"),
            }
        }
        if agree(&candidate.layers, &model) {
            agreed.push(candidate);
        } else {
            let cause = "its layers or its size differ from the other replicas'; it has to be rebuilt";
            failed.insert(candidate.link.name().to_owned(), cause.to_owned());
        }
    }
    agreed
}

/// Takes the model's newest snapshot on a member that lacks just that one; an expansion's, with the model's size.
async fn complete_snapshot(candidate: &Candidate, model: &[LayerInfo]) -> Result<Vec<LayerInfo>, LinkError> {
    let newest = model.iter().find(|layer| layer.is_head).map_or("", |head| head.parent.as_str());
    let missing = model.iter().find(|layer| !layer.is_head && layer.file_name == newest);
    let has_it = candidate.layers.iter().any(|layer| layer.file_name == newest);
    let Some(missing) = missing.filter(|layer| !layer.removed && !has_it) else { return Ok(candidate.layers.clone()) };
    if missing.created.is_empty() {
        // Filled in by a clone or a restore: its content never was in the head of a member that lacks it.
        return Ok(candidate.layers.clone());
    }
    if candidate.link.welcome().rebooted {
        // Its head may lack writes that were not flushed, and a snapshot must not keep that for ever.
        return Ok(candidate.layers.clone());
    }
    let name = missing.file_name.strip_prefix("volume-snap-").and_then(|name| name.strip_suffix(".img"));
    let created = missing.created.clone();
    let size = head_size(model).unwrap_or_default();
    let request = if expand::is_left_by(&missing.file_name, size) && head_size(&candidate.layers) < Some(size) {
        ControlRequest::Expand { size, created }
    } else {
        ControlRequest::Snapshot {
            name: name.unwrap_or(&missing.file_name).to_owned(),
            user_created: missing.user_created,
            created,
            labels: missing.labels.clone(),
        }
    };
    in_time(&candidate.link, candidate.link.control(&request)).await?;
    in_time(&candidate.link, ask_layers(&candidate.link)).await
}

/// What the members' logs say, or everything that they hold where one of them knows nothing: a region in which two members
/// differ is dirty in the log of one of them.
async fn add_what_may_differ(candidates: &[Candidate], unequal: &Unequal, size: u64) {
    let logs =
        join_all(candidates.iter().map(|candidate| in_time(&candidate.link, ask_dirty_ranges(&candidate.link)))).await;
    let Some(logs) = logs.into_iter().map(|log| log.ok().flatten()).collect::<Option<Vec<_>>>() else {
        return add_heads(candidates, unequal, size).await;
    };
    for range in logs.into_iter().flatten() {
        unequal.add(range.start, range.end.min(size).saturating_sub(range.start));
    }
    tracing::info!(regions = unequal.left(), "only what was being written is compared");
}

/// `None` where the member cannot say.
async fn ask_dirty_ranges(link: &ReplicaLink) -> Result<Option<Vec<Range<u64>>>, LinkError> {
    match link.control(&ControlRequest::DirtyRegions).await? {
        ControlReply::DirtyRegions(log) => Ok(log.and_then(|log| log.ranges())),
        // A version that keeps no log says that it does not know the question; a test's may say anything.
        _ => Ok(None),
    }
}

/// Everything that any member holds in its head may differ, and in the removed layers below it: a discard that was in
/// flight may have punched those on one member only. Snapshots were taken with nothing in flight.
async fn add_heads(candidates: &[Candidate], unequal: &Unequal, size: u64) {
    for candidate in candidates {
        for layer in Tree::of_layers(&candidate.layers).unsettled() {
            add_layer(candidate, layer, unequal, size).await;
        }
    }
}

async fn add_layer(candidate: &Candidate, layer: &str, unequal: &Unequal, size: u64) {
    let mut pages = ExtentPages::of(layer);
    while let Some(request) = pages.next_request() {
        let answer = in_time(&candidate.link, candidate.link.control(&request)).await;
        let Ok(extents) = answer.and_then(|reply| pages.take(candidate.link.name(), reply)) else {
            // Not knowing is no reason to trust: then everything is compared.
            unequal.add(pages.known_to(), size.saturating_sub(pages.known_to()));
            break;
        };
        for (offset, length) in extents {
            let end = (offset + length).min(size);
            unequal.add(offset, end.saturating_sub(offset));
        }
    }
}
