//! A session: one initiator port's view of the target, over one or several connections.
//!
//! It keeps what the connections share: the order of commands, the tasks that task management speaks of, and who is
//! connected. A command belongs to the connection that it came on; its data and its answer stay there.
//!
//! ```text
//! task:  Collecting ── all data there ──► Executing ── ended ──► answered
//!            │ aborted                       │ aborted
//!            ▼                               ▼
//!           gone                          Recalled ── ended ──► gone, without an answer
//! ```
//! Invariant: an abort is answered as done only when no aborted task can change the volume any more. What has been
//! handed to the device cannot be taken back, so the answer waits until the device is through with it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc, watch};

use super::answer::Answer;
use super::command::Command;
use super::command_window::{CommandWindow, Standing, is_before};
use super::parameters::SessionParameters;
use crate::frontend::BlockDevice;
use crate::frontend::scsi::{InitiatorPort, Nexus};

/// Commands outside of the window (immediate ones) that may run at once; the rest is rejected.
const MAX_IMMEDIATE_TASKS: usize = 16;

pub(super) struct Session<D: BlockDevice> {
    pub(super) initiator: InitiatorPort,
    /// TSIH: what the initiator calls this session when it adds a connection.
    pub(super) handle: u16,
    pub(super) parameters: SessionParameters,
    /// None in a discovery session.
    pub(super) nexus: Option<Nexus<D>>,
    state: Mutex<State>,
    /// A task has ended, or the expected number has risen.
    progress: Notify,
    /// A task that executes was aborted.
    recall: Notify,
}

struct State {
    window: CommandWindow,
    /// Numbers that came ahead of others, and whom to wake when it is their turn.
    ahead: BTreeMap<u32, Turn>,
    tasks: HashMap<u32, Task>,
    next_task: u64,
    connections: BTreeMap<u16, ConnectionHandle>,
}

/// What is to happen when a number that came early is the next one.
enum Turn {
    /// The connection that holds the request takes it up.
    Wake(Arc<Notify>),
    /// Its task was aborted before it arrived: the number counts as seen.
    Skip,
}

#[derive(Debug)]
struct Task {
    id: TaskId,
    cmd_sn: u32,
    phase: Phase,
    is_immediate: bool,
    /// Whom to tell when it is aborted while its data are collected: the data take memory.
    collector: Arc<Notify>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Collecting,
    Executing,
    Recalled,
}

/// Tells a task from a later one with the same tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TaskId(u64);

/// Why a task was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TaskRefused {
    TagInUse,
    TooManyImmediate,
}

/// What is known of a task that is to be aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aborting {
    /// It is gone when [`Session::wait_for_tasks`] returns.
    Found(TaskId),
    /// It has not arrived yet, and will be ignored when it does.
    NotYetArrived,
    /// It has ended, or there was never such a task.
    Unknown,
}

/// What [`Session::abort_all`] did.
#[derive(Debug)]
pub(super) struct Aborted {
    /// There was something to abort.
    pub(super) any: bool,
    /// What [`Session::wait_for_tasks`] has to wait for.
    pub(super) ending: Vec<TaskId>,
}

/// Whether a connection has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Closing {
    Not,
    /// What has begun is finished and answered.
    Orderly,
    /// Nothing is answered any more. What the device has is carried out all the same.
    AtOnce,
}

/// What others hold of a connection.
#[derive(Clone, Debug)]
pub(super) struct ConnectionHandle {
    closing: Arc<watch::Sender<Closing>>,
    /// Weak, so that the connection's sender ends when the connection itself has nothing more to say.
    answers: mpsc::WeakSender<Answer>,
    /// Closed when the connection's commands have ended.
    at_work: watch::Receiver<()>,
}

/// A connection keeps it until all of its commands have ended.
#[derive(Debug)]
#[expect(dead_code, reason = "that it is there is what it says")]
pub(super) struct AtWork(watch::Sender<()>);

