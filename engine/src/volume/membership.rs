//! Who holds the volume's data, and the rule that a change of that is recorded before the next acknowledgement.
//!
//! ```text
//!             a member fails, or the members or joiners change
//!   Settled ────────────────────────────────────────────────► Recording ──┐ the keeper can't be reached:
//!      ▲                                                         │  ▲     │ try again, I/O waits
//!      └──────────── the record says what the view says ─────────┘  └─────┘
//!      │                                                         │
//!      └───────────► Over ◄──────────────────────────────────────┘  a newer engine, no member left, or the end
//! ```
//!
//! Invariants: the view's members are the record's members minus those that failed and are not recorded yet; no write
//! or flush is acknowledged while the state is not `Settled`; a member is read from only while the record has it; the
//! last member is never taken out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::changes::Changes;
use super::record::{Generation, Keeper, KeeperError, Record};
use crate::crash_point;
use crate::frontend::{IoError, IoErrorKind};
use crate::link::{LinkError, ReplicaLink};

/// What is done with a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Has all data.
    ReadWrite,
    /// Being rebuilt: gets every write, is never read.
    WriteOnly,
    /// Rebuilt, and about to be recorded as a member; not read before it is.
    Promoting,
}

#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) link: ReplicaLink,
    pub(crate) mode: Mode,
}

/// The members at one moment; replaced as a whole.
#[derive(Clone, Default)]
pub(crate) struct View {
    pub(crate) members: Vec<Member>,
    /// Dropped replicas with their cause, for people.
    pub(crate) failed: BTreeMap<String, String>,
    pub(crate) record: Record,
}

impl View {
    fn names(&self, wanted: impl Fn(Mode) -> bool) -> BTreeSet<String> {
        let chosen = self.members.iter().filter(|member| wanted(member.mode));
        chosen.map(|member| member.link.name().to_owned()).collect()
    }

    /// What the record has to say for this view.
    fn wanted_record(&self) -> Record {
        let mut next = self.record.clone();
        next.members = self.names(|mode| mode != Mode::WriteOnly);
        next.joining = self.names(|mode| mode == Mode::WriteOnly);
        if next != self.record {
            next.generation = Generation(self.record.generation.0 + 1);
        }
        next
    }

    fn is_recorded(&self) -> bool {
        self.wanted_record() == self.record && self.members.iter().all(|member| member.mode != Mode::Promoting)
    }

    pub(crate) fn joiner(&self) -> Option<&Member> {
        self.members.iter().find(|member| member.mode != Mode::ReadWrite)
    }

    /// Whether this very link is a member that may be read.
    pub(crate) fn is_readable(&self, link: &ReplicaLink) -> bool {
        self.members.iter().any(|member| member.mode == Mode::ReadWrite && member.link.is_same(link))
    }

    fn readable(&self) -> usize {
        self.members.iter().filter(|member| member.mode == Mode::ReadWrite).count()
    }
}

/// Where a volume stands between its view and its record.
#[derive(Clone, Debug)]
pub(crate) enum Settlement {
    Settled,
    /// Acknowledgements wait for the record. The text says why that takes longer than a moment, empty as long as it
    /// doesn't: people are not told of what has passed before they can read it.
    Recording(String),
    /// No request succeeds any more.
    Over(IoError),
}

pub(crate) struct Membership {
    view: Mutex<Arc<View>>,
    settlement: watch::Sender<Settlement>,
    /// False only while settled: spares the common case a lock.
    unsettled: AtomicBool,
    keeper: Arc<dyn Keeper>,
    /// Held while the record is being changed.
    recording: tokio::sync::Mutex<()>,
    wake: Notify,
    pub(crate) read_turn: AtomicUsize,
}

/// First and longest pause between two attempts to reach the keeper.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LONGEST: Duration = Duration::from_secs(2);

impl Membership {
    /// `view` has to be recorded already.
    pub(crate) fn new(view: View, keeper: Arc<dyn Keeper>) -> Self {
        Self {
            view: Mutex::new(Arc::new(view)),
            settlement: watch::Sender::new(Settlement::Settled),
            unsettled: AtomicBool::new(false),
            keeper,
            recording: tokio::sync::Mutex::new(()),
            wake: Notify::new(),
            read_turn: AtomicUsize::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Arc<View>> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&self.lock())
    }

    pub(crate) fn settlement(&self) -> Settlement {
        self.settlement.borrow().clone()
    }

    /// Fails when the volume is over; the first thing every request asks.
    pub(crate) fn check_running(&self) -> Result<(), IoError> {
        if !self.unsettled.load(Ordering::Acquire) {
            return Ok(());
        }
        match &*self.settlement.borrow() {
            Settlement::Over(error) => Err(error.clone()),
            Settlement::Settled | Settlement::Recording(_) => Ok(()),
        }
    }

    /// Waits until the record says what the view says.
    pub(crate) async fn settled(&self) -> Result<(), IoError> {
        if !self.unsettled.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut settlement = self.settlement.subscribe();
        let now = settlement.wait_for(|now| !matches!(now, Settlement::Recording(_))).await;
        match now.as_deref() {
            Ok(Settlement::Over(error)) => Err(error.clone()),
            Ok(_) => Ok(()),
            Err(_) => Err(IoError::new(IoErrorKind::Shutdown, "the volume has ended")),
        }
    }

