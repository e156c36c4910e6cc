//! Taking in commands and their data: the receiver's part that deals with SCSI.

use std::convert::Infallible;

use tokio::io::AsyncRead;
use tokio::sync::oneshot;

use super::answer::{Answer, Finished};
use super::command::Command;
use super::command_window::Standing;
use super::executor::{Job, Work};
use super::held::Held;
use super::pdu::{Header, RejectReason};
use super::receiver::{ReceiveError, Receiver};
use super::session::TaskId;
use super::target::is_the_disk;
use super::transfer::{Fault, Place, Transfer};
use super::wire::Arrival;
use crate::disk::AlignedBuf;
use crate::frontend::BlockDevice;
use crate::frontend::in_flight::{Permit, SMALL_BYTES};
use crate::frontend::scsi::{Completion, MAX_TRANSFER_BYTES, Place as Turn, Status};

/// Memory for the rest of a command's data.
pub(super) struct Grant {
    tag: u32,
    task: TaskId,
    permit: Permit,
}

impl<D: BlockDevice, R: AsyncRead + Unpin> Receiver<D, R> {
    /// A command with its immediate data. It begins now if it is its turn.
    pub(super) async fn command_arrived(&mut self, header: Header) -> Result<(), ReceiveError> {
        let command = Command::parse(&header, self.reader.additional_segments());
        let standing = if command.is_immediate { Standing::Next } else { self.to.session.standing(command.cmd_sn) };
        if standing == Standing::Outside {
            let _ = self.reader.skip(header.data_bytes()).await?;
            return Ok(());
        }
        if self.transfers.contains_key(&command.tag) && !self.forget_aborted(command.tag) {
            let _ = self.reader.skip(header.data_bytes()).await?;
            self.reject(RejectReason::TaskInProgress, header).await;
            self.pass(&command);
            return Ok(());
        }
        let data_out_bytes = self.data_out_bytes(&command);
        let wanted = data_out_bytes.min(command.offered_bytes().into()).min(MAX_TRANSFER_BYTES) as u32;
        let mut transfer = Transfer::new(command, header, wanted, &self.limits);
        transfer.data_out_bytes = data_out_bytes;
        self.make_room(&mut transfer, standing);
        if header.data_bytes() > 0 {
            let arrival = self.reader.data(header.data_bytes(), &mut transfer.data).await?;
            self.immediate_arrived(&mut transfer, arrival).await;
        }
        // Its number may have been taken meanwhile by a copy of the command on another connection.
        let standing = if command.is_immediate { Standing::Next } else { self.to.session.take_turn(command.cmd_sn) };
        match standing {
            Standing::Next => self.begin_transfer(transfer).await,
            Standing::Ahead => {
                // Of several with the same number the first one counts; the others are dropped with their data.
                if self.hold(command.cmd_sn, Held::Command(command.tag)) {
                    self.transfers.insert(command.tag, transfer);
                }
            }
            Standing::Outside => {}
        }
        Ok(())
    }

    async fn immediate_arrived(&mut self, transfer: &mut Transfer, arrival: Arrival) {
        transfer.immediate_arrived();
        if arrival == Arrival::Corrupt {
            transfer.fail(Fault::ProtocolServiceCrcError);
            self.reject(RejectReason::DataDigestError, *transfer.header()).await;
        }
    }

    /// Counts the number of a command that was rejected: whatever comes after it would wait for ever.
    fn pass(&mut self, command: &Command) {
        if !command.is_immediate && self.to.session.take_turn(command.cmd_sn) == Standing::Ahead {
            let _ = self.hold(command.cmd_sn, Held::Rejected);
        }
    }

    /// Bytes that the command's CDB speaks of.
    fn data_out_bytes(&self, command: &Command) -> u64 {
        match &self.to.session.nexus {
            Some(nexus) if is_the_disk(command.lun) => nexus.data_out_length(&command.cdb),
            _ => 0,
        }
    }

    /// Room for all data, or for as much as may come unasked until memory is granted.
    fn make_room(&self, transfer: &mut Transfer, standing: Standing) {
        let wanted = transfer.wanted();
        if wanted > SMALL_BYTES && standing == Standing::Next {
            transfer.permit = self.in_flight.try_admit(wanted);
        }
        let room = if transfer.permit.is_some() { wanted } else { wanted.min(SMALL_BYTES) };
        // What is not filled by the initiator is not given to the device.
        transfer.data = AlignedBuf::for_filling(room as usize);
    }

    /// Invariant: memory that all connections share is held only by commands whose turn it is (see
    /// [`TaskSet`](crate::frontend::scsi::TaskSet)).
    fn take_turn_in_the_task_set(&self, transfer: &mut Transfer) {
        if self.to.session.nexus.is_none() || !is_the_disk(transfer.command.lun) {
            return;
        }
        let turn = self.to.target.unit().tasks().enter(transfer.command.order);
        if transfer.permit.is_some() && !turn.is_its_turn() {
            transfer.data = AlignedBuf::copy_of(&transfer.data[..SMALL_BYTES as usize]);
            transfer.permit = None;
        }
        transfer.turn = Some(turn);
    }

    /// It is the turn of a command that was held.
    pub(super) async fn begin(&mut self, tag: u32) {
        if let Some(transfer) = self.transfers.remove(&tag) {
            self.begin_transfer(transfer).await;
        }
    }

    async fn begin_transfer(&mut self, mut transfer: Transfer) {
        if self.stopping {
            self.turn_away(transfer).await;
            return;
        }
        match self.to.session.begin(&transfer.command, !transfer.is_finished(), &self.concerned) {
            Ok(task) => {
                transfer.task = Some(task);
                self.take_turn_in_the_task_set(&mut transfer);
                self.advance(transfer, task).await;
            }
            Err(refusal) => self.refuse(refusal, *transfer.header()).await,
        }
    }

