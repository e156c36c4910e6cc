//! The login phase of a connection (RFC 7143, section 6.3): who is it, may it, and what do both agree on.
//!
//! [`negotiate`] goes through [`security`] and the operational [`keys`] until the initiator asks for the full feature
//! phase. Whether the session can be made is the caller's to decide; [`Ready::accept`] or [`Ready::refuse`] then sends
//! the last answer.

pub(super) mod keys;
pub(super) mod security;

use std::io;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use self::keys::Agreement;
use self::security::{Chap, Security, is_security_key};
use super::pdu::{Header, at, flag, padding, request, response};
use super::text::{self, Gathering, Text};
use super::wire::{PduReader, WireError};
use crate::frontend::scsi::InitiatorPort;

/// Most bytes of text in one login PDU: what both sides take before they have said anything.
const MAX_SEGMENT_BYTES: usize = 8192;
/// iSCSI names are at most this long (section 4.2.7.1).
const MAX_NAME_BYTES: usize = 223;
/// A login takes three or four requests.
const MAX_REQUESTS: usize = 64;
/// Where fields of login PDUs lie.
const ISID: usize = 8;
const TSIH: usize = 14;
const CONNECTION_ID: usize = 20;
const STATUS: usize = 36;
/// Number of the first response of a connection.
const FIRST_STAT_SN: u32 = 1;

/// Status class and detail (section 11.13.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum LoginStatus {
    InitiatorError = 0x0200,
    AuthenticationFailure = 0x0201,
    NotFound = 0x0203,
    UnsupportedVersion = 0x0205,
    TooManyConnections = 0x0206,
    MissingParameter = 0x0207,
    SessionTypeNotSupported = 0x0209,
    SessionDoesNotExist = 0x020a,
    InvalidDuringLogin = 0x020b,
    /// The initiator may try again later.
    ServiceUnavailable = 0x0301,
    OutOfResources = 0x0302,
}

/// Why a login came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoginError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("the initiator hung up during its login")]
    HungUp,
    #[error("login refused: {reason} (status {:#06x})", *status as u16)]
    Refused { status: LoginStatus, reason: String },
}

impl From<io::Error> for LoginError {
    fn from(error: io::Error) -> Self {
        Self::Wire(error.into())
    }
}

fn refused(status: LoginStatus, reason: impl Into<String>) -> LoginError {
    LoginError::Refused { status, reason: reason.into() }
}

/// What a login is checked against.
#[derive(Clone, Debug)]
pub(super) struct Identification {
    /// iSCSI name of the target.
    pub(super) target_name: String,
    /// For people.
    pub(super) alias: String,
    pub(super) portal_group_tag: u16,
    pub(super) chap: Option<Chap>,
}

/// An initiator that has proved who it is and wants to begin.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) initiator: InitiatorPort,
    /// Handle of the session that the connection is to be added to; 0 for a new one.
    pub(super) session_handle: u16,
    pub(super) connection_id: u16,
    /// Number of the first command.
    pub(super) cmd_sn: u32,
    pub(super) agreement: Agreement,
    last: Answer,
}

/// An answer without what the session adds.
#[derive(Debug)]
struct Answer {
    header: Header,
    text: Text,
}

/// The stages by their numbers on the wire.
const SECURITY: u8 = 0;
const OPERATIONAL: u8 = 1;
const FULL_FEATURE: u8 = 3;

/// Goes through the login up to its last answer. A refusal has been sent when this returns one.
pub(super) async fn negotiate<R, W>(
    reader: &mut PduReader<R>,
    writer: &mut W,
    who: &Identification,
) -> Result<Ready, LoginError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut progress = Progress { latest: Header::response(response::LOGIN, 0), stat_sn: FIRST_STAT_SN };
    let outcome = talk(reader, writer, &mut progress, who).await;
    if let Err(LoginError::Refused { status, .. }) = &outcome {
        let refusal = progress.answer().with_byte(1, 0).with_u16(STATUS, *status as u16);
        send(writer, refusal, &Text::default()).await?;
    }
    outcome
}

/// How far a login is, so that whatever is wrong has one answer.
struct Progress {
    /// The request that came last.
    latest: Header,
    /// Number of the next answer.
    stat_sn: u32,
}

impl Progress {
    /// The start of the answer to the latest request.
    fn answer(&self) -> Header {
        answer_to(&self.latest, self.stat_sn)
    }
}

