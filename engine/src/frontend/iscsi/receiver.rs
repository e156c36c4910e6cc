//! The receiving side of a connection in the full feature phase.
//!
//! ```text
//! socket ──► header ──► command ──► its turn (CmdSN) ──► data complete ──► executor
//!                ├────► Data-Out ──► its transfer ─────────────┘
//!                └────► NOP, text, task management, logout ──► their turn ──► answer
//! ```
//! A data segment is read straight into the buffer that goes to the device. What comes ahead of its turn, because what
//! is before it travels on another connection of the session, is kept until then; the window bounds how much.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::io::AsyncRead;
use tokio::sync::{Notify, Semaphore, mpsc, watch};

use super::answer::{Answer, LogoutResponse, TaskManagementResponse};
use super::command_intake::Grant;
use super::command_window::Standing;
use super::discovery;
use super::executor::{Job, MAX_WAITING};
use super::held::Held;
use super::liveness::{Beat, Liveness};
use super::parameters::MAX_RECEIVED_SEGMENT_BYTES;
use super::pdu::{Header, NO_TAG, RejectReason, at, request};
use super::request_data::{RequestData, Room};
use super::session::{Closing, ConnectionHandle, Session, TaskRefused};
use super::target::Target;
use super::task_management;
use super::text::{Gathering, Text, Then, Unsent};
use super::transfer::{Limits, Patience, Transfer};
use super::wire::{Arrival, PduReader, WireError};
use crate::frontend::BlockDevice;
use crate::frontend::in_flight::InFlight;

/// A logout whose connection is to be kept for recovery; the others close a session or a connection.
const REMOVE_FOR_RECOVERY: u8 = 2;
const CLOSE_SESSION: u8 = 0;
/// A write whose initiator was asked for data holds memory, and may hold up others. One that sends none for so many beats
/// of its connection, 60 to 75 s, is cut off, and one that has not sent all after 10 minutes.
const DATA_PATIENCE: Patience = Patience { silent_beats: 4, beats: 40 };

/// PDUs that have arrived together are taken in together; after so many, everything else has its turn.
const MAX_AT_A_STRETCH: u32 = 32;

/// How a connection's requests came to their end.
#[derive(Debug)]
pub(super) enum End {
    /// The initiator hung up.
    HungUp,
    /// It logged out, and is told so when its commands have ended, and those of the connections that leave with it.
    Logout { tag: u32, with: Vec<ConnectionHandle> },
    /// The target wants to end, and has nothing left to receive.
    Leaving,
}

impl End {
    /// Somebody is there to be answered.
    pub(super) fn is_agreed(&self) -> bool {
        !matches!(self, Self::HungUp)
    }
}

/// Why a connection was cut off.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReceiveError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("the initiator has sent nothing for too long and does not answer a ping")]
    Silent,
    #[error("the initiator was asked for the data of a write and takes too long to send them")]
    NoData,
    #[error("the connection was replaced by a newer one of the same initiator, or its session was")]
    Replaced,
    #[error("the initiator broke the protocol: {0}")]
    Protocol(&'static str),
}

impl From<io::Error> for ReceiveError {
    fn from(error: io::Error) -> Self {
        Self::Wire(error.into())
    }
}

/// Where a connection belongs.
pub(super) struct Surroundings<D: BlockDevice> {
    pub(super) target: Arc<Target<D>>,
    pub(super) session: Arc<Session<D>>,
    pub(super) connection_id: u16,
    /// The address that the initiator has connected to.
    pub(super) portal: SocketAddr,
    /// Most bytes of a data segment that the initiator takes.
    pub(super) max_sent_segment_bytes: u32,
}

