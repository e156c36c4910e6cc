//! Hashing a snapshot on all members.
//!
//! Each member hashes its own files, in its own process and at its own pace; the engine starts that, follows it for
//! the status and compares the sums. It takes no turn and no barrier: a hash only reads what never changes.
//!
//! A difference between members is shown and nothing more. Members agree on what is seen from a layer, not on which
//! layer holds a block: making them equal after an unclean stop puts a block into one head and not into another, a
//! purge that one has done moves blocks that another has still to move, a discard may leave a hole here and zeros
//! there. So differing sums of one layer are a reason to look and no proof of corruption. What proves it is a
//! member's own second hash of an unchanged file (`silently_corrupted`).
//!
//! A replica that was rebuilt has no checksums; Longhorn hands the source's on, but these are of the source's file.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;

use super::barrier::OperationError;
use super::{Shared, Volume};
use crate::grpc::engine_v1::{HashPhase, ReplicaHash, SnapshotHashState};
use crate::link::control::{ControlReply, ControlRequest, RemoteErrorKind};
use crate::link::{LinkError, ReplicaLink};
use crate::replica::hash::HashState;

/// How often a running hash is looked at.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(250);

/// The last hash of the volume, as the status shows it.
#[derive(Default)]
pub(crate) struct Hashes {
    last: Mutex<Option<SnapshotHashState>>,
}

impl Hashes {
    fn lock(&self) -> MutexGuard<'_, Option<SnapshotHashState>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn last(&self) -> Option<SnapshotHashState> {
        self.lock().clone()
    }

    /// Claims the volume's one hash. False where this snapshot's hash runs already.
    fn begin(&self, snapshot: &str) -> Result<bool, OperationError> {
        let mut last = self.lock();
        match last.as_ref().filter(|hash| hash.running) {
            Some(running) if running.snapshot == snapshot => Ok(false),
            Some(running) => Err(OperationError::Refused(format!(
                "cannot hash snapshot {snapshot}: snapshot {} is being hashed; try again when it is done, or cancel it",
                running.snapshot
            ))),
            None => {
                let snapshot = snapshot.to_owned();
                *last = Some(SnapshotHashState { snapshot, running: true, ..SnapshotHashState::default() });
                Ok(true)
            }
        }
    }

    fn set(&self, state: Option<SnapshotHashState>) {
        *self.lock() = state;
    }
}

impl Volume {
    /// Starts to hash a snapshot on every member. Where a member has a valid checksum that one stays, unless `rehash`
    /// is set. [`Volume::snapshot_hash`] tells how far it is.
    pub async fn hash_snapshot(&self, name: &str, rehash: bool) -> Result<(), OperationError> {
        let shared = &self.shared;
        shared.refuse_while_joining(&format!("hash snapshot {name}"))?;
        if !shared.hashes.begin(name)? {
            return Ok(());
        }
        let (shared, name) = (Arc::clone(shared), name.to_owned());
        // In a task of its own: whoever asked may go away, and the claim must not outlive the hash.
        let started = tokio::spawn(async move {
            let started = start(&shared, &name, rehash).await;
            match &started {
                Ok(following) => drop(tokio::spawn(follow(Arc::clone(&shared), name, following.clone()))),
                Err(_) => shared.hashes.set(None),
            }
            shared.changed.tell();
            started.map(drop)
        });
        started.await.unwrap_or_else(|error| Err(OperationError::Failed(format!("ended unexpectedly: {error}"))))
    }

    /// How far the hash of a snapshot is on each member, and what the sums are.
    pub async fn snapshot_hash(&self, name: &str) -> Result<SnapshotHashState, OperationError> {
        let members = members(&self.shared);
        let request = ControlRequest::HashStatus { snapshot: name.to_owned() };
        let states = ask(&members, &request).await;
        if let Some(refusal) = refused_by_all(&states) {
            return Err(refusal);
        }
        let states = members.iter().zip(states).map(|(link, answer)| (link.name().to_owned(), state_of(answer)));
        Ok(describe(name, states.collect()))
    }