    /// The volume is being detached: the initiator may try again, here or where the volume is next.
    async fn turn_away(&mut self, transfer: Transfer) {
        let completion = Completion { status: Status::Busy, ..Completion::good() };
        self.finish(transfer, completion).await;
    }

    /// Data for a command, or for none that is known any more.
    pub(super) async fn data_arrived(&mut self, header: Header) -> Result<(), ReceiveError> {
        let tag = header.initiator_task_tag();
        let place = self.transfers.get_mut(&tag).map_or(Place::Unknown, |transfer| transfer.place_of(&header));
        // It stays among the transfers while its data are read, which may fail.
        let arrival = match (place, self.transfers.get_mut(&tag)) {
            (Place::At(offset), Some(transfer)) => {
                let start = (offset as usize).min(transfer.data.len());
                self.reader.data(header.data_bytes(), &mut transfer.data[start..]).await?
            }
            _ => self.reader.skip(header.data_bytes()).await?,
        };
        if place == Place::Unknown {
            // Of a command that was aborted, or that has ended with an error; or of none of its open sequences.
            return Ok(());
        }
        let Some(mut transfer) = self.transfers.remove(&tag) else { return Ok(()) };
        transfer.arrived(&header);
        if arrival == Arrival::Corrupt {
            transfer.fail(Fault::ProtocolServiceCrcError);
            self.reject(RejectReason::DataDigestError, header).await;
        }
        match transfer.task {
            Some(task) => self.advance(transfer, task).await,
            None => {
                self.transfers.insert(tag, transfer);
            }
        }
        Ok(())
    }

    /// Executes a command whose data are complete; for others asks for more.
    async fn advance(&mut self, mut transfer: Transfer, task: TaskId) {
        let tag = transfer.command.tag;
        if !transfer.is_finished() {
            self.ask_for_more(&mut transfer, task).await;
            self.transfers.insert(tag, transfer);
            return;
        }
        if !self.to.session.execute(tag, task) {
            return;
        }
        match transfer.fault() {
            Some(fault) => {
                if self.to.session.end(tag, task) {
                    self.finish(transfer, Completion::check_condition(fault.sense())).await;
                }
            }
            None => {
                let Transfer { command, turn, data, data_out_bytes, bursts, permit, .. } = transfer;
                let work = Work { command, task, turn, data, data_out_bytes, bursts, permit };
                let _ = self.jobs.send(Job::Command(Box::new(work))).await;
            }
        }
    }

    async fn finish(&mut self, transfer: Transfer, completion: Completion) {
        let Transfer { command, data_out_bytes, bursts, permit, .. } = transfer;
        let finished = Finished { command, completion, data_out_bytes, bursts, permit };
        self.answer(Answer::Command(Box::new(finished))).await;
    }

    async fn ask_for_more(&mut self, transfer: &mut Transfer, task: TaskId) {
        if !transfer.needs_r2t() {
            return;
        }
        if transfer.data.len() < transfer.wanted() as usize {
            self.wait_for_memory(transfer, task);
            return;
        }
        let (tag, lun) = (transfer.command.tag, transfer.command.lun);
        while let Some(burst) = transfer.next_burst(&self.limits, || next_tag(&mut self.next_transfer_tag)) {
            self.answer(Answer::ReadyToTransfer { tag, lun, burst }).await;
        }
    }

    fn wait_for_memory(&mut self, transfer: &mut Transfer, task: TaskId) {
        if transfer.waits_for_memory.is_some() {
            return;
        }
        let (waiting, mut gone) = oneshot::channel::<Infallible>();
        transfer.waits_for_memory = Some(waiting);
        let (tag, wanted, in_flight) = (transfer.command.tag, transfer.wanted(), self.in_flight.clone());
        let turn = transfer.turn.as_ref().map(Turn::turn);
        let granted = async move {
            if let Some(turn) = turn {
                turn.await;
            }
            in_flight.admit(wanted).await.ok()
        };
        self.grants.push(Box::pin(async move {
            tokio::select! {
                permit = granted => permit.map(|permit| Grant { tag, task, permit }),
                // The transfer was dropped.
                _ = &mut gone => None,
            }
        }));
    }

    /// There is room for all data of a command now; what came already moves there.
    pub(super) async fn granted(&mut self, grant: Grant) {
        let Grant { tag, task, permit } = grant;
        // The tag may have passed to another command while the grant was on its way.
        if self.transfers.get(&tag).is_none_or(|transfer| transfer.task != Some(task)) {
            return;
        }
        let Some(mut transfer) = self.transfers.remove(&tag) else { return };
        let mut data = AlignedBuf::for_filling(transfer.wanted() as usize);
        data[..transfer.data.len()].copy_from_slice(&transfer.data);
        (transfer.data, transfer.permit, transfer.waits_for_memory) = (data, Some(permit), None);
        self.advance(transfer, task).await;
    }

    /// Drops a transfer whose command was aborted, so that its tag is free.
    fn forget_aborted(&mut self, tag: u32) -> bool {
        let is_aborted = self
            .transfers
            .get(&tag)
            .is_some_and(|transfer| transfer.task.is_some_and(|task| !self.to.session.is_alive(tag, task)));
        if is_aborted {
            self.transfers.remove(&tag);
        }
        is_aborted
    }

    pub(super) fn forget_all_aborted(&mut self) {
        let session = &self.to.session;
        self.transfers.retain(|&tag, transfer| transfer.task.is_none_or(|task| session.is_alive(tag, task)));
    }
}

/// Any but the one that says "none".
fn next_tag(last: &mut u32) -> u32 {
    *last = (*last + 1) % super::pdu::NO_TAG;
    *last
}