pub(super) struct Receiver<D: BlockDevice, R> {
    pub(super) to: Surroundings<D>,
    pub(super) reader: PduReader<R>,
    pub(super) in_flight: InFlight,
    pub(super) jobs: mpsc::Sender<Job>,
    answers: mpsc::Sender<Answer>,
    pub(super) limits: Limits,
    /// Commands with data that have not all come, by their tags.
    pub(super) transfers: HashMap<u32, Transfer>,
    pub(super) next_transfer_tag: u32,
    /// Transfers that wait for memory.
    pub(super) grants: FuturesUnordered<BoxFuture<'static, Option<Grant>>>,
    /// What came ahead of its turn, by CmdSN.
    pub(super) held: HashMap<u32, Held>,
    /// The turn of something that is held has come, or something that is kept here was aborted.
    pub(super) concerned: Arc<Notify>,
    text: Gathering,
    /// The rest of an answer to a text request.
    unsent: Unsent,
    room: Room,
    /// Jobs that wait for others to end.
    waiting: Arc<Semaphore>,
    pub(super) stopping: bool,
}

/// What to do after a PDU.
pub(super) enum Next {
    Continue,
    End(End),
}

impl<D: BlockDevice, R: AsyncRead + Unpin> Receiver<D, R> {
    pub(super) fn new(
        to: Surroundings<D>,
        reader: PduReader<R>,
        in_flight: InFlight,
        jobs: mpsc::Sender<Job>,
        answers: mpsc::Sender<Answer>,
    ) -> Self {
        let parameters = &to.session.parameters;
        let limits = Limits {
            initial_r2t: parameters.initial_r2t,
            immediate_data: parameters.immediate_data,
            first_burst_bytes: parameters.first_burst_bytes,
            max_burst_bytes: parameters.max_burst_bytes,
            max_outstanding_r2t: parameters.max_outstanding_r2t,
        };
        Self {
            to,
            reader,
            in_flight,
            jobs,
            answers,
            limits,
            transfers: HashMap::new(),
            next_transfer_tag: 0,
            grants: FuturesUnordered::new(),
            held: HashMap::new(),
            concerned: Arc::new(Notify::new()),
            text: Gathering::default(),
            unsent: Unsent::default(),
            room: Room::new(),
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            stopping: false,
        }
    }

    /// Receives until the connection ends one way or the other. The reader is handed back, to drain what still comes.
    pub(super) async fn run(
        mut self,
        mut closing: watch::Receiver<Closing>,
    ) -> (Result<End, ReceiveError>, PduReader<R>) {
        let end = self.receive(&mut closing).await;
        self.give_up();
        (end, self.reader)
    }

    async fn receive(&mut self, closing: &mut watch::Receiver<Closing>) -> Result<End, ReceiveError> {
        let mut liveness = Liveness::new();
        let mut at_a_stretch = 0;
        loop {
            if self.stopping {
                self.forget_all_aborted();
            }
            if self.stopping && self.transfers.is_empty() && self.held.is_empty() {
                return Ok(End::Leaving);
            }
            if at_a_stretch < MAX_AT_A_STRETCH
                && let Some(header) = self.reader.header_at_hand()?
            {
                at_a_stretch += 1;
                liveness.heard();
                match self.take_in(header).await? {
                    Next::Continue => continue,
                    Next::End(end) => return Ok(end),
                }
            }
            at_a_stretch = 0;
            let next = tokio::select! {
                biased;
                () = changed(closing, self.stopping) => {
                    self.stopping = true;
                    if *closing.borrow() == Closing::AtOnce {
                        return Err(ReceiveError::Replaced);
                    }
                    Next::Continue
                }
                () = self.answers.closed() => return Ok(End::HungUp),
                () = self.concerned.notified() => {
                    self.forget_all_aborted();
                    self.take_up_held().await?
                }
                Some(grant) = self.grants.next(), if !self.grants.is_empty() => {
                    if let Some(grant) = grant {
                        self.granted(grant).await;
                    }
                    Next::Continue
                }
                beat = liveness.beat() => {
                    match beat {
                        Beat::Nothing => {}
                        Beat::Ping => self.answer(Answer::Ping).await,
                        Beat::Dead => return Err(ReceiveError::Silent),
                    }
                    if self.transfers.values_mut().any(|transfer| transfer.is_overdue(DATA_PATIENCE)) {
                        return Err(ReceiveError::NoData);
                    }
                    Next::Continue
                }
                header = self.reader.header() => match header? {
                    None => Next::End(End::HungUp),
                    Some(header) => {
                        liveness.heard();
                        self.take_in(header).await?
                    }
                },
            };
            if let Next::End(end) = next {
                return Ok(end);
            }
        }
    }