    /// A member failed: nothing more goes to it or is read from it, and no acknowledgement leaves before that is
    /// recorded. The last readable member stays; when its link is gone, the volume is over.
    ///
    /// Named by its link: news of a link that was dropped says nothing about the one that came after it.
    pub(crate) fn suspect(&self, link: &ReplicaLink, cause: &str) {
        let mut view = self.lock();
        let Some(at) = view.members.iter().position(|member| member.link.is_same(link)) else { return };
        let member = view.members[at].clone();
        let name = link.name();
        if member.mode == Mode::ReadWrite && view.readable() == 1 {
            if member.link.lost_cause().is_some() {
                drop(view);
                let message = format!("no replica is left: {name}, the last one, failed: {cause}");
                self.end(IoError::new(IoErrorKind::Io, message));
                // A newer engine may be the reason; the recorder finds out.
                self.wake.notify_one();
            }
            return;
        }
        tracing::warn!(replica = name, cause, "replica dropped");
        let mut next = View::clone(&view);
        next.members.remove(at);
        next.failed.insert(name.to_owned(), cause.to_owned());
        self.replace(&mut view, next);
        drop(view);
        member.link.fail("the engine dropped this replica");
    }

    /// A failed request tells about its member: a newer epoch ends the volume, anything else makes it suspect.
    pub(crate) fn report(&self, link: &ReplicaLink, error: &LinkError) {
        if error.remote_kind() == Some(crate::link::control::RemoteErrorKind::Fenced) {
            return self.end(IoError::new(IoErrorKind::Fenced, format!("a newer engine owns the volume: {error}")));
        }
        self.suspect(link, &error.to_string());
    }

    /// Drops the replica that is being rebuilt, if there is one.
    pub(crate) fn drop_joiner(&self, cause: &str) {
        if let Some(joiner) = self.view().joiner() {
            self.suspect(&joiner.link, cause);
        }
    }

    /// Adds a replica that gets every write from now on. Only under a barrier.
    pub(crate) async fn add_joiner(&self, link: ReplicaLink) -> Result<(), IoError> {
        self.change(|view| {
            view.failed.remove(link.name());
            view.members.push(Member { link: link.clone(), mode: Mode::WriteOnly });
        })
        .await
    }

    /// Makes a rebuilt replica a member; it is read only once that is recorded.
    pub(crate) async fn promote(&self, name: &str) -> Result<(), IoError> {
        self.change(|view| {
            for member in view.members.iter_mut().filter(|member| member.link.name() == name) {
                member.mode = Mode::Promoting;
            }
        })
        .await?;
        let view = self.view();
        if view.members.iter().any(|member| member.link.name() == name && member.mode == Mode::ReadWrite) {
            return Ok(());
        }
        let cause = view.failed.get(name).map_or("it was dropped", String::as_str);
        Err(IoError::new(IoErrorKind::Io, format!("replica {name} did not become a member: {cause}")))
    }

    /// Takes a replica out on request. False when it is the last one.
    pub(crate) async fn remove(&self, name: &str) -> Result<bool, IoError> {
        let find = |view: &View| view.members.iter().find(|member| member.link.name() == name).cloned();
        if let Some(member) = find(&self.view()) {
            self.suspect(&member.link, "removed on request");
        }
        self.settled().await?;
        // The last one stays where it is.
        if find(&self.view()).is_some() {
            return Ok(false);
        }
        // Whoever asked knows that it is out; the list of failed ones is for those who don't.
        let mut view = self.lock();
        let mut next = View::clone(&view);
        next.failed.remove(name);
        *view = Arc::new(next);
        Ok(true)
    }

    async fn change(&self, change: impl FnOnce(&mut View)) -> Result<(), IoError> {
        {
            let mut view = self.lock();
            let mut next = View::clone(&view);
            change(&mut next);
            self.replace(&mut view, next);
        }
        self.settled().await
    }

    fn replace(&self, view: &mut Arc<View>, next: View) {
        *view = Arc::new(next);
        self.unsettled.store(true, Ordering::Release);
        self.settlement.send_if_modified(|now| {
            let over = matches!(now, Settlement::Over(_));
            if !over {
                *now = Settlement::Recording(String::new());
            }
            !over
        });
        self.wake.notify_one();
    }

    /// Ends the volume: every request fails with `error` from now on. The first reason stays, unless it turns out that
    /// a newer engine was behind it.
    pub(crate) fn end(&self, error: IoError) {
        self.settlement.send_if_modified(|now| {
            if let Settlement::Over(earlier) = now
                && (earlier.kind == error.kind || error.kind != IoErrorKind::Fenced)
            {
                return false;
            }
            tracing::info!(%error, "volume is over");
            *now = Settlement::Over(error);
            // In here, beside `settle`: a change that is settled this moment must not hide the end.
            self.unsettled.store(true, Ordering::Release);
            true
        });
    }

