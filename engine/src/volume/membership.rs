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
//!
//! Only what takes a replica out leaves `Settled`: an acknowledgement must not leave before that is recorded. What brings
//! one in holds nobody up, for whatever the record says meanwhile, the members have every acknowledged write.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::absent::Absentees;
use super::changes::Changes;
use super::generation;
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
    /// A replica that the record names as joining before it gets its first request.
    announced: Option<String>,
    /// Dropped replicas with their cause, for people.
    pub(crate) failed: BTreeMap<String, String>,
    pub(crate) record: Record,
}

impl View {
    /// The members that a volume starts with; `record` has them already.
    pub(crate) fn new(members: Vec<Member>, failed: BTreeMap<String, String>, record: Record) -> Self {
        Self { members, announced: None, failed, record }
    }

    fn names(&self, wanted: impl Fn(Mode) -> bool) -> BTreeSet<String> {
        let chosen = self.members.iter().filter(|member| wanted(member.mode));
        chosen.map(|member| member.link.name().to_owned()).collect()
    }

    /// What the record has to say for this view.
    fn wanted_record(&self) -> Record {
        let mut next = self.record.clone();
        next.members = self.names(|mode| mode != Mode::WriteOnly);
        next.joining = self.names(|mode| mode == Mode::WriteOnly);
        next.joining.extend(self.announced.clone());
        if next != self.record {
            next.generation = Generation(self.record.generation.0 + 1);
        }
        next
    }

    fn is_recorded(&self) -> bool {
        self.wanted_record() == self.record && self.members.iter().all(|member| member.mode != Mode::Promoting)
    }

    /// The members that may be read: those that have everything.
    pub(crate) fn readable(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.mode == Mode::ReadWrite)
    }

    pub(crate) fn joiner(&self) -> Option<&Member> {
        self.members.iter().find(|member| member.mode != Mode::ReadWrite)
    }

    /// Whether these are the links of `other`, in the same modes.
    pub(crate) fn has_members_of(&self, other: &Self) -> bool {
        let same = |(one, other): (&Member, &Member)| one.mode == other.mode && one.link.is_same(&other.link);
        self.members.len() == other.members.len() && self.members.iter().zip(&other.members).all(same)
    }

    /// Whether the record has this replica as joining and no member, before it joins.
    fn announces(&self, name: &str) -> bool {
        let Record { members, joining, .. } = &self.record;
        self.announced.as_deref() == Some(name) && joining.contains(name) && !members.contains(name)
    }

    /// Whether this very link is a member that may be read.
    pub(crate) fn is_readable(&self, link: &ReplicaLink) -> bool {
        self.members.iter().any(|member| member.mode == Mode::ReadWrite && member.link.is_same(link))
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

/// What requests do until the record says what the view says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Acknowledgements {
    Wait,
    GoOn,
}

pub(crate) struct Membership {
    view: Mutex<Arc<View>>,
    /// Counts views.
    replaced: watch::Sender<u64>,
    settlement: watch::Sender<Settlement>,
    /// False only while settled: spares the common case a lock.
    unsettled: AtomicBool,
    keeper: Arc<dyn Keeper>,
    absent: Absentees,
    /// Held while the record is being changed.
    recording: tokio::sync::Mutex<()>,
    wake: Notify,
    pub(crate) read_turn: AtomicUsize,
}

/// First and longest pause between two attempts to reach the keeper.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LONGEST: Duration = Duration::from_secs(2);
/// How long the keeper may take to record a replica that is about to join: two questions of its client.
const ANNOUNCE_PATIENCE: Duration = Duration::from_secs(10);