    /// Takes in one PDU with its data.
    async fn take_in(&mut self, header: Header) -> Result<Next, ReceiveError> {
        if header.data_bytes() > MAX_RECEIVED_SEGMENT_BYTES as usize {
            self.reject(RejectReason::ProtocolError, header).await;
            return Err(ReceiveError::Protocol("a data segment is longer than this target takes"));
        }
        let is_discovery = self.to.session.nexus.is_none();
        match header.opcode() {
            request::SCSI_COMMAND | request::DATA_OUT | request::TASK_MANAGEMENT if is_discovery => {
                self.reject(RejectReason::ProtocolError, header).await;
                Err(ReceiveError::Protocol("a command in a discovery session"))
            }
            request::SCSI_COMMAND => {
                self.command_arrived(header).await?;
                self.take_up_held().await
            }
            request::DATA_OUT => {
                self.data_arrived(header).await?;
                Ok(Next::Continue)
            }
            request::NOP_OUT | request::TASK_MANAGEMENT | request::TEXT | request::LOGOUT => {
                self.request_arrived(header).await
            }
            request::LOGIN => Err(ReceiveError::Protocol("a login request after the login")),
            other => {
                const SNACK: u8 = 0x10;
                let reason =
                    if other == SNACK { RejectReason::SnackRejected } else { RejectReason::CommandNotSupported };
                let _ = self.reader.skip(header.data_bytes()).await?;
                self.reject(reason, header).await;
                Ok(Next::Continue)
            }
        }
    }

    /// Anything with a task tag that is no SCSI command.
    async fn request_arrived(&mut self, header: Header) -> Result<Next, ReceiveError> {
        let mut data = match self.room.try_take(header.data_bytes()) {
            Some(data) => data,
            // What is held may need what comes behind this request.
            None if !self.held.is_empty() => {
                return Err(ReceiveError::Protocol("requests with a MiB of data came ahead of their turn"));
            }
            None => self.room.take(header.data_bytes()).await,
        };
        if self.reader.data(header.data_bytes(), data.bytes_mut()).await? == Arrival::Corrupt {
            self.reject(RejectReason::DataDigestError, header).await;
            return Ok(Next::Continue);
        }
        if header.is_immediate() {
            return self.act(header, data).await;
        }
        match self.to.session.take_turn(header.cmd_sn()) {
            Standing::Next => match self.act(header, data).await? {
                Next::Continue => self.take_up_held().await,
                end => Ok(end),
            },
            Standing::Ahead => {
                // A copy of what is held already is ignored.
                let _ = self.hold(header.cmd_sn(), Held::Other(header, data));
                self.take_up_held().await
            }
            Standing::Outside => Ok(Next::Continue),
        }
    }

    /// Does what a request asks for whose turn it is.
    pub(super) async fn act(&mut self, header: Header, data: RequestData) -> Result<Next, ReceiveError> {
        let (tag, lun) = (header.initiator_task_tag(), header.lun());
        match header.opcode() {
            // The answer to a ping needs no answer.
            request::NOP_OUT if tag == NO_TAG => {}
            request::NOP_OUT => self.answer(Answer::Echo { tag, lun, data }).await,
            request::TASK_MANAGEMENT => {
                let request = task_management::Request::parse(&header);
                match Arc::clone(&self.waiting).try_acquire_owned() {
                    Ok(waiting) => drop(self.jobs.send(Job::TaskManagement(request, waiting)).await),
                    Err(_) => {
                        self.answer(Answer::TaskManagement { tag, response: TaskManagementResponse::Rejected }).await;
                    }
                }
            }
            request::TEXT => self.text_arrived(header, data.bytes()).await?,
            _ => return Ok(self.logout(header).await),
        }
        Ok(Next::Continue)
    }