    /// Ends the hash of a snapshot on every member. What was not hashed before has no checksum then.
    pub async fn cancel_snapshot_hash(&self, name: &str) -> Result<(), OperationError> {
        let members = members(&self.shared);
        let answers = ask(&members, &ControlRequest::HashCancel { snapshot: name.to_owned() }).await;
        refused_by_all(&answers).map_or(Ok(()), Err)
    }

    /// Whether a hash runs on the node of each member, of this volume or another.
    pub async fn hash_locks(&self) -> BTreeMap<String, bool> {
        let members = members(&self.shared);
        let answers = ask(&members, &ControlRequest::HashLock).await;
        let held = |(link, answer): (&ReplicaLink, _)| match answer {
            Ok(ControlReply::HashLock { held }) => Some((link.name().to_owned(), held)),
            _ => None,
        };
        members.iter().zip(answers).filter_map(held).collect()
    }
}

fn members(shared: &Shared) -> Vec<ReplicaLink> {
    let view = shared.membership.view();
    let members = view.readable();
    members.map(|member| member.link.clone()).collect()
}

async fn ask(links: &[ReplicaLink], request: &ControlRequest) -> Vec<Result<ControlReply, LinkError>> {
    join_all(links.iter().map(|link| link.control(request))).await
}

/// A snapshot that no member has, or may hash.
fn refused_by_all(answers: &[Result<ControlReply, LinkError>]) -> Option<OperationError> {
    let mut errors = Vec::new();
    for answer in answers {
        errors.push(answer.as_ref().err()?);
    }
    let Some(first) = errors.first() else {
        return Some(OperationError::Failed("no replica is left to ask".to_owned()));
    };
    let text = match first {
        LinkError::Remote { error, .. } => error.message.clone(),
        LinkError::Lost { .. } => first.to_string(),
    };
    let refused = errors.iter().all(|error| error.remote_kind() == Some(RemoteErrorKind::Refused));
    Some(if refused { OperationError::Refused(text) } else { OperationError::Failed(text) })
}

/// Starts it on all members. Returns those to follow with what the others said; that is no reason to drop one: a hash
/// is no write.
async fn start(shared: &Shared, name: &str, rehash: bool) -> Result<Vec<(ReplicaLink, HashState)>, OperationError> {
    let members = members(shared);
    let answers = ask(&members, &ControlRequest::HashStart { snapshot: name.to_owned(), rehash }).await;
    if let Some(refusal) = refused_by_all(&answers) {
        return Err(refusal);
    }
    let states = answers.into_iter().map(|answer| match answer {
        Ok(_) => HashState::Waiting,
        Err(error) => HashState::Failed { why: error.to_string() },
    });
    Ok(members.into_iter().zip(states).collect())
}

/// Keeps the status current until no member works on it any more.
async fn follow(shared: Arc<Shared>, name: String, mut replicas: Vec<(ReplicaLink, HashState)>) {
    let request = ControlRequest::HashStatus { snapshot: name.clone() };
    loop {
        for (link, state) in replicas.iter_mut().filter(|(_, state)| runs(state)) {
            *state = state_of(link.control(&request).await);
        }
        let states = replicas.iter().map(|(link, state)| (link.name().to_owned(), state.clone())).collect();
        let shown = describe(&name, states);
        let running = shown.running;
        if !running && !shown.note.is_empty() {
            tracing::warn!(volume = shared.name, snapshot = name, note = shown.note, "hashed");
        }
        shared.hashes.set(Some(shown));
        shared.changed.tell();
        if !running {
            return;
        }
        tokio::time::sleep(FOLLOW_INTERVAL).await;
    }
}

fn runs(state: &HashState) -> bool {
    matches!(state, HashState::Waiting | HashState::Running { .. })
}

fn state_of(answer: Result<ControlReply, LinkError>) -> HashState {
    match answer {
        Ok(ControlReply::Hash(state)) => state,
        Ok(other) => HashState::Failed { why: format!("answered a question for a hash with {other:?}") },
        Err(error) => HashState::Failed { why: error.to_string() },
    }
}

fn describe(snapshot: &str, states: Vec<(String, HashState)>) -> SnapshotHashState {
    let running = states.iter().any(|(_, state)| runs(state));
    let mut replicas: Vec<_> = states.into_iter().map(|(replica, state)| shown(replica, state)).collect();
    let note = compare(snapshot, &mut replicas);
    SnapshotHashState { snapshot: snapshot.to_owned(), replicas, running, note }
}

