//! What hosts are told when the volume can't serve them.

use std::sync::Arc;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::scsi::{AdditionalSense, SenseKey};
use aurochs_engine::frontend::{BlockDevice, Durability, IoError, IoErrorKind};

use crate::initiator::{blocks_of, read_16, refused, session, sixteen, unit, write_16};

/// A device on which everything fails in the same way.
struct Failing(IoErrorKind);

impl Failing {
    fn error(&self) -> IoError {
        IoError::new(self.0, "this device always fails")
    }
}

impl BlockDevice for Failing {
    fn size(&self) -> u64 {
        1 << 20
    }
    async fn read(&self, _: u64, _: u32) -> Result<AlignedBuf, IoError> {
        Err(self.error())
    }
    async fn write(&self, _: u64, _: AlignedBuf, _: Durability) -> Result<(), IoError> {
        Err(self.error())
    }
    async fn flush(&self) -> Result<(), IoError> {
        Err(self.error())
    }
    async fn discard(&self, _: u64, _: u64) -> Result<(), IoError> {
        Err(self.error())
    }
    async fn write_zeroes(&self, _: u64, _: u64, _: bool, _: Durability) -> Result<(), IoError> {
        Err(self.error())
    }
}

#[tokio::test]
async fn each_kind_of_failure_has_its_sense() {
    use AdditionalSense as A;
    use SenseKey::{DataProtect, HardwareError, MediumError, NotReady};
    // Kind; what a read and what a write ends with.
    let table = [
        (IoErrorKind::Io, (MediumError, A::UNRECOVERED_READ_ERROR), (MediumError, A::WRITE_ERROR)),
        (
            IoErrorKind::NoSpace,
            (MediumError, A::UNRECOVERED_READ_ERROR),
            (DataProtect, A::SPACE_ALLOCATION_FAILED_WRITE_PROTECT),
        ),
        (IoErrorKind::Shutdown, (NotReady, A::LOGICAL_UNIT_NOT_READY), (NotReady, A::LOGICAL_UNIT_NOT_READY)),
        (IoErrorKind::Fenced, (HardwareError, A::INTERNAL_TARGET_FAILURE), (HardwareError, A::INTERNAL_TARGET_FAILURE)),
    ];
    for (kind, of_read, of_write) in table {
        let host = session(&unit(Arc::new(Failing(kind))), 1).await;
        assert_eq!(refused(&host, &read_16(0, 1), &[]).await, of_read, "{kind:?}");
        // COMPARE AND WRITE reads first.
        assert_eq!(refused(&host, &sixteen(0x89, 0, 0, 1), &blocks_of(0, 2)).await, of_read, "{kind:?}");
        let writes = [write_16(0, 1), sixteen(0x93, 0, 0, 1), sixteen(0x93, 0x08, 0, 1), sixteen(0x91, 0, 0, 0)];
        for write in writes {
            assert_eq!(refused(&host, &write, &blocks_of(1, 1)).await, of_write, "{kind:?} {:#x}", write[0]);
        }
    }
}