    async fn text_arrived(&mut self, header: Header, data: &[u8]) -> Result<(), ReceiveError> {
        let (tag, lun) = (header.initiator_task_tag(), header.lun());
        let asks_for_the_rest = data.is_empty() && header.u32_at(at::TARGET_TRANSFER_TAG) != NO_TAG;
        if !asks_for_the_rest || self.unsent.is_empty() {
            self.text.add(data).map_err(|_| ReceiveError::Protocol("a text request is longer than 64 KiB"))?;
            self.unsent = if header.continues() {
                Unsent::of(&Text::default(), Then::MoreOfTheQuestion)
            } else {
                let question = self.text.take();
                let is_discovery = self.to.session.nexus.is_none();
                let answers = discovery::answer(&question, self.to.target.who(), self.to.portal, is_discovery);
                Unsent::of(&answers, if header.is_final() { Then::End } else { Then::MoreOfTheQuestion })
            };
        }
        let part = self.unsent.next_part(self.to.max_sent_segment_bytes as usize);
        self.answer(Answer::Text { tag, lun, part }).await;
        Ok(())
    }

    async fn logout(&mut self, header: Header) -> Next {
        const CONNECTION_ID: usize = 20;
        let tag = header.initiator_task_tag();
        let session = &self.to.session;
        match header.flags() & 0x7f {
            CLOSE_SESSION => {
                session.close(Closing::Orderly);
                Next::End(End::Logout { tag, with: session.connections() })
            }
            REMOVE_FOR_RECOVERY => {
                self.answer(Answer::Logout { tag, response: LogoutResponse::RecoveryNotSupported }).await;
                Next::Continue
            }
            _ => {
                let id = header.u16_at(CONNECTION_ID);
                if id == self.to.connection_id {
                    return Next::End(End::Logout { tag, with: Vec::new() });
                }
                let Some(other) = session.connection(id) else {
                    self.answer(Answer::Logout { tag, response: LogoutResponse::NoSuchConnection }).await;
                    return Next::Continue;
                };
                other.close(Closing::Orderly);
                match Arc::clone(&self.waiting).try_acquire_owned() {
                    Ok(waiting) => drop(self.jobs.send(Job::Logout { tag, other, waiting }).await),
                    // It has asked for so much already that waits; this it may ask for again.
                    Err(_) => self.reject(RejectReason::TooManyImmediateCommands, header).await,
                }
                Next::Continue
            }
        }
    }

    pub(super) async fn refuse(&mut self, refusal: TaskRefused, header_of: Header) {
        let reason = match refusal {
            TaskRefused::TagInUse => RejectReason::TaskInProgress,
            TaskRefused::TooManyImmediate => RejectReason::TooManyImmediateCommands,
        };
        self.reject(reason, header_of).await;
    }

    pub(super) async fn reject(&mut self, reason: RejectReason, header: Header) {
        tracing::debug!(?reason, opcode = header.opcode(), "iSCSI PDU rejected");
        self.answer(Answer::Reject { reason, header: Box::new(header) }).await;
    }

    /// A sender that is gone is noticed by the loop.
    pub(super) async fn answer(&mut self, answer: Answer) {
        let _ = self.answers.send(answer).await;
    }
}

/// Returns when the connection is to end, or to end faster.
async fn changed(closing: &mut watch::Receiver<Closing>, stopping: bool) {
    let known = if stopping { Closing::Orderly } else { Closing::Not };
    // Its sender lives as long as the connection.
    if closing.wait_for(|closing| *closing > known).await.is_err() {
        std::future::pending::<()>().await;
    }
}
