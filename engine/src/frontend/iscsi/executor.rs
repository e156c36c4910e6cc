//! Carries out the commands of one connection, all at the same time, and hands the answers to the sender.
//!
//! It ends when its connection brings nothing more and everything that began has ended: a command that the device has is
//! never abandoned half way, whatever becomes of the connection.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;

use super::absent_unit::{self, REPORT_LUNS};
use super::answer::{Answer, Finished, Memory};
use super::command::{Command, Direction, Order};
use super::memory::{MemoryLimit, read_bytes};
use super::session::{Session, TaskId};
use super::target::{LUN, Target, is_the_disk};
use super::task_management;
use crate::disk::AlignedBuf;
use crate::frontend::BlockDevice;
use crate::frontend::scsi::{AdditionalSense, Completion, Sense};

/// The command window and immediate commands fit; requests for aborts that pile up behind a stuck command wait.
const MAX_RUNNING: usize = 256;

#[derive(Debug)]
pub(super) enum Job {
    Command(Box<Work>),
    TaskManagement(task_management::Request),
}

/// A command whose data are there.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) command: Command,
    pub(super) task: TaskId,
    pub(super) data: AlignedBuf,
    pub(super) data_out_bytes: u64,
    pub(super) bursts: u32,
    /// What the data take.
    pub(super) memory: Memory,
}

/// Where a connection's commands are carried out.
pub(super) struct Executor<D: BlockDevice> {
    pub(super) target: Arc<Target<D>>,
    pub(super) session: Arc<Session<D>>,
    pub(super) memory: MemoryLimit,
    pub(super) answers: mpsc::Sender<Answer>,
}

impl<D: BlockDevice> Executor<D> {
    pub(super) async fn run(&self, mut jobs: mpsc::Receiver<Job>) {
        let mut running = FuturesUnordered::new();
        let mut may_come = true;
        while may_come || !running.is_empty() {
            tokio::select! {
                biased;
                Some(()) = running.next(), if !running.is_empty() => {}
                job = jobs.recv(), if may_come && running.len() < MAX_RUNNING => match job {
                    Some(job) => running.push(self.carry_out(job)),
                    None => may_come = false,
                },
            }
        }
    }

    async fn carry_out(&self, job: Job) {
        let answer = match job {
            Job::Command(work) => match self.command(*work).await {
                Some(finished) => Answer::Command(Box::new(finished)),
                None => return,
            },
            Job::TaskManagement(request) => {
                let response = request.carry_out(&self.target, &self.session).await;
                Answer::TaskManagement { tag: request.tag, response }
            }
        };
        // A client that is gone needs no answer.
        let _ = self.answers.send(answer).await;
    }

    /// `None` when the command was aborted.
    async fn command(&self, work: Work) -> Option<Finished> {
        let Work { command, task, data, data_out_bytes, bursts, mut memory } = work;
        let read_bytes = read_bytes(&command.cdb);
        if read_bytes > 0 && is_the_disk(command.lun) {
            // Before the turn is taken: commands wait for their turn with memory in their hands.
            memory = self.memory.reserve(read_bytes).await;
        }
        let completion = self.in_order(&command, data).await;
        let finished = Finished { command, completion, data_out_bytes, bursts, memory };
        self.session.end(command.tag, task).then_some(finished)
    }

    /// Most commands run in any order; an ordered one runs alone.
    async fn in_order(&self, command: &Command, data: AlignedBuf) -> Completion {
        let turns = self.target.turns();
        match command.order {
            Order::Simple => {
                let _turn = turns.read().await;
                self.execute(command, data).await
            }
            Order::Ordered => {
                let _turn = turns.write().await;
                self.execute(command, data).await
            }
            Order::HeadOfQueue => self.execute(command, data).await,
        }
    }

    async fn execute(&self, command: &Command, data: AlignedBuf) -> Completion {
        if command.is_extended || command.direction == Direction::Both {
            return Completion::check_condition(Sense::illegal(AdditionalSense::INVALID_COMMAND_OPERATION_CODE));
        }
        match &self.session.nexus {
            Some(_) if command.cdb.opcode() == REPORT_LUNS => absent_unit::report_luns(&command.cdb, LUN),
            Some(nexus) if is_the_disk(command.lun) => {
                nexus.execute(&command.cdb, command.offered_bytes().into(), data).await
            }
            _ => absent_unit::execute(&command.cdb),
        }
    }
}