impl Membership {
    /// `view` has to be recorded already.
    pub(crate) fn new(view: View, keeper: Arc<dyn Keeper>) -> Self {
        Self {
            view: Mutex::new(Arc::new(view)),
            replaced: watch::Sender::new(0),
            settlement: watch::Sender::new(Settlement::Settled),
            unsettled: AtomicBool::new(false),
            keeper,
            absent: Absentees::default(),
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
        if member.mode == Mode::ReadWrite && view.readable().count() == 1 {
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
        self.replace(&mut view, next, Acknowledgements::Wait);
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

    /// Has a replica recorded that is about to join: as joining, and as no member any more. It gets no request yet, and
    /// none waits for the keeper.
    ///
    /// # Errors
    /// The volume is over, or the keeper did not answer in time: then the replica is withdrawn.
    pub(crate) async fn announce(&self, name: &str) -> Result<(), IoError> {
        self.change(Acknowledgements::GoOn, |view| view.announced = Some(name.to_owned()));
        let recorded = self.answer_of_view(|view| view.announces(name).then_some(()));
        tokio::time::timeout(ANNOUNCE_PATIENCE, recorded).await.unwrap_or_else(|_| {
            self.withdraw(name);
            let message = format!(
                "cannot record that replica {name} joins: the keeper of the control record did not answer within {} s; \
                 the volume goes on without it, try again when the keeper can be reached",
                ANNOUNCE_PATIENCE.as_secs()
            );
            Err(IoError::new(IoErrorKind::Io, message))
        })
    }

    /// The replica that was announced does not join after all.
    pub(crate) fn withdraw(&self, name: &str) {
        if self.view().announced.as_deref() == Some(name) {
            self.change(Acknowledgements::GoOn, |view| view.announced = None);
        }
    }

    /// The announced replica gets every write from now on. Only under a barrier; the keeper is not asked.
    pub(crate) fn add_joiner(&self, link: &ReplicaLink) -> Result<(), IoError> {
        self.check_running()?;
        let mut view = self.lock();
        if !view.announces(link.name()) {
            let message = format!("replica {} is not recorded as joining", link.name());
            return Err(IoError::new(IoErrorKind::Io, message));
        }
        let mut next = View::clone(&view);
        next.announced = None;
        next.failed.remove(link.name());
        next.members.push(Member { link: link.clone(), mode: Mode::WriteOnly });
        self.replace(&mut view, next, Acknowledgements::GoOn);
        Ok(())
    }

    /// Makes a rebuilt replica a member. It is read only once that is recorded, and it remembers that it was; until then
    /// it gets every write, as before.
    pub(crate) async fn promote(&self, link: &ReplicaLink) -> Result<(), IoError> {
        self.change(Acknowledgements::GoOn, |view| {
            for member in view.members.iter_mut().filter(|member| member.link.is_same(link)) {
                member.mode = Mode::Promoting;
            }
        });
        let name = link.name();
        let became = self.answer_of_view(|view| match view.members.iter().find(|member| member.link.is_same(link)) {
            Some(member) => (member.mode == Mode::ReadWrite).then_some(Ok(())),
            None => Some(Err(view.failed.get(name).map_or("it was dropped", String::as_str).to_owned())),
        });
        became
            .await?
            .map_err(|cause| IoError::new(IoErrorKind::Io, format!("replica {name} did not become a member: {cause}")))
    }

    /// Waits until the view has an answer, or the volume is over.
    async fn answer_of_view<T>(&self, mut ask: impl FnMut(&View) -> Option<T>) -> Result<T, IoError> {
        let (mut replaced, mut settlement) = (self.replaced.subscribe(), self.settlement.subscribe());
        loop {
            if let Settlement::Over(error) = &*settlement.borrow_and_update() {
                return Err(error.clone());
            }
            if let Some(answer) = ask(&self.view()) {
                return Ok(answer);
            }
            // Both senders are `self`'s.
            tokio::select! {
                _ = replaced.changed() => {}
                _ = settlement.changed() => {}
            }
        }
    }

    /// Takes a replica out on request. False when it is the last one.
    pub(crate) async fn remove(&self, name: &str) -> Result<bool, IoError> {
        let find = |view: &View| view.members.iter().find(|member| member.link.name() == name).cloned();
        if let Some(member) = find(&self.view()) {
            // Whoever asks for this gives up what is on its disk, a corrupted snapshot for example.
            self.absent.give_up(name);
            self.suspect(&member.link, "removed on request");
        }
        self.settled().await?;
        // The last one stays where it is.
        if find(&self.view()).is_some() {
            self.absent.take_back(name);
            return Ok(false);
        }
        // Whoever asked knows that it is out; the list of failed ones is for those who don't.
        let mut view = self.lock();
        let mut next = View::clone(&view);
        next.failed.remove(name);
        *view = Arc::new(next);
        Ok(true)
    }

    fn change(&self, acknowledgements: Acknowledgements, change: impl FnOnce(&mut View)) {
        let mut view = self.lock();
        let mut next = View::clone(&view);
        change(&mut next);
        self.replace(&mut view, next, acknowledgements);
    }

    fn replace(&self, view: &mut Arc<View>, next: View, acknowledgements: Acknowledgements) {
        *view = Arc::new(next);
        if acknowledgements == Acknowledgements::Wait {
            self.unsettled.store(true, Ordering::Release);
            self.settlement.send_if_modified(|now| {
                let over = matches!(now, Settlement::Over(_));
                if !over {
                    *now = Settlement::Recording(String::new());
                }
                !over
            });
        }
        self.replaced.send_modify(|count| *count += 1);
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
                    self.tell_promoted(&made).await;
                    self.absent.note(&self.view(), &view.record, &made).await;
                    crash_point::reached("membership.absent-noted");
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

    /// A replica that the record now has as a member remembers that before any later generation is recorded, or is
    /// dropped in that one.
    async fn tell_promoted(&self, record: &Record) {
        let view = self.view();
        let is_new = |member: &&Member| member.mode == Mode::Promoting && record.members.contains(member.link.name());
        for member in view.members.iter().filter(is_new) {
            match generation::tell_and_wait(&member.link, record.generation).await {
                Ok(()) => crash_point::reached("membership.promoted-told"),
                Err(error) => self.report(&member.link, &error),
            }
        }
    }

    /// Whether every member takes down what those miss that have left.
    pub(crate) fn absent_are_noted(&self) -> bool {
        self.absent.are_noted()
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
        generation::tell(&next);
        *view = Arc::new(next);
        self.replaced.send_modify(|count| *count += 1);
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

    /// Resolves when acknowledgements have waited for the record for so long; says why.
    pub(crate) async fn unrecorded_for(&self, patience: Duration) -> String {
        let mut settlement = self.settlement.subscribe();
        let is_recording = |now: &Settlement| matches!(now, Settlement::Recording(_));
        loop {
            // An error means that the sender is gone, and with it the volume.
            if settlement.wait_for(is_recording).await.is_err() {
                return std::future::pending().await;
            }
            let recorded = settlement.wait_for(|now| !is_recording(now));
            if tokio::time::timeout(patience, recorded).await.is_err()
                && let Settlement::Recording(cause) = &*self.settlement.borrow()
            {
                return cause.clone();
            }
        }
    }

    /// Records that the engine closed properly, and tries until that is done: the caller has a limit. Only after
    /// everything was drained, synced and closed; members that failed and are not recorded yet are no part of that, so
    /// that the record then stays as it is.
    pub(crate) async fn record_clean(&self) -> Result<(), KeeperError> {
        let _recording = self.recording.lock().await;
        let view = self.view();
        let (now, wanted) = (&view.record, view.wanted_record());
        if wanted.members != now.members {
            return Ok(());
        }
        let next = Record { clean: true, generation: Generation(now.generation.0 + 1), ..wanted };
        let mut unanswered = Vec::new();
        let mut pause = RETRY_FIRST;
        loop {
            match self.record_or_find(now, &next, &unanswered).await {
                Err(KeeperError::Unavailable(cause)) => {
                    tracing::warn!(cause, "cannot record the clean end of the volume; trying again");
                    unanswered = vec![next.clone()];
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(RETRY_LONGEST);
                }
                done => return done.map(drop),
            }
        }
    }
}
