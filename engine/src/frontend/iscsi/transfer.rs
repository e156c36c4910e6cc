//! The data of one write on their way in: immediate, unsolicited, and asked for by R2T (RFC 7143, section 4.2.4).
//!
//! Data come in order: `DataPDUInOrder` and `DataSequenceInOrder` are always negotiated to Yes. So one number says how
//! far a transfer is, and a PDU that does not continue exactly there is a fault. A faulty transfer takes in what was
//! asked for already, writes nothing, and ends with CHECK CONDITION (section 7.8: recovery level 0).

use std::collections::VecDeque;
use std::convert::Infallible;

use tokio::sync::oneshot;

use super::command::Command;
use super::pdu::{Header, NO_TAG, at};
use super::session::TaskId;
use crate::disk::AlignedBuf;
use crate::frontend::in_flight::Permit;
use crate::frontend::scsi::{self, AdditionalSense, Sense, SenseKey};

/// Why the data of a command cannot be used (section 11.4.7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// More came unasked than was agreed on, or where nothing may come unasked.
    UnexpectedUnsolicitedData,
    /// A sequence ended before or behind its end.
    IncorrectAmountOfData,
    /// A PDU is lost, is out of order or was corrupted.
    ProtocolServiceCrcError,
}

impl Fault {
    pub(super) fn sense(self) -> Sense {
        let code = match self {
            Self::UnexpectedUnsolicitedData => AdditionalSense(0x0c, 0x0c),
            Self::IncorrectAmountOfData => AdditionalSense(0x0c, 0x0d),
            Self::ProtocolServiceCrcError => AdditionalSense(0x47, 0x05),
        };
        Sense::new(SenseKey::AbortedCommand, code)
    }
}

/// Limits of the session that a transfer keeps to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) initial_r2t: bool,
    pub(super) immediate_data: bool,
    pub(super) first_burst_bytes: u32,
    pub(super) max_burst_bytes: u32,
    pub(super) max_outstanding_r2t: u32,
}

/// How long the data of a write may take, in beats of its connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Without any data.
    pub(super) silent_beats: u32,
    /// Until all are there.
    pub(super) beats: u32,
}

/// Data that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Burst {
    pub(super) transfer_tag: u32,
    /// R2TSN.
    pub(super) number: u32,
    pub(super) offset: u32,
    pub(super) length: u32,
}

/// A run of Data-Out PDUs that ends with a final one.
#[derive(Clone, Copy, Debug)]
struct Sequence {
    transfer_tag: u32,
    /// Where its data end, at most.
    end: u32,
    next_data_sn: u32,
}

/// Where the data segment of a PDU belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At this offset of the command's data.
    At(u32),
    /// Nowhere: the transfer is faulty.
    Nowhere,
    /// The PDU belongs to no open sequence of this transfer; it changes nothing.
    Unknown,
}

#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) command: Command,
    /// The command's PDU, in case that it has to be rejected.
    header: Header,
    /// Set when it is the command's turn.
    pub(super) task: Option<TaskId>,
    /// Its place among the commands of all sessions, from then on.
    pub(super) turn: Option<scsi::Place>,
    /// Bytes that the CDB speaks of, whatever the initiator offers.
    pub(super) data_out_bytes: u64,
    /// Bytes that the command uses. What comes beyond them is read past.
    wanted: u32,
    /// Where the next byte has to come.
    received: u32,
    /// Up to here the data came unasked or were asked for.
    requested: u32,
    unsolicited: Option<Sequence>,
    solicited: VecDeque<Sequence>,
    /// R2Ts that were sent: ExpDataSN of the response.
    pub(super) bursts: u32,
    fault: Option<Fault>,
    /// Room for `wanted` bytes, or for the first burst of them until memory is granted.
    pub(super) data: AlignedBuf,
    pub(super) permit: Option<Permit>,
    /// While it waits for memory: dropped with the transfer, it ends the waiting.
    pub(super) waits_for_memory: Option<oneshot::Sender<Infallible>>,
    /// Beats of the connection in which it was the initiator's to send data: all of them, and those since it sent some.
    beats: u32,
    silent_beats: u32,
}

