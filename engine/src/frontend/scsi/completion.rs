//! What a command came to.

use super::sense::Sense;
use crate::disk::AlignedBuf;
use crate::frontend::IoError;

/// Status codes of SAM-5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    Good = 0x00,
    CheckCondition = 0x02,
    Busy = 0x08,
    ReservationConflict = 0x18,
    TaskSetFull = 0x28,
    TaskAborted = 0x40,
}

/// Data for the initiator, already cut to the allocation length of the CDB. It may be longer than the initiator
/// expects (then the transport sends what is expected and reports the rest as residual overflow).
#[derive(Clone, Debug, Default)]
pub enum DataIn {
    #[default]
    Empty,
    /// Parameter data.
    Parameters(Vec<u8>),
    /// Blocks of the volume.
    Blocks(AlignedBuf),
}

impl AsRef<[u8]> for DataIn {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Empty => &[],
            Self::Parameters(bytes) => bytes,
            Self::Blocks(blocks) => blocks,
        }
    }
}

/// The end of a command: exactly one for every command.
#[derive(Clone, Debug)]
pub struct Completion {
    pub status: Status,
    /// With [`Status::CheckCondition`], and only with it.
    pub sense: Option<Sense>,
    pub data_in: DataIn,
}

impl Completion {
    /// GOOD without data.
    #[must_use]
    pub fn good() -> Self {
        Self { status: Status::Good, sense: None, data_in: DataIn::Empty }
    }

    #[must_use]
    pub fn check_condition(sense: Sense) -> Self {
        Self { status: Status::CheckCondition, sense: Some(sense), data_in: DataIn::Empty }
    }

    #[must_use]
    pub(super) fn reservation_conflict() -> Self {
        Self { status: Status::ReservationConflict, sense: None, data_in: DataIn::Empty }
    }

    /// GOOD with parameter data, cut to what the initiator made room for.
    #[must_use]
    pub fn parameters(mut data: Vec<u8>, allocation_length: usize) -> Self {
        data.truncate(allocation_length);
        Self { status: Status::Good, sense: None, data_in: DataIn::Parameters(data) }
    }

    pub(super) fn blocks(data: AlignedBuf) -> Self {
        Self { status: Status::Good, sense: None, data_in: DataIn::Blocks(data) }
    }
}

/// Why a command's module did not carry the command out.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    Check(Sense),
    ReservationConflict,
}

impl From<Sense> for Failure {
    fn from(sense: Sense) -> Self {
        Self::Check(sense)
    }
}

impl From<Failure> for Completion {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Check(sense) => Self::check_condition(sense),
            Failure::ReservationConflict => Self::reservation_conflict(),
        }
    }
}

impl Failure {
    pub(super) fn of_read(error: &IoError) -> Self {
        Self::Check(Sense::of_read_error(error))
    }

    pub(super) fn of_write(error: &IoError) -> Self {
        Self::Check(Sense::of_write_error(error))
    }
}

/// What the modules of the commands return.
pub(super) type Outcome = Result<Completion, Failure>;
