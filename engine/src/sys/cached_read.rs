//! Reading what is in the kernel's page cache, and nothing that a disk has to be asked for.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc;

/// Fills `memory` from `offset` on with what is in the page cache; how many bytes that were. Whoever gets less than it asked
/// for, or an error, has to read in a way that may wait.
pub(crate) fn read(file: &File, offset: u64, memory: &mut [u8]) -> io::Result<usize> {
    let offset = offset.try_into().map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let part = libc::iovec { iov_base: memory.as_mut_ptr().cast(), iov_len: memory.len() };
    // SAFETY: one part, which is all of `memory`, borrowed for writing until the call has returned; the descriptor is open as
    // long as `file` is borrowed.
    let count = unsafe { libc::preadv2(file.as_raw_fd(), &raw const part, 1, offset, libc::RWF_NOWAIT) };
    Ok(Errno::result(count)? as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_just_written_is_there() {
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, [7; 100]).unwrap();
        let mut memory = [0; 100];
        assert_eq!(read(&File::open(&path).unwrap(), 50, &mut memory).unwrap(), 50);
        assert!(memory[..50].iter().all(|byte| *byte == 7));
    }
}
