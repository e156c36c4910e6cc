//! Sense data: why a command ended with CHECK CONDITION.

use crate::frontend::{IoError, IoErrorKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SenseKey {
    NoSense = 0x0,
    NotReady = 0x2,
    MediumError = 0x3,
    HardwareError = 0x4,
    IllegalRequest = 0x5,
    UnitAttention = 0x6,
    DataProtect = 0x7,
    CopyAborted = 0xa,
    AbortedCommand = 0xb,
    Miscompare = 0xe,
}

/// Additional sense code and its qualifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdditionalSense(pub u8, pub u8);

impl AdditionalSense {
    pub const NONE: Self = Self(0x00, 0x00);
    pub const LOGICAL_UNIT_NOT_READY: Self = Self(0x04, 0x03);
    pub const UNREACHABLE_COPY_TARGET: Self = Self(0x08, 0x04);
    pub const WRITE_ERROR: Self = Self(0x0c, 0x00);
    pub const INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT: Self = Self(0x0e, 0x03);
    pub const UNRECOVERED_READ_ERROR: Self = Self(0x11, 0x00);
    pub const PARAMETER_LIST_LENGTH_ERROR: Self = Self(0x1a, 0x00);
    pub const MISCOMPARE_DURING_VERIFY: Self = Self(0x1d, 0x00);
    pub const INVALID_COMMAND_OPERATION_CODE: Self = Self(0x20, 0x00);
    pub const LBA_OUT_OF_RANGE: Self = Self(0x21, 0x00);
    pub const INVALID_FIELD_IN_CDB: Self = Self(0x24, 0x00);
    pub const LOGICAL_UNIT_NOT_SUPPORTED: Self = Self(0x25, 0x00);
    pub const INVALID_FIELD_IN_PARAMETER_LIST: Self = Self(0x26, 0x00);
    pub const INVALID_RELEASE_OF_PERSISTENT_RESERVATION: Self = Self(0x26, 0x04);
    pub const TOO_MANY_TARGET_DESCRIPTORS: Self = Self(0x26, 0x06);
    pub const UNSUPPORTED_TARGET_DESCRIPTOR_TYPE_CODE: Self = Self(0x26, 0x07);
    pub const TOO_MANY_SEGMENT_DESCRIPTORS: Self = Self(0x26, 0x08);
    pub const UNSUPPORTED_SEGMENT_DESCRIPTOR_TYPE_CODE: Self = Self(0x26, 0x09);
    pub const WRITE_PROTECTED: Self = Self(0x27, 0x00);
    pub const SOFTWARE_WRITE_PROTECTED: Self = Self(0x27, 0x02);
    pub const SPACE_ALLOCATION_FAILED_WRITE_PROTECT: Self = Self(0x27, 0x07);
    pub const POWER_ON_OR_RESET: Self = Self(0x29, 0x00);
    pub const BUS_DEVICE_RESET_FUNCTION_OCCURRED: Self = Self(0x29, 0x03);
    pub const MODE_PARAMETERS_CHANGED: Self = Self(0x2a, 0x01);
    pub const RESERVATIONS_PREEMPTED: Self = Self(0x2a, 0x03);
    pub const RESERVATIONS_RELEASED: Self = Self(0x2a, 0x04);
    pub const REGISTRATIONS_PREEMPTED: Self = Self(0x2a, 0x05);
    pub const CAPACITY_DATA_HAS_CHANGED: Self = Self(0x2a, 0x09);
    pub const COMMANDS_CLEARED_BY_ANOTHER_INITIATOR: Self = Self(0x2f, 0x00);
    pub const SAVING_PARAMETERS_NOT_SUPPORTED: Self = Self(0x39, 0x00);
    pub const INTERNAL_TARGET_FAILURE: Self = Self(0x44, 0x00);
    pub const DATA_PHASE_ERROR: Self = Self(0x4b, 0x00);
    pub const INSUFFICIENT_REGISTRATION_RESOURCES: Self = Self(0x55, 0x04);
}

/// Where in the CDB or in the parameter list the fault lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FieldPointer {
    Cdb { byte: u16, bit: Option<u8> },
    Parameters { byte: u16 },
}

/// Sense data. It is always sent in the fixed format: nothing here needs a descriptor, and the control mode page says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sense {
    pub key: SenseKey,
    pub code: AdditionalSense,
    information: Option<u32>,
    field: Option<FieldPointer>,
}

/// Bytes of sense data in the fixed format.
pub const SENSE_BYTES: usize = 18;

impl Sense {
    #[must_use]
    pub fn new(key: SenseKey, code: AdditionalSense) -> Self {
        Self { key, code, information: None, field: None }
    }

