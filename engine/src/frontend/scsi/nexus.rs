//! A session's view of the logical unit.

use std::sync::Arc;

use super::cdb::Cdb;
use super::completion::{Completion, Failure, Outcome};
use super::logical_unit::{LogicalUnit, NexusId, NexusState};
use super::opcodes::{self, Command};
use super::{capacity, inquiry, read_write};
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
        opcodes::find(cdb).map_or(0, |entry| entry.command.data_out_bytes(cdb, self.unit.size_bytes()))
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
    }
}

impl<D: BlockDevice> Call<'_, D> {
    async fn run(&self, data_out: AlignedBuf) -> Outcome {
        let entry = opcodes::find(self.cdb)?;
        entry.check_reserved_bits(self.cdb)?;
        if !entry.passes_attentions()
            && let Some(sense) = self.nexus.attentions.take()
        {
            return Err(Failure::Check(sense));
        }
        match entry.command {
            Command::TestUnitReady => Ok(Completion::good()),
            Command::Inquiry => inquiry::inquiry(self),
            Command::ReadCapacity10 => capacity::read_capacity_10(self),
            Command::ReadCapacity16 => capacity::read_capacity_16(self),
            Command::Read => read_write::read(self).await,
            Command::Write => read_write::write(self, data_out).await,
        }
    }
}
