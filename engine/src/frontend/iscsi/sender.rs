//! Gives answers their numbers and sends them: what is ready at the same time shares a system call.
//!
//! StatSN counts the answers of a connection that carry a status. A read's data go straight from the buffer that the
//! device returned, and its last PDU carries the status with it (section 11.7.3) where that needs no sense data.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::sync::mpsc;

use super::answer::{Answer, Event, Finished, LogoutResponse};
use super::command::Direction;
use super::digest;
use super::parameters::ConnectionParameters;
use super::pdu::{Header, NO_TAG, at, flag, padding, response};
use super::residual::Residual;
use super::session::Session;
use super::text::{self, Then};
use crate::frontend::BlockDevice;
use crate::frontend::gathered_writer::GatheredWriter;
use crate::frontend::in_flight::Counted;
use crate::frontend::scsi::{DataIn, Sense, Status};

/// An initiator that reads nothing for so long has left without a word.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);
/// Of this target's pings. Nobody else uses a target transfer tag in a NOP.
pub(super) const PING_TAG: u32 = 0xfeed_f00d;
/// Fields of several responses.
const RESIDUAL: usize = 44;
const RESPONSE: usize = 2;
const EXP_DATA_SN: usize = 36;

/// A payload and the memory it counts for.
type Payload = Counted<DataIn>;

pub(super) struct Sender<D: BlockDevice, W> {
    session: Arc<Session<D>>,
    parameters: ConnectionParameters,
    writer: GatheredWriter<W, Payload>,
    stat_sn: u32,
}

/// Whether an answer takes a StatSN.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carries {
    Status,
    Nothing,
}

impl<D: BlockDevice, W: AsyncWrite + Unpin> Sender<D, W> {
    pub(super) fn new(session: Arc<Session<D>>, parameters: ConnectionParameters, writer: W, stat_sn: u32) -> Self {
        Self { session, parameters, writer: GatheredWriter::new(writer), stat_sn }
    }

    /// Sends until nobody is left who could answer; then all has reached the socket, and the initiator is told that
    /// nothing more comes.
    pub(super) async fn run(mut self, mut answers: mpsc::Receiver<Answer>) -> io::Result<()> {
        while let Some(answer) = answers.recv().await {
            self.put(answer).await?;
            while let Ok(answer) = answers.try_recv() {
                self.put(answer).await?;
            }
            self.flush().await?;
        }
        self.writer.shutdown().await
    }

    async fn flush(&mut self) -> io::Result<()> {
        tokio::time::timeout(WRITE_PATIENCE, self.writer.flush()).await.map_err(|_| {
            let seconds = WRITE_PATIENCE.as_secs();
            io::Error::new(io::ErrorKind::TimedOut, format!("the initiator has read nothing for {seconds} s"))
        })?
    }

    async fn put(&mut self, answer: Answer) -> io::Result<()> {
        match answer {
            Answer::Command(finished) => self.put_command(*finished),
            Answer::ReadyToTransfer { tag, lun, burst } => {
                let header = Header::response(response::READY_TO_TRANSFER, tag)
                    .with_lun(lun)
                    .with_u32(at::TARGET_TRANSFER_TAG, burst.transfer_tag)
                    .with_u32(at::DATA_SN, burst.number)
                    .with_u32(at::BUFFER_OFFSET, burst.offset)
                    .with_u32(RESIDUAL, burst.length);
                self.put_pdu(header, Carries::Nothing, &[]);
            }
            Answer::Echo { tag, lun, data } => {
                let header =
                    Header::response(response::NOP_IN, tag).with_lun(lun).with_u32(at::TARGET_TRANSFER_TAG, NO_TAG);
                let data = data.bytes();
                let length = data.len().min(self.parameters.max_sent_segment_bytes as usize);
                self.put_pdu(header, Carries::Status, &data[..length]);
            }
            Answer::Ping => {
                let header = Header::response(response::NOP_IN, NO_TAG).with_u32(at::TARGET_TRANSFER_TAG, PING_TAG);
                self.put_pdu(header, Carries::Nothing, &[]);
            }
            Answer::TaskManagement { tag, response } => {
                let header = Header::response(response::TASK_MANAGEMENT, tag).with_byte(RESPONSE, response as u8);
                self.put_pdu(header, Carries::Status, &[]);
            }
            Answer::Text { tag, lun, part } => {
                let (flags, transfer_tag) = match part.then {
                    Then::End => (flag::FINAL, NO_TAG),
                    Then::MoreOfTheQuestion => (0, text::TRANSFER_TAG),
                    Then::MoreOfTheAnswer => (flag::CONTINUE, text::TRANSFER_TAG),
                };
                let header = Header::response(response::TEXT, tag)
                    .with_byte(1, flags)
                    .with_lun(lun)
                    .with_u32(at::TARGET_TRANSFER_TAG, transfer_tag);
                self.put_pdu(header, Carries::Status, &part.bytes);
            }
            Answer::Logout { tag, response } => self.put_logout(tag, response),
            Answer::Reject { reason, header } => {
                let reject = Header::response(response::REJECT, NO_TAG).with_byte(RESPONSE, reason as u8);
                self.put_pdu(reject, Carries::Status, header.bytes());
            }
            Answer::Event(event) => self.put_event(event),
        }
        if self.writer.has_enough() {
            self.flush().await?;
        }
        Ok(())
    }

    fn put_logout(&mut self, tag: u32, response: LogoutResponse) {
        let time_to_wait = self.session.parameters.time_to_wait.as_secs() as u16;
        let header =
            Header::response(response::LOGOUT, tag).with_byte(RESPONSE, response as u8).with_u16(40, time_to_wait);
        self.put_pdu(header, Carries::Status, &[]);
    }

