//! What is sent to an initiator, before it has its numbers.

use super::command::Command;
use super::pdu::{Header, RejectReason};
use super::request_data::RequestData;
use super::text;
use super::transfer::Burst;
use crate::frontend::in_flight::Permit;
use crate::frontend::scsi::{Completion, Sense};

/// One answer, in the order of the queue.
#[derive(Debug)]
pub(super) enum Answer {
    Command(Box<Finished>),
    ReadyToTransfer {
        tag: u32,
        lun: [u8; 8],
        burst: Burst,
    },
    /// To a NOP-Out of the initiator.
    Echo {
        tag: u32,
        lun: [u8; 8],
        data: RequestData,
    },
    /// A NOP-Out is asked for, to see that the initiator is alive.
    Ping,
    TaskManagement {
        tag: u32,
        response: TaskManagementResponse,
    },
    Text {
        tag: u32,
        lun: [u8; 8],
        part: text::Part,
    },
    Logout {
        tag: u32,
        response: LogoutResponse,
    },
    Reject {
        reason: RejectReason,
        header: Box<Header>,
    },
    Event(Event),
}

/// A command that has ended.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) command: Command,
    pub(super) completion: Completion,
    /// Bytes of data-out that the CDB speaks of, for the residual count.
    pub(super) data_out_bytes: u64,
    /// R2Ts that were sent for it.
    pub(super) bursts: u32,
    /// What its data take.
    pub(super) permit: Option<Permit>,
}

/// Section 11.6.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum TaskManagementResponse {
    Complete = 0,
    NoSuchTask = 1,
    NoSuchLun = 2,
    ReassignmentNotSupported = 4,
    NotSupported = 5,
    Rejected = 255,
}

/// Section 11.15.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum LogoutResponse {
    Closed = 0,
    NoSuchConnection = 1,
    RecoveryNotSupported = 2,
}

/// Something that happened without a request (section 11.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// For the logical unit, as a command would be told.
    Scsi(Sense),
    /// This target is going to drop all connections of the session.
    Leaving,
}
