//! Hashing: whether the disks still return what snapshots held when they were taken.
//!
//! A snapshot's files are hashed on all replicas when its volume's policy says so: at the times of a cron expression, and
//! right after the snapshot was made if the setting asks for that. When they were hashed last is kept in the snapshot's
//! status, so that a check that fell into a time without a manager, or while the volume was detached, is made up for.
//!
//! One snapshot of a volume at a time; one hash on a node, of whichever volume: while any of the replicas' nodes is at it,
//! nothing is started.

use std::collections::BTreeSet;
use std::time::Duration;

use aurochs_api::volume::SnapshotDataIntegrity;
use aurochs_engine::grpc::engine_v1::{SnapshotHashRequest, StatusRequest};
use time::OffsetDateTime;

use super::super::{Context, Error};
use super::memory::Memory;
use super::times::Times;
use super::{corrupted, names, purge};
use crate::instance::{CHANGE_TIMEOUT, LOOK_TIMEOUT, rpc, within};
use crate::resources::engine::{HashPhase, HashProgress};
use crate::resources::snapshot::SnapshotStatus;
use crate::resources::{Engine, Object, Snapshot, Volume, timestamp};
use crate::settings::Name;

/// How soon to look again when another volume's hash runs on a node.
const LOCK_PAUSE: Duration = Duration::from_secs(15);
/// No pause is longer: clocks are set, and settings change.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// What is hashed, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    Disabled,
    /// Only files that changed since they were hashed.
    FastCheck,
    /// Every file is read: that alone finds what a disk changed.
    Enabled,
}

impl Policy {
    /// The volume's own word, or the setting's where it has none.
    pub(super) fn of(volume: SnapshotDataIntegrity, setting: &str) -> Self {
        match (volume, setting) {
            (SnapshotDataIntegrity::Enabled, _) | (SnapshotDataIntegrity::Ignored, "enabled") => Self::Enabled,
            (SnapshotDataIntegrity::FastCheck, _) | (SnapshotDataIntegrity::Ignored, "fast-check") => Self::FastCheck,
            (SnapshotDataIntegrity::Disabled | SnapshotDataIntegrity::Ignored, _) => Self::Disabled,
        }
    }
}

/// When snapshots are hashed.
pub(super) struct Schedule {
    pub times: Times,
    /// Also right after they were made.
    pub at_once: bool,
}

impl Schedule {
    /// When this snapshot is due next; it may have passed. None: never.
    pub(super) fn due(&self, status: &SnapshotStatus) -> Option<OffsetDateTime> {
        let created = timestamp::parse(&status.creation_time)?;
        let checked = timestamp::parse(&status.checksum_calculated_at);
        if self.at_once && checked.is_none() {
            return Some(created);
        }
        self.times.due(checked.map_or(created, |checked| checked.max(created)))
    }
}

/// What to hash now, or how long nothing is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn<'a> {
    Hash(&'a str),
    Sleep(Duration),
    Never,
}

/// The snapshot that has been due for longest.
pub(super) fn turn<'a>(known: &'a [Object<Snapshot>], schedule: &Schedule, now: OffsetDateTime) -> Turn<'a> {
    let usable = known.iter().filter(|snapshot| snapshot.status.ready_to_use && !snapshot.is_deleting());
    let next =
        usable.filter_map(|snapshot| Some((schedule.due(&snapshot.status)?, snapshot))).min_by_key(|(due, _)| *due);
    match next {
        None => Turn::Never,
        Some((due, snapshot)) if due <= now => Turn::Hash(names::layer_name(snapshot)),
        Some((due, _)) => {
            let left = Duration::try_from(due - now).unwrap_or_default();
            Turn::Sleep((left + Duration::from_secs(1)).min(LONGEST_SLEEP))
        }
    }
}

/// What a hash that is over found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All replicas have this sum.
    Equal(String),
    /// They differ, which good replicas may.
    Differs,
    Failed(String),
}

/// `serving`: the replicas that are read from.
pub(super) fn verdict(hash: &HashProgress, serving: &BTreeSet<&str>) -> Verdict {
    let mut sums = BTreeSet::new();
    for replica in serving {
        match hash.replicas.get(*replica) {
            Some(told) if told.phase == HashPhase::Hashed && !told.checksum.is_empty() => {
                // A corrupted replica still tells the sum that was right.
                sums.insert(&told.checksum);
            }
            Some(told) => return Verdict::Failed(format!("{replica}: {}", told.error)),
            None => return Verdict::Failed(format!("{replica} was not asked")),
        }
    }
    match sums.into_iter().collect::<Vec<_>>().as_slice() {
        [sum] => Verdict::Equal((*sum).clone()),
        [] => Verdict::Failed("no replica serves".to_owned()),
        _ => Verdict::Differs,
    }
}