    fn put_event(&mut self, event: Event) {
        const EVENT: usize = 36;
        const TIME_TO_WAIT: usize = 40;
        let header = Header::response(response::ASYNC_MESSAGE, NO_TAG);
        match event {
            Event::Scsi(sense) => {
                let header = header.with_lun(super::target::LUN).with_byte(EVENT, 0);
                self.put_pdu(header, Carries::Status, &sense_segment(&sense));
            }
            Event::Leaving => {
                let time_to_wait = self.session.parameters.time_to_wait.as_secs() as u16;
                let header = header.with_byte(EVENT, 3).with_u16(TIME_TO_WAIT, time_to_wait);
                self.put_pdu(header, Carries::Status, &[]);
            }
        }
    }

    /// Data-In PDUs where there are data, and a response unless the last of them could carry the status.
    fn put_command(&mut self, finished: Finished) {
        let Finished { command, completion, data_out_bytes, bursts, permit } = finished;
        let available = completion.data_in.as_ref().len() as u64;
        let residual = match command.direction {
            Direction::ToInitiator => Residual::of(command.expected_bytes, available),
            _ => Residual::of(command.offered_bytes(), data_out_bytes.max(available)),
        };
        let sent = available.min(command.room_bytes().into()) as usize;
        let mut sequence = DataSequence { tag: command.tag, status: completion.status, residual, data_sn: 0 };
        let carries_status = completion.sense.is_none() && sent > 0;
        if sent > 0 {
            let payload = Payload::new(completion.data_in, permit);
            self.put_data(&mut sequence, payload, sent, carries_status);
        }
        if !carries_status {
            let header = Header::response(response::SCSI_RESPONSE, command.tag)
                .with_byte(1, flag::FINAL | residual.flag())
                .with_byte(3, completion.status as u8)
                .with_u32(EXP_DATA_SN, sequence.data_sn + bursts)
                .with_u32(RESIDUAL, residual.bytes());
            match completion.sense {
                Some(sense) => self.put_pdu(header, Carries::Status, &sense_segment(&sense)),
                None => self.put_pdu(header, Carries::Status, &[]),
            }
        }
    }

    /// Cuts the first `length` bytes of a payload into segments that the initiator takes. A final mark closes each
    /// burst.
    fn put_data(&mut self, sequence: &mut DataSequence, payload: Payload, length: usize, carries_status: bool) {
        let segment_bytes = self.parameters.max_sent_segment_bytes as usize;
        let burst_bytes = self.session.parameters.max_burst_bytes as usize;
        self.writer.own(payload);
        let mut offset = 0;
        while offset < length {
            let burst_end = (offset / burst_bytes + 1) * burst_bytes;
            let end = length.min(offset + segment_bytes).min(burst_end);
            let is_last = end == length;
            let header = sequence.header(offset, is_last || end == burst_end, is_last && carries_status);
            let carries = if is_last && carries_status { Carries::Status } else { Carries::Nothing };
            self.put_header(header, end - offset, carries);
            self.writer.put_part(offset..end);
            self.put_data_end(offset..end);
            offset = end;
        }
    }

    fn put_pdu(&mut self, header: Header, carries: Carries, data: &[u8]) {
        self.put_header(header, data.len(), carries);
        if !data.is_empty() {
            self.writer.put(data);
            self.writer.put(&[0; 3][..padding(data.len())]);
            if self.parameters.digests.data {
                self.writer.put(&digest::of_data(data));
            }
        }
    }

    /// Padding and digest of a part of the payload that was added last.
    fn put_data_end(&mut self, range: std::ops::Range<usize>) {
        self.writer.put(&[0; 3][..padding(range.len())]);
        if self.parameters.digests.data {
            let digest = digest::of_data(&self.writer.last_owned()[range]);
            self.writer.put(&digest);
        }
    }

    fn put_header(&mut self, mut header: Header, data_bytes: usize, carries: Carries) {
        let (expected, largest) = self.session.numbers();
        // Data-In without a status has no StatSN; everything else shows at least the next one.
        if header.opcode() != response::DATA_IN || carries == Carries::Status {
            header.set_u32(at::STAT_SN, self.stat_sn);
        }
        header.set_u32(at::EXP_CMD_SN, expected);
        header.set_u32(at::MAX_CMD_SN, largest);
        header.set_data_bytes(data_bytes);
        if carries == Carries::Status {
            self.stat_sn = self.stat_sn.wrapping_add(1);
        }
        self.writer.put(header.bytes());
        if self.parameters.digests.header {
            self.writer.put(&digest::of_header(header.bytes()));
        }
    }
}

/// The Data-In PDUs of one command.
struct DataSequence {
    tag: u32,
    status: Status,
    residual: Residual,
    data_sn: u32,
}

impl DataSequence {
    fn header(&mut self, offset: usize, ends_burst: bool, carries_status: bool) -> Header {
        const CARRIES_STATUS: u8 = 0x01;
        let mut flags = if ends_burst { flag::FINAL } else { 0 };
        let mut header = Header::response(response::DATA_IN, self.tag)
            .with_u32(at::TARGET_TRANSFER_TAG, NO_TAG)
            .with_u32(at::DATA_SN, self.data_sn)
            .with_u32(at::BUFFER_OFFSET, offset as u32);
        if carries_status {
            flags |= CARRIES_STATUS | self.residual.flag();
            header = header.with_byte(3, self.status as u8).with_u32(RESIDUAL, self.residual.bytes());
        }
        self.data_sn += 1;
        header.with_byte(1, flags)
    }
}

/// Sense data with their length in front (section 11.4.7.2).
fn sense_segment(sense: &Sense) -> Vec<u8> {
    let bytes = sense.encode();
    [&(bytes.len() as u16).to_be_bytes(), bytes.as_slice()].concat()
}