async fn talk<R, W>(
    reader: &mut PduReader<R>,
    writer: &mut W,
    progress: &mut Progress,
    who: &Identification,
) -> Result<Ready, LoginError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut request = Request::read(reader, writer, progress).await?;
    let mut dialog = Dialog::new(request.header, who);
    for _ in 0..MAX_REQUESTS {
        let answer = dialog.answer(&request, progress)?;
        if answer.text.bytes().len() > MAX_SEGMENT_BYTES {
            return Err(refused(LoginStatus::InitiatorError, "the answer to so many keys does not fit into one PDU"));
        }
        progress.stat_sn = progress.stat_sn.wrapping_add(1);
        if dialog.stage == FULL_FEATURE {
            return dialog.ready(&request.header, answer);
        }
        send(writer, answer.header, &answer.text).await?;
        request = Request::read(reader, writer, progress).await?;
    }
    Err(refused(LoginStatus::InitiatorError, format!("no end after {MAX_REQUESTS} requests")))
}

impl Ready {
    /// Sends the last answer; `numbers` are ExpCmdSN and MaxCmdSN of the session. Returns the next StatSN.
    pub(super) async fn accept<W: AsyncWrite + Unpin>(
        &self,
        writer: &mut W,
        session_handle: u16,
        numbers: (u32, u32),
    ) -> io::Result<u32> {
        let header = self
            .last
            .header
            .with_u16(TSIH, session_handle)
            .with_u32(at::EXP_CMD_SN, numbers.0)
            .with_u32(at::MAX_CMD_SN, numbers.1);
        send(writer, header, &self.last.text).await?;
        Ok(header.u32_at(at::STAT_SN).wrapping_add(1))
    }

    pub(super) async fn refuse<W: AsyncWrite + Unpin>(&self, writer: &mut W, status: LoginStatus) -> io::Result<()> {
        let header = self.last.header.with_byte(1, 0).with_u16(STATUS, status as u16);
        send(writer, header, &Text::default()).await
    }
}

async fn send<W: AsyncWrite + Unpin>(writer: &mut W, mut header: Header, text: &Text) -> io::Result<()> {
    header.set_data_bytes(text.bytes().len());
    let padding = &[0; 3][..padding(text.bytes().len())];
    writer.write_all(&[header.bytes(), text.bytes(), padding].concat()).await
}

/// A login request with all its text.
struct Request {
    header: Header,
    text: Vec<u8>,
}

impl Request {
    /// Reads PDUs until one says that its text is complete.
    async fn read<R, W>(reader: &mut PduReader<R>, writer: &mut W, progress: &mut Progress) -> Result<Self, LoginError>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut text = Gathering::default();
        loop {
            let header = reader.header().await?.ok_or(LoginError::HungUp)?;
            progress.latest = header;
            let length = header.data_bytes();
            if header.opcode() != request::LOGIN || length > MAX_SEGMENT_BYTES {
                let reason = "the initiator sent something else than a login request of at most 8 KiB";
                return Err(refused(LoginStatus::InvalidDuringLogin, reason));
            }
            let mut segment = vec![0; length];
            // There are no digests before the login is done.
            let _ = reader.data(length, &mut segment).await?;
            text.add(&segment).map_err(|error| refused(LoginStatus::InitiatorError, error.to_string()))?;
            if !header.continues() {
                return Ok(Self { header, text: text.take() });
            }
            let go_on = progress.answer().with_byte(1, header.flags() & 0x0c);
            progress.stat_sn = progress.stat_sn.wrapping_add(1);
            send(writer, go_on, &Text::default()).await?;
        }
    }
}

fn answer_to(request: &Header, stat_sn: u32) -> Header {
    let mut header = Header::response(response::LOGIN, request.initiator_task_tag())
        .with_u16(TSIH, request.u16_at(TSIH))
        .with_u32(at::STAT_SN, stat_sn)
        .with_u32(at::EXP_CMD_SN, request.cmd_sn())
        .with_u32(at::MAX_CMD_SN, request.cmd_sn());
    for (index, byte) in request.array::<6>(ISID).into_iter().enumerate() {
        header = header.with_byte(ISID + index, byte);
    }
    header
}

struct Dialog<'a> {
    who: &'a Identification,
    first: Header,
    stage: u8,
    security: Security<'a>,
    agreement: Agreement,
    initiator: Option<InitiatorPort>,
}

impl<'a> Dialog<'a> {
    fn new(first: Header, who: &'a Identification) -> Self {
        Self {
            who,
            first,
            stage: first.flags() >> 2 & 3,
            security: Security::new(who.chap.as_ref()),
            agreement: Agreement::default(),
            initiator: None,
        }
    }