    #[must_use]
    pub fn illegal(code: AdditionalSense) -> Self {
        Self::new(SenseKey::IllegalRequest, code)
    }

    pub(super) fn unit_attention(code: AdditionalSense) -> Self {
        Self::new(SenseKey::UnitAttention, code)
    }

    /// INVALID FIELD IN CDB, with a pointer to the byte.
    pub(super) fn invalid_cdb_byte(byte: u16) -> Self {
        let field = Some(FieldPointer::Cdb { byte, bit: None });
        Self { field, ..Self::illegal(AdditionalSense::INVALID_FIELD_IN_CDB) }
    }

    /// INVALID FIELD IN CDB, with a pointer to the most significant bit of the field.
    pub(super) fn invalid_cdb_bit(byte: u16, bit: u8) -> Self {
        let field = Some(FieldPointer::Cdb { byte, bit: Some(bit) });
        Self { field, ..Self::illegal(AdditionalSense::INVALID_FIELD_IN_CDB) }
    }

    /// INVALID FIELD IN PARAMETER LIST, with a pointer to the byte.
    pub(super) fn invalid_parameter(byte: u16) -> Self {
        let field = Some(FieldPointer::Parameters { byte });
        Self { field, ..Self::illegal(AdditionalSense::INVALID_FIELD_IN_PARAMETER_LIST) }
    }

    pub(super) fn out_of_range() -> Self {
        Self::illegal(AdditionalSense::LBA_OUT_OF_RANGE)
    }

    /// The data differ from byte `offset` of the data-out buffer on.
    pub(super) fn miscompare(offset: u32) -> Self {
        Self { information: Some(offset), ..Self::new(SenseKey::Miscompare, AdditionalSense::MISCOMPARE_DURING_VERIFY) }
    }

    pub(super) fn of_read_error(error: &IoError) -> Self {
        match error.kind {
            IoErrorKind::Io | IoErrorKind::NoSpace => {
                Self::new(SenseKey::MediumError, AdditionalSense::UNRECOVERED_READ_ERROR)
            }
            other => Self::of_state(other),
        }
    }

    pub(super) fn of_write_error(error: &IoError) -> Self {
        match error.kind {
            IoErrorKind::Io => Self::new(SenseKey::MediumError, AdditionalSense::WRITE_ERROR),
            IoErrorKind::NoSpace => {
                Self::new(SenseKey::DataProtect, AdditionalSense::SPACE_ALLOCATION_FAILED_WRITE_PROTECT)
            }
            other => Self::of_state(other),
        }
    }

    /// Errors that do not depend on the direction. A fenced engine must not be asked again: hosts retry ABORTED
    /// COMMAND, but fail the path on a hardware error.
    fn of_state(kind: IoErrorKind) -> Self {
        match kind {
            IoErrorKind::OutOfRange => Self::out_of_range(),
            IoErrorKind::Shutdown => Self::new(SenseKey::NotReady, AdditionalSense::LOGICAL_UNIT_NOT_READY),
            IoErrorKind::Fenced | IoErrorKind::Io | IoErrorKind::NoSpace => {
                Self::new(SenseKey::HardwareError, AdditionalSense::INTERNAL_TARGET_FAILURE)
            }
        }
    }

    /// The bytes, fixed format:
    ///
    /// | bytes | what |
    /// |---|---|
    /// | 0 | valid (information is set), response code 70h |
    /// | 2 | sense key |
    /// | 3–6 | information |
    /// | 7 | additional length 10 |
    /// | 12, 13 | additional sense code, qualifier |
    /// | 15–17 | for ILLEGAL REQUEST: SKSV, C/D, BPV, bit pointer; field pointer |
    #[must_use]
    pub fn encode(&self) -> [u8; SENSE_BYTES] {
        let mut bytes = [0; SENSE_BYTES];
        bytes[0] = 0x70;
        if let Some(information) = self.information {
            bytes[0] |= 0x80;
            bytes[3..7].copy_from_slice(&information.to_be_bytes());
        }
        bytes[2] = self.key as u8;
        bytes[7] = SENSE_BYTES as u8 - 8;
        bytes[12] = self.code.0;
        bytes[13] = self.code.1;
        let (flags, pointer) = match self.field {
            None => return bytes,
            Some(FieldPointer::Cdb { byte, bit: None }) => (0xc0, byte),
            Some(FieldPointer::Cdb { byte, bit: Some(bit) }) => (0xc8 | bit, byte),
            Some(FieldPointer::Parameters { byte }) => (0x80, byte),
        };
        bytes[15] = flags;
        bytes[16..18].copy_from_slice(&pointer.to_be_bytes());
        bytes
    }
}