    /// Resolves when a newer engine owns the volume.
    pub(crate) async fn fenced(&self) {
        let is_fenced = |now: &Settlement| matches!(now, Settlement::Over(error) if error.kind == IoErrorKind::Fenced);
        // An error means that the sender is gone, and with it the volume.
        let _ = self.settlement.subscribe().wait_for(is_fenced).await;
    }

    /// Brings the record in line with the view whenever they differ. Runs as long as the volume.
    pub(crate) async fn run(&self, changed: &Changes) {
        loop {
            self.wake.notified().await;
            if self.is_over() {
                self.look_for_newer_engine().await;
            } else {
                self.record_view(changed).await;
            }
            changed.tell();
        }
    }

    /// An engine that lost its last replica to a newer one has to end; one that lost it otherwise stays and says so.
    async fn look_for_newer_engine(&self) {
        let ours = self.view().record.clone();
        match self.keeper.get(&ours.volume).await {
            Ok(now) if now.epoch > ours.epoch => {
                let message = format!("a newer engine with epoch {} owns volume {}", now.epoch.0, ours.volume);
                self.end(IoError::new(IoErrorKind::Fenced, message));
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "could not ask for the control record"),
        }
    }

    async fn record_view(&self, changed: &Changes) {
        let _recording = self.recording.lock().await;
        let mut pause = RETRY_FIRST;
        // Changes that were sent and not answered: the keeper may have made one of them.
        let mut unanswered: Vec<Record> = Vec::new();
        loop {
            let view = self.view();
            // Not while the keeper may have made a change that is not wanted any more: the next one would not fit then.
            if view.is_recorded() && unanswered.is_empty() {
                if self.settle() {
                    return;
                }
                continue;
            }
            let next = if view.is_recorded() {
                Record { generation: Generation(view.record.generation.0 + 1), ..view.record.clone() }
            } else {
                view.wanted_record()
            };
            match self.record_or_find(&view.record, &next, &unanswered).await {
                Ok(made) => {
                    unanswered.clear();
                    self.recorded(made);
                }
                Err(error @ (KeeperError::Conflict { .. } | KeeperError::Missing(_))) => {
                    return self
                        .end(IoError::new(IoErrorKind::Fenced, format!("a newer engine owns the volume: {error}")));
                }
                Err(KeeperError::Unavailable(cause)) => {
                    if !unanswered.contains(&next) {
                        unanswered.push(next);
                    }
                    let waits = format!("cannot record a change of the members, I/O waits: {cause}");
                    self.settlement.send_if_modified(|now| {
                        let recording = matches!(now, Settlement::Recording(_));
                        if recording {
                            *now = Settlement::Recording(waits);
                        }
                        recording
                    });
                    changed.tell();
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(RETRY_LONGEST);
                }
            }
        }
    }

    /// Changes the record; returns what it says now. That may be an earlier change of ours whose answer got lost.
    async fn record_or_find(&self, now: &Record, next: &Record, unanswered: &[Record]) -> Result<Record, KeeperError> {
        match self.keeper.compare_and_set(now.epoch, now.generation, next).await {
            Ok(()) => {
                crash_point::reached("membership.recorded");
                Ok(next.clone())
            }
            Err(conflict @ KeeperError::Conflict { .. }) if !unanswered.is_empty() => {
                let found = self.keeper.get(&now.volume).await?;
                if unanswered.contains(&found) { Ok(found) } else { Err(conflict) }
            }
            Err(error) => Err(error),
        }
    }

    fn is_over(&self) -> bool {
        matches!(*self.settlement.borrow(), Settlement::Over(_))
    }

    /// The keeper has `record`: those that it names as members may be read.
    fn recorded(&self, record: Record) {
        tracing::info!(generation = record.generation.0, members = ?record.members, joining = ?record.joining, "membership recorded");
        let mut view = self.lock();
        let mut next = View::clone(&view);
        for member in &mut next.members {
            if member.mode == Mode::Promoting && record.members.contains(member.link.name()) {
                member.mode = Mode::ReadWrite;
            }
        }
        next.record = record;
        super::generation::tell(&next);
        *view = Arc::new(next);
    }

    /// Back to `Settled`, unless the view changed meanwhile.
    fn settle(&self) -> bool {
        let view = self.lock();
        if !view.is_recorded() {
            return false;
        }
        self.settlement.send_if_modified(|now| {
            let recording = matches!(now, Settlement::Recording(_));
            if recording {
                *now = Settlement::Settled;
                self.unsettled.store(false, Ordering::Release);
            }
            recording
        });
        true
    }

    /// Records that the engine closed properly. Only after everything was drained, synced and closed; members that
    /// failed and are not recorded yet are no part of that, so that the record then stays as it is.
    pub(crate) async fn record_clean(&self) -> Result<(), KeeperError> {
        let _recording = self.recording.lock().await;
        let view = self.view();
        if !view.is_recorded() {
            return Ok(());
        }
        let record = view.record.clone();
        let next = Record { clean: true, generation: Generation(record.generation.0 + 1), ..record.clone() };
        self.keeper.compare_and_set(record.epoch, record.generation, &next).await
    }
}