    fn ready(&mut self, last: &Header, answer: Answer) -> Result<Ready, LoginError> {
        self.agreement.settle();
        let initiator = self.initiator.take().ok_or_else(|| refused(LoginStatus::MissingParameter, "no name"))?;
        Ok(Ready {
            initiator,
            session_handle: self.first.u16_at(TSIH),
            connection_id: self.first.u16_at(CONNECTION_ID),
            cmd_sn: last.cmd_sn(),
            agreement: std::mem::take(&mut self.agreement),
            last: answer,
        })
    }

    /// Takes one request, and moves to the stage that it leads to.
    fn answer(&mut self, request: &Request, progress: &Progress) -> Result<Answer, LoginError> {
        self.check(&request.header)?;
        let pairs =
            text::parse(&request.text).map_err(|error| refused(LoginStatus::InitiatorError, error.to_string()))?;
        let mut answers = Text::default();
        if self.initiator.is_none() {
            self.identify(&pairs, &mut answers)?;
        }
        if self.stage == SECURITY {
            self.security
                .step(&pairs, &mut answers)
                .map_err(|status| refused(status, "authentication failed, or the initiator does not offer CHAP"))?;
        } else if !self.security.is_passed() {
            return Err(refused(
                LoginStatus::AuthenticationFailure,
                "the initiator skipped the authentication by CHAP",
            ));
        }
        for (key, value) in pairs.into_iter().filter(|(key, _)| !is_security_key(key)) {
            self.agreement
                .negotiate(key, value, &mut answers)
                .map_err(|error| refused(LoginStatus::InitiatorError, error.to_string()))?;
        }
        if self.stage == OPERATIONAL {
            self.agreement.declare(&mut answers);
        }
        let header = self.transit(&request.header, progress)?;
        Ok(Answer { header, text: answers })
    }

    /// Every request of a login speaks of the same connection, in the stage that the last answer left it in.
    fn check(&self, header: &Header) -> Result<(), LoginError> {
        if header.byte(3) != 0 {
            return Err(refused(LoginStatus::UnsupportedVersion, "only version 0 of the protocol is known here"));
        }
        let ids = |header: &Header| (header.array::<6>(ISID), header.u16_at(TSIH), header.u16_at(CONNECTION_ID));
        let stage = header.flags() >> 2 & 3;
        if stage != self.stage || !matches!(stage, SECURITY | OPERATIONAL) || ids(header) != ids(&self.first) {
            return Err(refused(LoginStatus::InitiatorError, "a login request does not fit the one before it"));
        }
        Ok(())
    }

    /// The names in the first request.
    fn identify(&mut self, pairs: &[(&str, &str)], answers: &mut Text) -> Result<(), LoginError> {
        let value = |wanted: &str| pairs.iter().find(|(key, _)| *key == wanted).map(|(_, value)| *value);
        let missing = |what: &str| refused(LoginStatus::MissingParameter, format!("the first request lacks {what}"));
        let name = value("InitiatorName").filter(|name| !name.is_empty()).ok_or_else(|| missing("InitiatorName"))?;
        if name.len() > MAX_NAME_BYTES {
            return Err(refused(LoginStatus::InitiatorError, "the initiator's name is longer than 223 bytes"));
        }
        match value("SessionType") {
            None | Some("Normal") => {
                let target = value("TargetName").ok_or_else(|| missing("TargetName"))?;
                if !target.eq_ignore_ascii_case(&self.who.target_name) {
                    return Err(refused(LoginStatus::NotFound, format!("there is no target {target:?} here")));
                }
                answers.put("TargetAlias", &self.who.alias);
                answers.put("TargetPortalGroupTag", &self.who.portal_group_tag.to_string());
            }
            Some("Discovery") => self.agreement.is_discovery = true,
            Some(_) => return Err(refused(LoginStatus::SessionTypeNotSupported, "an unknown type of session")),
        }
        self.initiator = Some(InitiatorPort { name: name.to_owned(), isid: self.first.array(ISID) });
        Ok(())
    }

    /// The header of the answer, with the transition that was asked for if nothing stands against it.
    fn transit(&mut self, header: &Header, progress: &Progress) -> Result<Header, LoginError> {
        let answer = progress.answer();
        let current = self.stage << 2;
        if !header.is_final() || !self.security.is_passed() {
            return Ok(answer.with_byte(1, current));
        }
        let next = header.flags() & 3;
        if next <= self.stage || !matches!(next, OPERATIONAL | FULL_FEATURE) {
            return Err(refused(LoginStatus::InitiatorError, "the initiator asks for a stage that does not follow"));
        }
        self.stage = next;
        Ok(answer.with_byte(1, flag::FINAL | current | next))
    }
}