/// Takes over what the last hash found and starts the next one that is due. Returns when to look again.
pub(super) async fn run(
    context: &Context,
    memory: &Memory,
    volume: &Object<Volume>,
    engine: &Object<Engine>,
    known: &mut [Object<Snapshot>],
) -> Result<Option<Duration>, Error> {
    if let Some(hash) = &engine.status.hash {
        if hash.running {
            return Ok(None);
        }
        corrupted::heed(context, engine, hash).await?;
        note(context, memory, engine, hash, known).await?;
    }
    let settings = &context.settings;
    let policy = Policy::of(volume.spec.snapshot_data_integrity, &settings.text(Name::SnapshotDataIntegrity));
    let status = &engine.status;
    if policy == Policy::Disabled || !status.exclusive_work.is_empty() || !purge::all_read_write(status) {
        return Ok(None);
    }
    let now = OffsetDateTime::now_utc();
    let cron = settings.text(Name::SnapshotDataIntegrityCronjob).parse();
    let schedule = Schedule {
        times: cron.map_or(Times::Never, |cron| Times::of(&cron, now)),
        at_once: settings.flag(Name::SnapshotDataIntegrityImmediateCheckAfterSnapshotCreation),
    };
    match turn(known, &schedule, now) {
        Turn::Never => Ok(None),
        Turn::Sleep(pause) => Ok(Some(pause)),
        Turn::Hash(snapshot) => match memory.hash_pause(volume.name()) {
            Some(pause) => Ok(Some(pause)),
            None => start(context, memory, engine, snapshot, policy).await,
        },
    }
}

async fn start(
    context: &Context,
    memory: &Memory,
    engine: &Object<Engine>,
    snapshot: &str,
    policy: Policy,
) -> Result<Option<Duration>, Error> {
    let volume = &engine.spec.volume_name;
    let mut client = context.clients.engine(&engine.status.address)?;
    let doing = format!("asking which nodes hash for volume {volume}");
    let lock =
        client.snapshot_hash_lock(within(LOOK_TIMEOUT, StatusRequest {})).await.map_err(rpc(doing))?.into_inner();
    if lock.held.values().any(|held| *held) {
        return Ok(Some(LOCK_PAUSE));
    }
    let request = SnapshotHashRequest { name: snapshot.to_owned(), rehash: policy == Policy::Enabled };
    let doing = format!("hashing snapshot {snapshot} of volume {volume}");
    match client.snapshot_hash(within(CHANGE_TIMEOUT, request)).await.map_err(rpc(doing)) {
        Ok(_) => memory.note_hash(volume, snapshot),
        Err(error) if error.is_unreachable() => return Err(error.into()),
        Err(error) => {
            tracing::debug!(volume, snapshot, %error, "a hash was refused");
            memory.rest_hash(volume);
        }
    }
    Ok(memory.hash_pause(volume))
}

/// Writes the result of a hash that was started here into the snapshot's status, once.
async fn note(
    context: &Context,
    memory: &Memory,
    engine: &Object<Engine>,
    hash: &HashProgress,
    known: &mut [Object<Snapshot>],
) -> Result<(), Error> {
    let volume = &engine.spec.volume_name;
    if !memory.awaits_hash(volume, &hash.snapshot) {
        return Ok(());
    }
    let serving: BTreeSet<&str> = engine.status.replica_mode_map.keys().map(String::as_str).collect();
    let checksum = match verdict(hash, &serving) {
        Verdict::Equal(checksum) => checksum,
        Verdict::Differs => String::new(),
        Verdict::Failed(why) => {
            tracing::info!(volume, snapshot = hash.snapshot, why, "a snapshot could not be hashed; trying again");
            memory.rest_hash(volume);
            return Ok(());
        }
    };
    let of_it =
        |snapshot: &&mut Object<Snapshot>| names::layer_name(snapshot) == hash.snapshot && names::was_taken(snapshot);
    if let Some(snapshot) = known.iter_mut().find(of_it) {
        let checksum_calculated_at = timestamp::now();
        let status = SnapshotStatus { checksum, checksum_calculated_at, ..snapshot.status.clone() };
        *snapshot = context.store.update_status(&Object { status, ..snapshot.clone() }).await?;
    }
    memory.hash_done(volume);
    Ok(())
}