impl Transfer {
    /// `header` is the command's own.
    pub(super) fn new(command: Command, header: Header, wanted: u32, limits: &Limits) -> Self {
        let immediate_bytes = header.data_bytes() as u32;
        let comes_unasked = if limits.initial_r2t || command.is_final { None } else { Some(limits.first_burst_bytes) };
        let mut transfer = Self {
            command,
            header,
            task: None,
            turn: None,
            data_out_bytes: 0,
            wanted,
            received: 0,
            requested: 0,
            unsolicited: comes_unasked.map(|bytes| Sequence {
                transfer_tag: NO_TAG,
                end: bytes.min(command.offered_bytes()),
                next_data_sn: 0,
            }),
            solicited: VecDeque::new(),
            bursts: 0,
            fault: None,
            data: AlignedBuf::default(),
            permit: None,
            waits_for_memory: None,
            beats: 0,
            silent_beats: 0,
        };
        let is_allowed = immediate_bytes == 0
            || limits.immediate_data && immediate_bytes <= limits.first_burst_bytes.min(command.offered_bytes());
        if !is_allowed || !command.is_final && limits.initial_r2t {
            transfer.fault = Some(Fault::UnexpectedUnsolicitedData);
        }
        transfer
    }

    pub(super) fn wanted(&self) -> u32 {
        self.wanted
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    pub(super) fn fail(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// The immediate data have been read to the front of `data`.
    pub(super) fn immediate_arrived(&mut self) {
        self.received = self.header.data_bytes() as u32;
        self.requested = self.received;
    }

    /// Checks a Data-Out PDU; its data segment has to be read or skipped by what this says.
    pub(super) fn place_of(&mut self, header: &Header) -> Place {
        let transfer_tag = header.u32_at(at::TARGET_TRANSFER_TAG);
        let sequence = if transfer_tag == NO_TAG { self.unsolicited.as_mut() } else { self.solicited.front_mut() };
        let Some(sequence) = sequence.filter(|sequence| sequence.transfer_tag == transfer_tag) else {
            return Place::Unknown;
        };
        let (offset, length) = (header.u32_at(at::BUFFER_OFFSET), header.data_bytes() as u64);
        let end = u64::from(offset) + length;
        if header.u32_at(at::DATA_SN) != sequence.next_data_sn || offset != self.received {
            self.fail(Fault::ProtocolServiceCrcError);
        } else if end > u64::from(sequence.end) {
            let is_unsolicited = transfer_tag == NO_TAG;
            self.fail(if is_unsolicited { Fault::UnexpectedUnsolicitedData } else { Fault::IncorrectAmountOfData });
        }
        if self.fault.is_some() { Place::Nowhere } else { Place::At(offset) }
    }

    /// The data segment of a PDU that belongs here has been read.
    pub(super) fn arrived(&mut self, header: &Header) {
        let is_unsolicited = header.u32_at(at::TARGET_TRANSFER_TAG) == NO_TAG;
        let Some(sequence) = (if is_unsolicited { self.unsolicited.as_mut() } else { self.solicited.front_mut() })
        else {
            return;
        };
        sequence.next_data_sn = sequence.next_data_sn.wrapping_add(1);
        if header.data_bytes() > 0 {
            self.silent_beats = 0;
        }
        let end = sequence.end;
        self.received = self.received.saturating_add(header.data_bytes() as u32);
        self.requested = self.requested.max(self.received);
        if !header.is_final() {
            return;
        }
        if is_unsolicited {
            self.unsolicited = None;
        } else {
            self.solicited.pop_front();
            if self.received != end {
                self.fail(Fault::IncorrectAmountOfData);
            }
        }
    }

    /// Nothing more will come: all is there, or the fault is known and what was asked for has come.
    pub(super) fn is_finished(&self) -> bool {
        self.unsolicited.is_none()
            && self.solicited.is_empty()
            && (self.fault.is_some() || self.received >= self.wanted)
    }

    /// Counts a beat in which it was the initiator's to send data. True: there were too many of them.
    pub(super) fn is_overdue(&mut self, patience: Patience) -> bool {
        if self.task.is_some() && self.waits_for_memory.is_none() {
            self.beats += 1;
            self.silent_beats += 1;
        }
        self.silent_beats > patience.silent_beats || self.beats > patience.beats
    }

    /// More has to be asked for than what came by itself.
    pub(super) fn needs_r2t(&self) -> bool {
        self.unsolicited.is_none() && self.fault.is_none() && self.requested < self.wanted
    }

    /// The next burst to ask for, if one is due.
    pub(super) fn next_burst(&mut self, limits: &Limits, transfer_tag: impl FnOnce() -> u32) -> Option<Burst> {
        if !self.needs_r2t() || self.solicited.len() >= limits.max_outstanding_r2t as usize {
            return None;
        }
        let offset = self.requested;
        let length = (self.wanted - offset).min(limits.max_burst_bytes);
        let burst = Burst { transfer_tag: transfer_tag(), number: self.bursts, offset, length };
        self.bursts += 1;
        self.requested += length;
        let end = self.requested;
        self.solicited.push_back(Sequence { transfer_tag: burst.transfer_tag, end, next_data_sn: 0 });
        Some(burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::iscsi::pdu::request;

    const LIMITS: Limits = Limits {
        initial_r2t: false,
        immediate_data: true,
        first_burst_bytes: 1024,
        max_burst_bytes: 2048,
        max_outstanding_r2t: 2,
    };

    fn transfer(offered: u32, is_final: bool, wanted: u32, immediate: usize, limits: &Limits) -> Transfer {
        let flags = if is_final { 0xa0 } else { 0x20 };
        let mut header = Header::response(request::SCSI_COMMAND, 1).with_byte(1, flags).with_u32(20, offered);
        header.set_data_bytes(immediate);
        Transfer::new(Command::parse(&header, &[]), header, wanted, limits)
    }

    fn data_out(tag: u32, data_sn: u32, offset: u32, length: usize, is_final: bool) -> Header {
        let mut header = Header::response(request::DATA_OUT, 1)
            .with_byte(1, if is_final { 0x80 } else { 0 })
            .with_u32(at::TARGET_TRANSFER_TAG, tag)
            .with_u32(at::DATA_SN, data_sn)
            .with_u32(at::BUFFER_OFFSET, offset);
        header.set_data_bytes(length);
        header
    }

    fn take(transfer: &mut Transfer, header: Header) -> Place {
        let place = transfer.place_of(&header);
        if place != Place::Unknown {
            transfer.arrived(&header);
        }
        place
    }

    #[test]
    fn immediate_unsolicited_and_solicited_data_follow_each_other() {
        let mut write = transfer(6144, false, 6144, 512, &LIMITS);
        write.immediate_arrived();
        assert!(!write.needs_r2t());
        assert_eq!(take(&mut write, data_out(NO_TAG, 0, 512, 512, true)), Place::At(512));
        let mut tag = 0;
        let mut next = |transfer: &mut Transfer| {
            tag += 1;
            transfer.next_burst(&LIMITS, || tag)
        };
        let burst = |transfer_tag, number, offset, length| Some(Burst { transfer_tag, number, offset, length });
        assert_eq!(next(&mut write), burst(1, 0, 1024, 2048));
        assert_eq!(next(&mut write), burst(2, 1, 3072, 2048));
        assert_eq!(next(&mut write), None, "two at a time");
        assert_eq!(take(&mut write, data_out(2, 0, 3072, 2048, true)), Place::Unknown, "the second is not due yet");
        assert_eq!(take(&mut write, data_out(1, 0, 1024, 1024, false)), Place::At(1024));
        assert_eq!(take(&mut write, data_out(1, 1, 2048, 1024, true)), Place::At(2048));
        assert_eq!(next(&mut write), burst(4, 2, 5120, 1024));
        assert_eq!(take(&mut write, data_out(2, 0, 3072, 2048, true)), Place::At(3072));
        assert!(!write.is_finished());
        assert_eq!(take(&mut write, data_out(4, 0, 5120, 1024, true)), Place::At(5120));
        assert!(write.is_finished());
        assert_eq!((write.fault(), write.bursts), (None, 3));
    }

    #[test]
    fn a_faulty_transfer_ends_when_what_was_announced_has_come() {
        let mut write = transfer(1024, false, 1024, 0, &LIMITS);
        assert_eq!(take(&mut write, data_out(NO_TAG, 27, 0, 512, false)), Place::Nowhere);
        assert!(!write.is_finished());
        assert_eq!(take(&mut write, data_out(NO_TAG, 1, 512, 512, true)), Place::Nowhere);
        assert!(write.is_finished());
        assert_eq!(write.fault(), Some(Fault::ProtocolServiceCrcError));
    }

    #[test]
    fn amounts_are_checked() {
        let fault = |transfer: &Transfer| transfer.fault();
        let too_much = transfer(4096, true, 4096, 2048, &LIMITS);
        assert_eq!(fault(&too_much), Some(Fault::UnexpectedUnsolicitedData));
        assert!(too_much.is_finished());
        let mut beyond = transfer(4096, false, 4096, 0, &LIMITS);
        assert_eq!(take(&mut beyond, data_out(NO_TAG, 0, 0, 1025, true)), Place::Nowhere);
        let mut early = transfer(4096, true, 4096, 0, &LIMITS);
        assert!(early.next_burst(&LIMITS, || 1).is_some());
        assert_eq!(take(&mut early, data_out(1, 0, 0, 512, true)), Place::At(0));
        assert_eq!(fault(&early), Some(Fault::IncorrectAmountOfData));
        let limits = Limits { immediate_data: false, ..LIMITS };
        assert!(transfer(512, true, 512, 512, &limits).fault().is_some());
        let limits = Limits { initial_r2t: true, ..LIMITS };
        assert!(transfer(512, false, 512, 0, &limits).fault().is_some());
    }

    #[test]
    fn a_transfer_is_silent_while_its_initiator_should_send() {
        const PATIENCE: Patience = Patience { silent_beats: 2, beats: 9 };
        let mut write = transfer(4096, true, 4096, 0, &LIMITS);
        let beats = |write: &mut Transfer| (0..4).map(|_| write.is_overdue(PATIENCE)).collect::<Vec<_>>();
        assert_eq!(beats(&mut write), [false; 4], "it is not its turn yet");
        write.task = Some(TaskId::default());
        let (waiting, _gone) = oneshot::channel();
        write.waits_for_memory = Some(waiting);
        assert_eq!(beats(&mut write), [false; 4], "it has not been asked for anything");
        write.waits_for_memory = None;
        assert!(write.next_burst(&LIMITS, || 1).is_some());
        assert_eq!(beats(&mut write), [false, false, true, true]);
        take(&mut write, data_out(1, 0, 0, 512, false));
        assert_eq!(beats(&mut write), [false, false, true, true], "from the last data on");
    }

    #[test]
    fn data_that_drip_do_not_hold_up_others_for_ever() {
        const PATIENCE: Patience = Patience { silent_beats: 2, beats: 4 };
        let started = || {
            let mut write = transfer(4096, true, 4096, 0, &LIMITS);
            write.task = Some(TaskId::default());
            assert!(write.next_burst(&LIMITS, || 1).is_some());
            write
        };
        let beats_with_pdus_of = |bytes: usize| {
            let mut write = started();
            let overdue = |number: &u32| {
                take(&mut write, data_out(1, *number, number * bytes as u32, bytes, false));
                write.is_overdue(PATIENCE)
            };
            (0..10).find(overdue).unwrap()
        };
        assert_eq!(beats_with_pdus_of(0), 2, "nothing in them is as good as none of them");
        assert_eq!(beats_with_pdus_of(4), 4);
    }

    #[test]
    fn what_the_command_does_not_use_is_not_asked_for() {
        let mut write = transfer(10_000, true, 512, 512, &LIMITS);
        write.immediate_arrived();
        assert!(write.is_finished());
        assert!(write.next_burst(&LIMITS, || 1).is_none());
    }
}