impl ConnectionHandle {
    pub(super) fn new(answers: &mpsc::Sender<Answer>) -> (Self, AtWork) {
        let (working, at_work) = watch::channel(());
        let closing = Arc::new(watch::Sender::new(Closing::Not));
        (Self { closing, answers: answers.downgrade(), at_work }, AtWork(working))
    }

    /// Returns when the connection's commands have ended.
    pub(super) async fn ended(&self) {
        let mut at_work = self.at_work.clone();
        while at_work.changed().await.is_ok() {}
    }

    pub(super) fn closing(&self) -> watch::Receiver<Closing> {
        self.closing.subscribe()
    }

    /// Never takes an earlier word back.
    pub(super) fn close(&self, closing: Closing) {
        self.closing.send_if_modified(|present| {
            let is_more = closing > *present;
            *present = closing.max(*present);
            is_more
        });
    }

    /// Tells the initiator something, unless so much waits to be sent already that it does not read.
    pub(super) fn tell(&self, answer: Answer) {
        if let Some(answers) = self.answers.upgrade() {
            let _ = answers.try_send(answer);
        }
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.closing, &other.closing)
    }
}

impl<D: BlockDevice> Session<D> {
    pub(super) fn new(
        initiator: InitiatorPort,
        handle: u16,
        parameters: SessionParameters,
        nexus: Option<Nexus<D>>,
        first_cmd_sn: u32,
    ) -> Self {
        let state = State {
            window: CommandWindow::starting_at(first_cmd_sn),
            ahead: BTreeMap::new(),
            tasks: HashMap::new(),
            next_task: 0,
            connections: BTreeMap::new(),
        };
        Self {
            initiator,
            handle,
            parameters,
            nexus,
            state: Mutex::new(state),
            progress: Notify::new(),
            recall: Notify::new(),
        }
    }

    /// ExpCmdSN and MaxCmdSN as they are now.
    pub(super) fn numbers(&self) -> (u32, u32) {
        let state = self.lock();
        (state.window.expected(), state.window.largest())
    }

    pub(super) fn standing(&self, cmd_sn: u32) -> Standing {
        self.lock().window.standing(cmd_sn)
    }

    /// Takes the number if it is the next one; whoever holds the one after it is woken.
    pub(super) fn take_turn(&self, cmd_sn: u32) -> Standing {
        let mut state = self.lock();
        let standing = state.window.standing(cmd_sn);
        if standing == Standing::Next {
            state.ahead.remove(&cmd_sn);
            state.advance();
            // Nobody waits, almost always: that costs one load.
            self.progress.notify_waiters();
        }
        standing
    }

    /// Remembers who to wake for a number that came ahead. False: somebody holds that number already, or has taken it.
    pub(super) fn hold(&self, cmd_sn: u32, holder: &Arc<Notify>) -> bool {
        let mut state = self.lock();
        if state.ahead.contains_key(&cmd_sn) {
            return false;
        }
        // Since its standing was asked for, other connections may have taken what was before it, and woken nobody.
        match state.window.standing(cmd_sn) {
            Standing::Outside => return false,
            Standing::Next => holder.notify_one(),
            Standing::Ahead => {}
        }
        state.ahead.insert(cmd_sn, Turn::Wake(Arc::clone(holder)));
        true
    }

    /// Nobody holds a number any more: its connection has ended.
    pub(super) fn let_go(&self, cmd_sn: u32, holder: &Arc<Notify>) {
        let mut state = self.lock();
        if matches!(state.ahead.get(&cmd_sn), Some(Turn::Wake(present)) if Arc::ptr_eq(present, holder)) {
            state.ahead.remove(&cmd_sn);
        }
    }

    /// Whether a number that is held will have its turn, or has it now. Not so when its task was aborted, or when the
    /// number was taken.
    pub(super) fn is_awaited(&self, cmd_sn: u32) -> bool {
        let state = self.lock();
        matches!(state.ahead.get(&cmd_sn), Some(Turn::Wake(_))) || state.window.standing(cmd_sn) == Standing::Next
    }

