//! Commands to the kernel's userspace block driver (`/dev/ublk-control`, `linux/ublk_cmd.h`), one at a time.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use io_uring::{IoUring, opcode, squeue, types};

/// One command is in flight at a time.
const ENTRIES: u32 = 2;
/// Commands of this module are about a device, never about one of its queues.
const NO_QUEUE: u16 = u16::MAX;

/// A command, without its buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Command {
    /// Encoded as the number of an ioctl with a `struct ublksrv_ctrl_cmd`.
    pub(crate) operation: u32,
    pub(crate) device: u32,
    /// What it means depends on the operation.
    pub(crate) argument: u64,
}

impl Command {
    /// `struct ublksrv_ctrl_cmd`:
    ///
    /// | bytes | |
    /// |---|---|
    /// | 0..4 | device |
    /// | 4..6 | queue |
    /// | 6..8 | length of the buffer |
    /// | 8..16 | address of the buffer |
    /// | 16..24 | argument |
    /// | 24..32 | zero |
    fn encode(self, address: u64, length: u16) -> [u8; 80] {
        let mut bytes = [0; 80];
        bytes[0..4].copy_from_slice(&self.device.to_ne_bytes());
        bytes[4..6].copy_from_slice(&NO_QUEUE.to_ne_bytes());
        bytes[6..8].copy_from_slice(&length.to_ne_bytes());
        bytes[8..16].copy_from_slice(&address.to_ne_bytes());
        bytes[16..24].copy_from_slice(&self.argument.to_ne_bytes());
        bytes
    }
}

/// The driver's end of the conversation.
pub(crate) struct Control {
    file: File,
    /// The driver takes commands through a ring with large entries, and in no other way.
    ring: IoUring<squeue::Entry128>,
    last: u64,
}

impl Control {
    /// # Errors
    /// `ENOENT`: the driver is not loaded. `ENOSYS`, `EPERM`: there is no io_uring for this process.
    pub(crate) fn open() -> io::Result<Self> {
        let file = File::options().read(true).write(true).open("/dev/ublk-control")?;
        let ring = IoUring::<squeue::Entry128>::builder().build(ENTRIES)?;
        Ok(Self { file, ring, last: 0 })
    }

    /// Carries `command` out and returns `buffer` as the driver leaves it. Blocks for as long as the driver takes.
    pub(crate) fn run(&mut self, command: Command, mut buffer: Box<[u8]>) -> io::Result<Box<[u8]>> {
        let length = u16::try_from(buffer.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let address = if buffer.is_empty() { 0 } else { buffer.as_mut_ptr().expose_provenance() as u64 };
        self.last += 1;
        let entry = opcode::UringCmd80::new(types::Fd(self.file.as_raw_fd()), command.operation)
            .cmd(command.encode(address, length))
            .build()
            .user_data(self.last);
        // SAFETY: the descriptor is open as long as `self`. The driver reads and writes `length` bytes at `address` until
        // it has answered: they are `buffer`'s, whose memory does not move, which nothing else touches meanwhile, and
        // which is leaked below where the answer can't be waited for.
        unsafe { self.ring.submission().push(&entry) }.map_err(|_| io::ErrorKind::ResourceBusy)?;
        match self.answer() {
            Ok(result) if result < 0 => Err(io::Error::from_raw_os_error(-result)),
            Ok(_) => Ok(buffer),
            Err(error) => {
                std::mem::forget(buffer);
                Err(error)
            }
        }
    }

    /// Waits for the answer to the last command.
    fn answer(&mut self) -> io::Result<i32> {
        loop {
            match self.ring.submit_and_wait(1) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            // An older one is of a command that could not be waited for.
            let last = self.last;
            if let Some(entry) = self.ring.completion().find(|entry| entry.user_data() == last) {
                return Ok(entry.result());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn a_command_has_the_layout_of_the_kernels_header() {
        let command = Command { operation: 0, device: 0x0403_0201, argument: 0x1817_1615_1413_1211 };
        let bytes = command.encode(0x0f0e_0d0c_0b0a_0908, 0x0706);
        let mut expected = [0; 80];
        expected[..24].copy_from_slice(&[
            1, 2, 3, 4, 0xff, 0xff, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
        ]);
        assert_eq!(bytes, expected);
    }
}
