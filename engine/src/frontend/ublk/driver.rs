//! What is asked of the driver (`linux/ublk_cmd.h`). Calls block.

use std::io;

use nix::errno::Errno;

use super::error::no_driver;
use super::layout::{ANY_ID, DeviceInfo, Features, Parameters, SECTOR_BYTES};
use crate::frontend::block_error::BlockError;
use crate::sys::ublk_control::{Command, Control};

/// `_IOR('u', …, struct ublksrv_ctrl_cmd)` and `_IOWR` of the same.
mod operation {
    const fn reads(number: u32) -> u32 {
        nix::request_code_read!(b'u', number, 32) as u32
    }

    const fn changes(number: u32) -> u32 {
        nix::request_code_readwrite!(b'u', number, 32) as u32
    }

    pub(super) const GET_INFO: u32 = reads(0x02);
    pub(super) const ADD: u32 = changes(0x04);
    pub(super) const DELETE: u32 = changes(0x05);
    pub(super) const START: u32 = changes(0x06);
    pub(super) const STOP: u32 = changes(0x07);
    pub(super) const SET_PARAMETERS: u32 = changes(0x08);
    pub(super) const START_RECOVERY: u32 = changes(0x10);
    pub(super) const END_RECOVERY: u32 = changes(0x11);
    pub(super) const GET_FEATURES: u32 = reads(0x13);
    /// Does not wait until the last user has closed the device (Linux 6.9).
    pub(super) const DELETE_LATER: u32 = reads(0x14);
    /// Linux 6.16.
    pub(super) const RESIZE: u32 = changes(0x15);
}

/// What this frontend can't do without.
const NEEDED: Features =
    Features::RECOVERY.and(Features::REISSUE).and(Features::IOCTL_NUMBERS).and(Features::USER_COPY);

/// What drivers say to a command that they do not know, or that should be about a device: `EOPNOTSUPP`, and the kernel's own
/// `ENOTSUPP`.
const UNKNOWN_COMMAND: [i32; 5] =
    [Errno::EOPNOTSUPP as i32, 524, Errno::ENODEV as i32, Errno::EINVAL as i32, Errno::ENOTTY as i32];

pub(super) struct Driver {
    control: Control,
    features: Features,
}

impl Driver {
    /// # Errors
    /// When there is no driver, or one that lacks what is needed.
    pub(super) fn find() -> Result<Self, BlockError> {
        let mut control = Control::open().map_err(no_driver)?;
        let command = Command { operation: operation::GET_FEATURES, device: ANY_ID, argument: 0 };
        let answer = control.run(command, Box::new([0; 8]));
        let features = answer.map_err(|error| match error.raw_os_error() {
            Some(code) if UNKNOWN_COMMAND.contains(&code) => {
                BlockError::TooOld { missing: "it does not say what it can do (Linux 6.5)" }
            }
            _ => no_driver(error),
        })?;
        let features = Features(u64::from_ne_bytes(features.as_ref().try_into().unwrap_or_default()));
        if !features.has(NEEDED) {
            return Err(BlockError::TooOld { missing: "it lacks recovery or copies by its server (Linux 6.5)" });
        }
        Ok(Self { control, features })
    }

    pub(super) fn can_resize(&self) -> bool {
        self.features.has(Features::RESIZE)
    }

    /// `device` with what the driver made of it: an id, the features and queues that it has.
    pub(super) fn add(&mut self, device: &DeviceInfo) -> io::Result<DeviceInfo> {
        let features = if self.can_resize() { NEEDED.and(Features::RESIZE) } else { NEEDED };
        let wanted = DeviceInfo { features, ..*device };
        let info = self.run(operation::ADD, wanted.id, 0, &wanted.encode())?;
        DeviceInfo::decode(&info).ok_or_else(short)
    }

    pub(super) fn info(&mut self, id: u32) -> io::Result<DeviceInfo> {
        let info = self.run(operation::GET_INFO, id, 0, &[0; DeviceInfo::BYTES])?;
        DeviceInfo::decode(&info).ok_or_else(short)
    }

    pub(super) fn set_parameters(&mut self, id: u32, parameters: &Parameters) -> io::Result<()> {
        self.run(operation::SET_PARAMETERS, id, 0, &parameters.encode()).map(drop)
    }

    /// Makes the block device, and waits for the first reads of it (partition tables): its queues have to be served.
    pub(super) fn start(&mut self, id: u32) -> io::Result<()> {
        self.run(operation::START, id, std::process::id().into(), &[]).map(drop)
    }

    /// Takes the block device away, whoever uses it: waits for the answers to what is in flight, fails the rest, and
    /// lets its queues end.
    pub(super) fn stop(&mut self, id: u32) -> io::Result<()> {
        self.run(operation::STOP, id, 0, &[]).map(drop)
    }

    /// Gives the id back, as soon as nobody has the device open any more.
    pub(super) fn delete(&mut self, id: u32) -> io::Result<()> {
        match self.run(operation::DELETE_LATER, id, 0, &[]) {
            Err(error) if error.raw_os_error() == Some(Errno::EOPNOTSUPP as i32) => {
                self.run(operation::DELETE, id, 0, &[]).map(drop)
            }
            other => other.map(drop),
        }
    }

    /// `EBUSY`: the process that served it is not quite gone.
    pub(super) fn start_recovery(&mut self, id: u32) -> io::Result<()> {
        self.run(operation::START_RECOVERY, id, 0, &[]).map(drop)
    }

    /// Lets requests go on. Waits until all queues are served.
    pub(super) fn end_recovery(&mut self, id: u32) -> io::Result<()> {
        self.run(operation::END_RECOVERY, id, std::process::id().into(), &[]).map(drop)
    }

    pub(super) fn resize(&mut self, id: u32, size_bytes: u64) -> io::Result<()> {
        self.run(operation::RESIZE, id, size_bytes / SECTOR_BYTES, &[]).map(drop)
    }

    fn run(&mut self, operation: u32, device: u32, argument: u64, buffer: &[u8]) -> io::Result<Box<[u8]>> {
        self.control.run(Command { operation, device, argument }, buffer.into())
    }
}

fn short() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the driver's description of the device is too short")
}

#[cfg(test)]
mod tests {
    use super::operation::{ADD, GET_FEATURES, GET_INFO, RESIZE, STOP};

    #[test]
    fn operations_have_the_numbers_of_the_kernels_header() {
        let numbers = [GET_INFO, ADD, STOP, GET_FEATURES, RESIZE];
        assert_eq!(numbers, [0x8020_7502, 0xc020_7504, 0xc020_7507, 0x8020_7513, 0xc020_7515]);
    }
}
