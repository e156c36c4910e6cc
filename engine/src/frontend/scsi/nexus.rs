//! A session's view of the logical unit.

use std::sync::Arc;

use super::cdb::Cdb;
use super::completion::{Completion, Failure, Outcome};
use super::logical_unit::{LogicalUnit, NexusId, NexusState};
use super::opcodes::{self, Access, Command, Entry};
use super::reservations::{out, report, reserve};
use super::sense::{AdditionalSense, Sense, SenseKey};
use super::{
    cache, capacity, compare_and_write, extended_copy, inquiry, mode, read_write, status, target, unmap, verify,
    write_same,
};
use crate::disk::AlignedBuf;
use crate::frontend::BlockDevice;

/// A session (I_T nexus) on a logical unit. Commands may be executed concurrently.
pub struct Nexus<D: BlockDevice> {
    unit: Arc<LogicalUnit<D>>,
    state: Arc<NexusState>,
}

/// A command in execution.
pub(super) struct Call<'a, D: BlockDevice> {
    pub(super) unit: &'a LogicalUnit<D>,
    pub(super) nexus: &'a NexusState,
    pub(super) cdb: &'a Cdb,
    /// Length of data-out as the initiator announced it.
    pub(super) offered_bytes: u64,
}

impl<D: BlockDevice> Nexus<D> {
    pub(super) fn new(unit: Arc<LogicalUnit<D>>, state: Arc<NexusState>) -> Self {
        Self { unit, state }
    }

    pub(super) fn id(&self) -> NexusId {
        self.state.id
    }

    /// How many bytes of data-out the command wants: 0 for a command without, and for one that is going to be refused.
    /// The transport collects the lesser of this and what the initiator offers.
    #[must_use]
    pub fn data_out_length(&self, cdb: &Cdb) -> u64 {
        let length = opcodes::find(cdb).and_then(|entry| {
            entry.check_reserved_bits(cdb)?;
            data_out_bytes(entry.command, cdb, self.unit.size_bytes())
        });
        length.unwrap_or(0)
    }

    /// How many bytes of the volume the command reads for the initiator. Parameter data, which are short, do not count.
    #[must_use]
    pub fn data_in_length(&self, cdb: &Cdb) -> u64 {
        match opcodes::find(cdb) {
            Ok(entry) if entry.command == Command::Read => {
                read_write::transfer(cdb, self.unit.size_bytes()).map_or(0, |(_, length)| length.into())
            }
            _ => 0,
        }
    }

    /// Commands of this session were aborted because another session cleared the task set.
    pub fn commands_cleared(&self) {
        self.state.attentions.raise(AdditionalSense::COMMANDS_CLEARED_BY_ANOTHER_INITIATOR);
    }

    /// Carries out a command and returns when it is done. `data_out` is what the transport collected; a write hands it
    /// to the device without a copy. `offered_bytes` is the length of data-out the initiator announced: a READ or a
    /// WRITE may differ from it (the transport reports a residual), but WRITE SAME or COMPARE AND WRITE with more data
    /// than the CDB accounts for are refused. Dropping the future abandons the command; a write that has been handed
    /// to the device may still be carried out.
    pub async fn execute(&self, cdb: &Cdb, offered_bytes: u64, data_out: AlignedBuf) -> Completion {
        let call = Call { unit: &self.unit, nexus: &self.state, cdb, offered_bytes };
        match call.run(data_out).await {
            Ok(completion) => completion,
            Err(failure) => failure.into(),
        }
    }
}

impl<D: BlockDevice> Drop for Nexus<D> {
    fn drop(&mut self) {
        self.unit.nexuses.remove(self.state.id);
        self.unit.reservations.end_of(Some(self.state.id));
    }
}

/// What a good command wants.
fn data_out_bytes(command: Command, cdb: &Cdb, size_bytes: u64) -> Result<u64, Sense> {
    match command {
        Command::Write | Command::WriteAndVerify | Command::OrWrite => {
            read_write::transfer(cdb, size_bytes).map(|(_, length)| u64::from(length))
        }
        Command::Verify => verify::verify_data_out_bytes(cdb, size_bytes),
        Command::CompareAndWrite => compare_and_write::data_out_bytes(cdb, size_bytes),
        Command::WriteSame => write_same::data_out_bytes(cdb, size_bytes),
        Command::Unmap => Ok(unmap::data_out_bytes(cdb)),
        Command::ExtendedCopy => Ok(extended_copy::data_out_bytes(cdb)),
        Command::ModeSelect => Ok(mode::select::data_out_bytes(cdb)),
        Command::PersistentReserveOut => Ok(out::data_out_bytes(cdb)),
        _ => Ok(0),
    }
}