    /// A command has begun. `collector` is told when it is aborted before all of its data are there.
    pub(super) fn begin(
        &self,
        command: &Command,
        collects_data: bool,
        collector: &Arc<Notify>,
    ) -> Result<TaskId, TaskRefused> {
        let Command { tag, cmd_sn, is_immediate, .. } = *command;
        let mut state = self.lock();
        if state.tasks.contains_key(&tag) {
            return Err(TaskRefused::TagInUse);
        }
        if is_immediate && state.tasks.values().filter(|task| task.is_immediate).count() >= MAX_IMMEDIATE_TASKS {
            return Err(TaskRefused::TooManyImmediate);
        }
        let id = TaskId(state.next_task);
        state.next_task += 1;
        let phase = if collects_data { Phase::Collecting } else { Phase::Executing };
        let collector = Arc::clone(collector);
        state.tasks.insert(tag, Task { id, cmd_sn, phase, is_immediate, collector });
        if !is_immediate {
            state.window.command_began();
        }
        Ok(id)
    }

    /// All data of a command are there. False: it was aborted meanwhile.
    pub(super) fn execute(&self, tag: u32, id: TaskId) -> bool {
        let mut state = self.lock();
        let task = state.tasks.get_mut(&tag).filter(|task| task.id == id);
        task.is_some_and(|task| {
            task.phase = Phase::Executing;
            true
        })
    }

    pub(super) fn is_alive(&self, tag: u32, id: TaskId) -> bool {
        self.lock().tasks.get(&tag).is_some_and(|task| task.id == id)
    }

    /// Returns when a command that executes is aborted.
    pub(super) async fn recalled(&self, tag: u32, id: TaskId) {
        let is_recalled = |task: &Task| task.id == id && task.phase == Phase::Recalled;
        self.wait_until(&self.recall, |state| state.tasks.get(&tag).is_some_and(is_recalled)).await;
    }

    /// A command has ended. False: it was aborted, and gets no answer.
    pub(super) fn end(&self, tag: u32, id: TaskId) -> bool {
        let mut state = self.lock();
        let Some(task) = state.remove(tag, id) else { return false };
        drop(state);
        if task.phase == Phase::Recalled {
            self.progress.notify_waiters();
        }
        task.phase != Phase::Recalled
    }

    /// Aborts one task. `own_cmd_sn` is the number of the request that asks for it.
    pub(super) fn abort(&self, tag: u32, cmd_sn: u32, own_cmd_sn: u32) -> Aborting {
        let mut state = self.lock();
        if let Some(id) = state.tasks.get(&tag).map(|task| task.id) {
            state.recall(tag);
            self.recall.notify_waiters();
            return Aborting::Found(id);
        }
        let is_to_come = state.window.standing(cmd_sn) != Standing::Outside && is_before(cmd_sn, own_cmd_sn);
        if !is_to_come {
            return Aborting::Unknown;
        }
        if let Some(Turn::Wake(holder)) = state.ahead.insert(cmd_sn, Turn::Skip) {
            holder.notify_one();
        }
        if state.window.expected() == cmd_sn {
            state.ahead.remove(&cmd_sn);
            state.advance();
            self.progress.notify_waiters();
        }
        Aborting::NotYetArrived
    }

    /// Aborts every task, or those that came before a number.
    pub(super) fn abort_all(&self, before: Option<u32>) -> Aborted {
        let mut state = self.lock();
        let concerned = |task: &Task| before.is_none_or(|cmd_sn| task.is_immediate || is_before(task.cmd_sn, cmd_sn));
        let tags: Vec<u32> = state.tasks.iter().filter(|(_, task)| concerned(task)).map(|(&tag, _)| tag).collect();
        for &tag in &tags {
            state.recall(tag);
        }
        self.recall.notify_waiters();
        let ending = state.tasks.values().filter(|task| task.phase == Phase::Recalled).map(|task| task.id).collect();
        Aborted { any: !tags.is_empty(), ending }
    }

    /// Returns when none of the tasks is left.
    pub(super) async fn wait_for_tasks(&self, tasks: &[TaskId]) {
        self.wait_until(&self.progress, |state| !state.tasks.values().any(|task| tasks.contains(&task.id))).await;
    }

