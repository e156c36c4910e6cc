//! Carries out the commands of one connection, all at the same time, and hands the answers to the sender.
//!
//! It ends when its connection brings nothing more and everything that began has ended: a command that the device has is
//! never abandoned half way, whatever becomes of the connection. One that waits for its turn, or for memory, is called
//! off when it is aborted or its connection is lost: nobody waits for what has not begun.
//!
//! The logouts of other connections are left over then: two connections that log each other out would wait for each
//! other's end for ever if either's end waited for such an answer.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use super::absent_unit;
use super::answer::{Answer, Finished, LogoutResponse};
use super::command::{Command, Direction};
use super::session::{ConnectionHandle, Session, TaskId};
use super::target::{Target, is_the_disk};
use super::task_management;
use crate::disk::AlignedBuf;
use crate::frontend::BlockDevice;
use crate::frontend::in_flight::{InFlight, Permit};
use crate::frontend::scsi::{AdditionalSense, Completion, MAX_TRANSFER_BYTES, Place, Sense};

const REPORT_LUNS: u8 = 0xa0;
/// Requests for aborts, and logouts of other connections, that wait for commands to end. More are refused.
pub(super) const MAX_WAITING: usize = 64;
/// Whatever may wait, and what fits into the command window with the immediate commands: so that the receiver, which
/// those commands may need for their data, never stands still.
const MAX_RUNNING: usize = 256;

#[derive(Debug)]
pub(super) enum Job {
    Command(Box<Work>),
    TaskManagement(task_management::Request, OwnedSemaphorePermit),
    /// The answer to the logout of another connection, which leaves when that one's commands have ended.
    Logout {
        tag: u32,
        other: ConnectionHandle,
        waiting: OwnedSemaphorePermit,
    },
}

/// Logouts of other connections that are not answered yet.
pub(super) type Logouts = FuturesUnordered<BoxFuture<'static, ()>>;

/// A command whose data are there.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) command: Command,
    pub(super) task: TaskId,
    /// Its place among the commands for the disk.
    pub(super) turn: Option<Place>,
    pub(super) data: AlignedBuf,
    pub(super) data_out_bytes: u64,
    pub(super) bursts: u32,
    /// What the data take.
    pub(super) permit: Option<Permit>,
}

/// Where a connection's commands are carried out.
pub(super) struct Executor<D: BlockDevice> {
    pub(super) target: Arc<Target<D>>,
    pub(super) session: Arc<Session<D>>,
    pub(super) in_flight: InFlight,
    pub(super) answers: mpsc::Sender<Answer>,
    /// The connection has ended without a logout, and not by this target's wish. Its sender lives as long as this.
    pub(super) is_lost: watch::Receiver<bool>,
}

impl<D: BlockDevice> Executor<D> {
    /// Returns the logouts whose connections have not ended yet.
    pub(super) async fn run(&self, mut jobs: mpsc::Receiver<Job>) -> Logouts {
        let mut running = FuturesUnordered::new();
        let mut logouts = Logouts::new();
        let mut may_come = true;
        while may_come || !running.is_empty() {
            tokio::select! {
                biased;
                Some(()) = running.next(), if !running.is_empty() => {}
                Some(()) = logouts.next(), if !logouts.is_empty() => {}
                job = jobs.recv(), if may_come && running.len() < MAX_RUNNING => match job {
                    Some(Job::Command(work)) => running.push(self.carry_out(*work).left_future()),
                    Some(Job::TaskManagement(request, waiting)) => {
                        running.push(self.manage(request, waiting).right_future());
                    }
                    Some(Job::Logout { tag, other, waiting }) => {
                        logouts.push(log_out(tag, other, waiting, self.answers.clone()).boxed());
                    }
                    None => may_come = false,
                },
            }
        }
        logouts
    }

    async fn carry_out(&self, work: Work) {
        if let Some(finished) = self.command(work).await {
            // A client that is gone needs no answer.
            let _ = self.answers.send(Answer::Command(Box::new(finished))).await;
        }
    }

    async fn manage(&self, request: task_management::Request, _waiting: OwnedSemaphorePermit) {
        let response = request.carry_out(&self.target, &self.session).await;
        let _ = self.answers.send(Answer::TaskManagement { tag: request.tag, response }).await;
    }

    /// `None` when the command was aborted or called off.
    async fn command(&self, work: Work) -> Option<Finished> {
        let Work { command, task, turn, data, data_out_bytes, bursts, mut permit } = work;
        if let Some(turn) = turn.as_ref().filter(|turn| !turn.is_its_turn()) {
            self.unless_called_off(&command, task, turn.turn()).await?;
        }
        let read_bytes = match &self.session.nexus {
            Some(nexus) if turn.is_some() => nexus.data_in_length(&command.cdb).min(MAX_TRANSFER_BYTES),
            _ => 0,
        };
        if read_bytes > 0 {
            permit = match self.in_flight.try_admit(read_bytes as u32) {
                None => self.unless_called_off(&command, task, self.in_flight.admit(read_bytes as u32)).await?.ok(),
                granted => granted,
            };
        }
        let completion = self.execute(&command, data).await;
        drop(turn);
        let finished = Finished { command, completion, data_out_bytes, bursts, permit };
        self.session.end(command.tag, task).then_some(finished)
    }

    /// Waits before anything of a command has begun. `None`: it has ended without beginning.
    async fn unless_called_off<T>(&self, command: &Command, task: TaskId, ready: impl Future<Output = T>) -> Option<T> {
        let mut is_lost = self.is_lost.clone();
        tokio::select! {
            biased;
            () = self.session.recalled(command.tag, task) => {}
            _ = is_lost.wait_for(|lost| *lost) => {}
            ready = ready => return Some(ready),
        }
        self.session.end(command.tag, task);
        None
    }

    async fn execute(&self, command: &Command, data: AlignedBuf) -> Completion {
        if command.is_extended || command.direction == Direction::Both {
            return Completion::check_condition(Sense::illegal(AdditionalSense::INVALID_COMMAND_OPERATION_CODE));
        }
        match &self.session.nexus {
            // The list of units is the same wherever it is asked for.
            Some(nexus) if is_the_disk(command.lun) || command.cdb.opcode() == REPORT_LUNS => {
                nexus.execute(&command.cdb, command.offered_bytes().into(), data).await
            }
            _ => absent_unit::execute(&command.cdb),
        }
    }
}

/// Answers when the commands of the other connection have ended.
async fn log_out(tag: u32, other: ConnectionHandle, _waiting: OwnedSemaphorePermit, answers: mpsc::Sender<Answer>) {
    other.ended().await;
    let _ = answers.send(Answer::Logout { tag, response: LogoutResponse::Closed }).await;
}