fn shown(replica: String, state: HashState) -> ReplicaHash {
    let phase = match &state {
        HashState::None => HashPhase::NotHashed,
        HashState::Waiting => HashPhase::HashWaiting,
        HashState::Running { .. } => HashPhase::Hashing,
        HashState::Complete(_) => HashPhase::Hashed,
        HashState::Failed { .. } => HashPhase::HashFailed,
    };
    let shown = ReplicaHash { replica, phase: phase.into(), ..ReplicaHash::default() };
    match state {
        HashState::None | HashState::Waiting => shown,
        HashState::Running { done_bytes, total_bytes } => ReplicaHash { done_bytes, total_bytes, ..shown },
        HashState::Failed { why } => ReplicaHash { error: why, ..shown },
        HashState::Complete(known) => ReplicaHash {
            checksum: known.checksum,
            change_time: known.change_time,
            last_hashed_at: known.last_hashed_at,
            silently_corrupted: known.silently_corrupted,
            ..shown
        },
    }
}

/// Marks the replicas whose sum most others don't have, and says so.
fn compare(snapshot: &str, replicas: &mut [ReplicaHash]) -> String {
    let mut notes = Vec::new();
    let corrupted: Vec<_> =
        replicas.iter().filter(|hash| hash.silently_corrupted).map(|hash| hash.replica.as_str()).collect();
    if !corrupted.is_empty() {
        notes.push(format!(
            "the data of snapshot {snapshot} changed on the disk of {} though nobody wrote it; check that disk, and \
             rebuild the replica",
            corrupted.join(", ")
        ));
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for hash in replicas.iter().filter(|hash| !hash.checksum.is_empty()) {
        *counts.entry(hash.checksum.clone()).or_default() += 1;
    }
    if counts.len() > 1 {
        let most = counts.values().copied().max().unwrap_or_default();
        let mut leading = counts.iter().filter(|(_, count)| **count == most).map(|(sum, _)| sum);
        let majority = leading.next().filter(|_| leading.next().is_none());
        let mut differing = Vec::new();
        for hash in replicas.iter_mut().filter(|hash| !hash.checksum.is_empty()) {
            hash.differs = Some(&hash.checksum) != majority;
            if hash.differs {
                differing.push(format!("{} has {}", hash.replica, hash.checksum));
            }
        }
        let of_most = majority.map_or("no sum has a majority".to_owned(), |sum| format!("most have {sum}"));
        notes.push(format!(
            "the checksums of snapshot {snapshot} differ ({of_most}; {}). Replicas may hold a block in different \
             layers after an unclean stop or while a purge is not done everywhere, so this alone proves no corruption",
            differing.join(", ")
        ));
    }
    notes.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::hash::SnapshotChecksum;

    fn complete(checksum: &str, silently_corrupted: bool) -> HashState {
        let checksum = checksum.to_owned();
        HashState::Complete(SnapshotChecksum { checksum, silently_corrupted, ..SnapshotChecksum::default() })
    }

    fn differing(states: &[HashState]) -> (Vec<usize>, String) {
        let states = states.iter().enumerate().map(|(at, state)| (format!("r-{at}"), state.clone())).collect();
        let shown = describe("s", states);
        let found = shown.replicas.iter().enumerate().filter(|(_, hash)| hash.differs).map(|(at, _)| at).collect();
        (found, shown.note)
    }

    #[test]
    fn sums_are_compared_where_there_are_some() {
        let (a, b) = (complete("a", false), complete("b", false));
        assert_eq!(differing(&[a.clone(), a.clone(), HashState::None]), (vec![], String::new()));
        let (found, note) = differing(&[a.clone(), b.clone(), a.clone()]);
        assert_eq!(found, [1]);
        assert!(note.contains("most have a") && note.contains("r-1 has b") && note.contains("no corruption"), "{note}");
        let (found, note) = differing(&[a.clone(), b]);
        assert_eq!(found, [0, 1]);
        assert!(note.contains("no sum has a majority"), "{note}");
        let (found, note) = differing(&[a, complete("a", true)]);
        assert!(found.is_empty() && note.contains("disk of r-1"), "{note}");
    }
}