impl<D: BlockDevice> Call<'_, D> {
    async fn run(&self, data_out: AlignedBuf) -> Outcome {
        let entry = opcodes::find(self.cdb)?;
        entry.check_reserved_bits(self.cdb)?;
        if !entry.command.passes_attentions()
            && let Some(sense) = self.nexus.attentions.take()
        {
            return Err(sense.into());
        }
        let _at_work = match entry.access {
            Access::Free | Access::Asks => None,
            Access::Reads | Access::Manages | Access::Writes => Some(self.nexus.at_work.read().await),
        };
        self.check_access(entry)?;
        self.dispatch(entry.command, data_out).await
    }

    fn check_access(&self, entry: &Entry) -> Result<(), Failure> {
        if self.unit.reservations.stops(entry.access, self.nexus) {
            return Err(Failure::ReservationConflict);
        }
        if entry.access == Access::Writes && self.unit.modes.write_protected() {
            return Err(Sense::new(SenseKey::DataProtect, AdditionalSense::SOFTWARE_WRITE_PROTECTED).into());
        }
        Ok(())
    }

    /// Invariant: a write is acknowledged only when what the initiator offered of it has been written. The transport
    /// asks for data when the command arrives; what it found to be beyond the end of the disk then it has not got, though
    /// the disk may have grown since. The initiator repeats the command.
    pub(super) fn check_data_out(&self, data: &[u8], wanted_bytes: u64) -> Result<(), Sense> {
        if (data.len() as u64) < wanted_bytes.min(self.offered_bytes) {
            return Err(Sense::new(SenseKey::AbortedCommand, AdditionalSense::DATA_PHASE_ERROR));
        }
        Ok(())
    }

    async fn dispatch(&self, command: Command, data_out: AlignedBuf) -> Outcome {
        match command {
            Command::TestUnitReady => Ok(Completion::good()),
            Command::RequestSense => status::request_sense(self),
            Command::Inquiry => inquiry::inquiry(self),
            Command::ReportLuns => target::report_luns(self),
            Command::ReadCapacity10 => capacity::read_capacity_10(self),
            Command::ReadCapacity16 => capacity::read_capacity_16(self),
            Command::ReadDefectData => status::read_defect_data(self),
            Command::ModeSense => mode::sense::mode_sense(self),
            Command::ModeSelect => mode::select::mode_select(self, &data_out),
            Command::StartStopUnit => status::start_stop_unit(self).await,
            Command::Read => read_write::read(self).await,
            Command::Write => read_write::write(self, data_out).await,
            Command::WriteAndVerify => verify::write_and_verify(self, data_out).await,
            Command::Verify => verify::verify(self, data_out).await,
            Command::CompareAndWrite => compare_and_write::compare_and_write(self, data_out).await,
            Command::OrWrite => compare_and_write::or_write(self, data_out).await,
            Command::WriteSame => write_same::write_same(self, data_out).await,
            Command::Unmap => unmap::unmap(self, data_out).await,
            Command::ExtendedCopy => extended_copy::extended_copy(self, &data_out).await,
            Command::ReceiveCopyResults => extended_copy::results::receive_copy_results(self),
            Command::SynchronizeCache => cache::synchronize(self).await,
            Command::PreFetch => cache::pre_fetch(self),
            Command::Reserve6 => reserve::reserve(self),
            Command::Release6 => reserve::release(self),
            Command::PersistentReserveIn => report::persistent_reserve_in(self),
            Command::PersistentReserveOut => out::persistent_reserve_out(self, &data_out).await,
            Command::ReportTargetPortGroups => target::report_target_port_groups(self),
            Command::ReportSupportedOperationCodes => opcodes::report::operation_codes(self),
            Command::ReportSupportedTaskManagement => opcodes::report::task_management(self),
        }
    }
}
