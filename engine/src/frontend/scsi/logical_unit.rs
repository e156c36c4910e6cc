//! What all sessions of a volume share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::RwLock;

use super::attention::Attentions;
use super::extended_copy::results::CopyResults;
use super::identity::{Identity, InitiatorPort};
use super::mode::pages::Modes;
use super::nexus::Nexus;
use super::reservations::Reservations;
use super::sense::AdditionalSense;
use super::task_set::TaskSet;
use crate::frontend::BlockDevice;

/// One logical unit: a disk. All sessions share it.
pub struct LogicalUnit<D: BlockDevice> {
    pub(super) device: Arc<D>,
    pub(super) identity: Identity,
    pub(super) nexuses: Nexuses,
    pub(super) reservations: Reservations,
    pub(super) modes: Modes,
    tasks: TaskSet,
}

impl<D: BlockDevice> LogicalUnit<D> {
    #[must_use]
    pub fn new(device: Arc<D>, identity: Identity) -> Self {
        Self {
            device,
            identity,
            nexuses: Nexuses::default(),
            reservations: Reservations::default(),
            modes: Modes::default(),
            tasks: TaskSet::default(),
        }
    }

    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The commands of all sessions, in the order that they asked for. A transport puts a command in before it executes it.
    #[must_use]
    pub fn tasks(&self) -> &TaskSet {
        &self.tasks
    }

    /// A new session. Its first command is told by a unit attention that nothing of an earlier session is left.
    /// Dropping the nexus is the loss of it: RESERVE (6) is undone, persistent reservations stay. A transport drops it
    /// when the session's commands have ended, so that a session that took the unit over meets none of them.
    #[must_use]
    pub fn nexus(self: &Arc<Self>, initiator: InitiatorPort) -> Nexus<D> {
        Nexus::new(Arc::clone(self), self.nexuses.add(initiator))
    }

    /// The device has grown: every session is told by a unit attention.
    pub fn size_changed(&self) {
        self.nexuses.attention_where(AdditionalSense::CAPACITY_DATA_HAS_CHANGED, |_| true);
    }

    /// LOGICAL UNIT RESET, or a reset of the target (`by` is `None` when no session is left out). RESERVE (6) and software
    /// write protection are undone and the sessions learn of the reset by a unit attention. Commands in flight are the
    /// transport's to abort.
    pub fn reset(&self, by: Option<&Nexus<D>>) {
        self.reservations.end_of(None);
        self.modes.reset();
        let by = by.map(Nexus::id);
        self.nexuses.attention_where(AdditionalSense::BUS_DEVICE_RESET_FUNCTION_OCCURRED, |nexus| Some(nexus.id) != by);
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.device.size()
    }
}

/// Tells the sessions of a logical unit apart, two of the same initiator port included: a session that replaces
/// another may begin before the other has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NexusId(u64);

/// What is kept of a session.
#[derive(Debug)]
pub(super) struct NexusState {
    pub(super) id: NexusId,
    pub(super) initiator: InitiatorPort,
    pub(super) attentions: Attentions,
    pub(super) copies: CopyResults,
    /// Held shared by every command that touches blocks, from before its reservation check until it is done, so that
    /// PREEMPT AND ABORT can wait for their end.
    pub(super) at_work: RwLock<()>,
}

/// The sessions of a logical unit.
#[derive(Debug, Default)]
pub(super) struct Nexuses {
    next: AtomicU64,
    all: Mutex<BTreeMap<NexusId, Arc<NexusState>>>,
}

impl Nexuses {
    fn add(&self, initiator: InitiatorPort) -> Arc<NexusState> {
        let id = NexusId(self.next.fetch_add(1, Ordering::Relaxed));
        let (attentions, copies) = (Attentions::default(), CopyResults::default());
        let state = Arc::new(NexusState { id, initiator, attentions, copies, at_work: RwLock::default() });
        state.attentions.raise(AdditionalSense::POWER_ON_OR_RESET);
        self.lock().insert(id, Arc::clone(&state));
        state
    }

    pub(super) fn remove(&self, id: NexusId) {
        self.lock().remove(&id);
    }

    pub(super) fn attention_where(&self, code: AdditionalSense, concerned: impl Fn(&NexusState) -> bool) {
        for nexus in self.lock().values().filter(|nexus| concerned(nexus)) {
            nexus.attentions.raise(code);
        }
    }

    /// The sessions of these initiator ports.
    pub(super) fn of_ports(&self, ports: &[InitiatorPort]) -> Vec<Arc<NexusState>> {
        self.lock().values().filter(|nexus| ports.contains(&nexus.initiator)).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NexusId, Arc<NexusState>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