    /// Returns when every command before `cmd_sn` has arrived.
    pub(super) async fn wait_for_turn(&self, cmd_sn: u32) {
        self.wait_until(&self.progress, |state| !is_before(state.window.expected(), cmd_sn)).await;
    }

    async fn wait_until(&self, changes: &Notify, is_reached: impl Fn(&State) -> bool) {
        loop {
            let change = changes.notified();
            tokio::pin!(change);
            // Before looking, so that nothing that happens in between is missed.
            change.as_mut().enable();
            if is_reached(&self.lock()) {
                return;
            }
            change.await;
        }
    }

    /// Adds a connection. There is none with the same number.
    pub(super) fn connect(&self, id: u16, handle: ConnectionHandle) {
        self.lock().connections.insert(id, handle);
    }

    /// Removes a connection if `handle` is still the one with that number. Returns how many are left.
    pub(super) fn disconnect(&self, id: u16, handle: &ConnectionHandle) -> usize {
        let mut state = self.lock();
        if state.connections.get(&id).is_some_and(|present| present.is(handle)) {
            state.connections.remove(&id);
        }
        state.connections.len()
    }

    pub(super) fn connection_count(&self) -> usize {
        self.lock().connections.len()
    }

    pub(super) fn connection(&self, id: u16) -> Option<ConnectionHandle> {
        self.lock().connections.get(&id).cloned()
    }

    pub(super) fn connections(&self) -> Vec<ConnectionHandle> {
        self.lock().connections.values().cloned().collect()
    }

    /// Ends every connection.
    pub(super) fn close(&self, closing: Closing) {
        for connection in self.connections() {
            connection.close(closing);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The expected number has come: the next one is expected, and after it those that are to be skipped.
    fn advance(&mut self) {
        loop {
            self.window.advance();
            match self.ahead.remove(&self.window.expected()) {
                None => return,
                Some(Turn::Wake(holder)) => {
                    holder.notify_one();
                    return;
                }
                Some(Turn::Skip) => {}
            }
        }
    }

    fn recall(&mut self, tag: u32) {
        let Some(task) = self.tasks.get_mut(&tag) else { return };
        match task.phase {
            Phase::Executing | Phase::Recalled => task.phase = Phase::Recalled,
            Phase::Collecting => {
                task.collector.notify_one();
                let id = task.id;
                self.remove(tag, id);
            }
        }
    }

    fn remove(&mut self, tag: u32, id: TaskId) -> Option<Task> {
        if self.tasks.get(&tag)?.id != id {
            return None;
        }
        let task = self.tasks.remove(&tag)?;
        if !task.is_immediate {
            self.window.command_ended();
        }
        Some(task)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::volume::Volume;

    fn session() -> Session<Volume> {
        let initiator = InitiatorPort { name: "iqn.2000-01.com.example:host".into(), isid: [0; 6] };
        Session::new(initiator, 1, SessionParameters::default(), None, 10)
    }

    #[test]
    fn a_number_that_became_the_next_one_before_it_was_held_has_its_turn_at_once() {
        let session = session();
        let holder = Arc::new(Notify::new());
        // Two connections: this one has seen that 11 is ahead, and the other takes 10 before 11 is held.
        assert_eq!(session.take_turn(11), Standing::Ahead);
        assert_eq!(session.take_turn(10), Standing::Next);
        assert!(session.hold(11, &holder));
        assert!(holder.notified().now_or_never().is_some(), "nobody else will wake it");
        assert_eq!(session.take_turn(11), Standing::Next);
        assert!(!session.is_awaited(11));
        assert!(!session.hold(11, &holder), "a number that was taken is not held");
        assert!(!session.is_awaited(11));
    }

    #[tokio::test]
    async fn whoever_waits_for_a_number_goes_on_when_it_is_aborted_before_it_has_come() {
        let session = session();
        let waiting = session.wait_for_turn(11);
        tokio::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        assert_eq!(session.abort(5, 10, 11), Aborting::NotYetArrived);
        assert!(waiting.now_or_never().is_some(), "10 does not come any more");
    }
}
