//! A volume that is in use while its blocks still come out of a backup.
//!
//! ```text
//!            demanded first, then in order       turn, write to all members
//!   backup ──────────► worker (own threads) ────────────► place ──► head of every replica
//!                                                           │
//!   request ─► touches a remote block? ── waits ────────────┘        commit: flush all, then
//!                                                                    clear on all, durable
//! ```
//! A *block* here is a block of the backup (2 or 16 MiB). For each the engine knows one of four states ([`blocks`]):
//!
//! ```text
//!   Remote ──placed: its content is on all members──► Fetched ────────commit──► Local
//!     │ ▲                                                                        ▲
//!     │ └────────commit failed─────────┐                                         │
//!     └──a request overwrote all of it─┴─► Overwritten ──commit, before the answer┘
//! ```
//!
//! What is not `Local` is in the *map*: a text that each replica keeps beside its own data (`replica::remote_map`,
//! [`map`]), and by which replicas are told from complete ones by everybody else.
//!
//! Invariants:
//! - **L1: no change by a request has ever reached a block that the map of any member calls remote**, but for one that
//!   overwrites all of it and is not acknowledged yet. So a fetched block may be put there at any time, also by the engine
//!   after this one: it replaces zeros, itself, or what nobody was told is there.
//!   Hence: a write, zeros or a discard within a block wait until it is `Local`, not only there.
//! - **L2: a block leaves the map only after its data is on the stable storage of every member** (flush of all, then the
//!   new map to all, then `Local`). So whichever member's map is read after a crash, what it does not name is there, and
//!   *a block is remote if every member's map names it*.
//! - **L3: no read is served from a block that is `Remote` or `Overwritten`.** From one that is `Fetched` it is: whatever
//!   happens, that block shows the same.
//! - **L4: all of a block's change of state happens in a turn for writing that covers it**, so that a fetched block and an
//!   overwriting request never mix.
//! - **L5: a member has the map before the volume may be used, and a replica that joins has it before it is a member**
//!   ([`commit`]): no map changes between the two.
//! - **L6: what is below the head shows nothing to anybody while a block is remote.** No snapshot is taken, cloned, backed
//!   up or gone back to; those that rebuilds and expansions need are removed before the volume counts as complete.
//! - **L7: the map names the backup by what it holds**, not by its name alone: another one in its place is refused.
//!
//! Where the target can't be reached, requests that need it wait, no longer than a bound, and fail with the reason; what
//! is there is served. The background goes on when it can again.
//!
//! | file | holds |
//! |---|---|
//! | [`blocks`] | the states, without I/O |
//! | [`map`] | the text |
//! | [`access`] | what requests do: wait, demand, overwrite |
//! | [`commit`] | how blocks leave the map, and how a joiner gets it |
//! | [`place`] | a fetched block on its way to the members |
//! | [`worker`] | what is fetched when, on threads of its own |
//! | [`begin`], [`complete`] | the first and the last step |
//! | [`shown`] | the status |
//!
//! Tests: `tests/instant_restore` (requests, refusals, targets that are away, joiners, a model under kills), `tests/crash_points/lazy.rs`.

pub(super) mod access;
mod begin;
pub(super) mod blocks;
pub(crate) mod commit;
mod complete;
pub(crate) mod map;
mod place;
mod shown;
mod worker;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::Shared;
use super::barrier::OperationError;
use super::restore::RestoreRequest;
use crate::frontend::IoError;
use blocks::Blocks;
use map::Map;
use shown::Shown;

/// How long a request waits for a block: longer than a target that starts anew, shorter than the two minutes after which
/// kernels call a waiting process hung.
const IO_PATIENCE: Duration = Duration::from_secs(90);

/// How an instant restore behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstantRestore {
    /// How long a request waits for a block that doesn't come.
    pub io_patience: Duration,
    /// Fetches nothing but what requests ask for.
    pub on_demand_only: bool,
}

impl Default for InstantRestore {
    fn default() -> Self {
        Self { io_patience: IO_PATIENCE, on_demand_only: false }
    }
}

/// What of a volume is still in a backup. Costs a volume that has nothing there one look at a flag.
pub(crate) struct Lazy {
    active: AtomicBool,
    state: Mutex<State>,
    /// Held while the map changes on members.
    committing: tokio::sync::Mutex<()>,
    /// A block has another state, or a reason to wait is another one.
    changed: Notify,
    /// There is something to fetch.
    wanted: Notify,
    /// Which worker may run: a later number ends the earlier.
    turn: watch::Sender<u64>,
    /// Held by the worker.
    working: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// `Some` as long as it is active.
    remote: Option<Remote>,
    /// Requests fail, since the volume is going down.
    over: Option<IoError>,
    shown: Shown,
}

/// What the map says, and what has changed since.
pub(crate) struct Remote {
    map: Map,
    blocks: Blocks,
    options: InstantRestore,
}

impl Default for Lazy {
    fn default() -> Self {
        Self {
            active: AtomicBool::new(false),
            state: Mutex::default(),
            committing: tokio::sync::Mutex::default(),
            changed: Notify::new(),
            wanted: Notify::new(),
            turn: watch::Sender::new(0),
            working: tokio::sync::Mutex::default(),
        }
    }
}

impl Lazy {
    /// Whether anything may be remote. Relaxed: it turns true only while nobody uses the volume, and a late false costs one
    /// look more.
    pub(crate) fn is_active(&self) -> bool {
        self.active.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the members' maps tell together, if anything.
    pub(super) fn of(map: Option<Map>) -> Self {
        let lazy = Self::default();
        if let Some(map) = map {
            lazy.activate(map, InstantRestore::default(), true);
        }
        lazy
    }

    fn activate(&self, map: Map, options: InstantRestore, resumed: bool) {
        let blocks = map.blocks();
        let mut state = self.lock();
        state.shown.begin(&map, resumed);
        state.remote = Some(Remote { map, blocks, options });
        self.active.store(true, Ordering::Release);
    }

    /// Reads what is there, if anything is remote.
    fn with<T>(&self, look: impl FnOnce(&mut Remote) -> T) -> Option<T> {
        self.lock().remote.as_mut().map(look)
    }

    /// Whoever waits looks again.
    fn tell(&self) {
        self.changed.notify_waiters();
    }
}

impl Shared {
    /// Refuses what would show, or freeze, a volume that is not complete (L6).
    pub(crate) fn refuse_while_remote(&self, what: &str) -> Result<(), OperationError> {
        if !self.lazy.is_active() {
            return Ok(());
        }
        let left = self.lazy.remote_bytes();
        let message = format!(
            "volume {} is still being restored while it is in use, and {left} bytes of it are only in the backup; it is \
             not possible to {what} before all of it is here; try again then",
            self.name
        );
        Err(OperationError::Refused(message))
    }
}

/// The backup that a map is about.
fn request_of(map: &Map) -> Result<RestoreRequest, String> {
    let url = map.target.parse().map_err(|error| format!("its target {:?} makes no sense: {error}", map.target))?;
    let target = crate::backup::Target { url, credentials: crate::backup::Credentials::default() };
    Ok(RestoreRequest::new(target, &map.volume, &map.backup))
}
