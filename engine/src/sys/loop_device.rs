//! ioctls of loop devices (`linux/loop.h`).

use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// Requests bypass the page cache of the backing file and run asynchronously.
pub(crate) const LO_FLAGS_DIRECT_IO: u32 = 16;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

/// `struct loop_info64`.
#[derive(Clone, Copy)]
#[repr(C)]
struct LoopInfo64 {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config`.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo64,
    reserved: [u64; 8],
}

// The kernel's sizes: a wrong layout does not compile.
const _: () = assert!(size_of::<LoopInfo64>() == 232 && size_of::<LoopConfig>() == 304);

impl LoopInfo64 {
    const EMPTY: Self = Self {
        device: 0,
        inode: 0,
        rdevice: 0,
        offset: 0,
        size_limit: 0,
        number: 0,
        encrypt_type: 0,
        encrypt_key_size: 0,
        flags: 0,
        file_name: [0; 64],
        crypt_name: [0; 64],
        encrypt_key: [0; 32],
        init: [0; 2],
    };
}

nix::ioctl_none_bad!(loop_ctl_get_free, 0x4C82);
nix::ioctl_none_bad!(loop_clr_fd, 0x4C01);
nix::ioctl_write_ptr_bad!(loop_set_status64, 0x4C04, LoopInfo64);
nix::ioctl_read_bad!(loop_get_status64, 0x4C05, LoopInfo64);
nix::ioctl_none_bad!(loop_set_capacity, 0x4C07);
nix::ioctl_write_ptr_bad!(loop_configure, 0x4C0A, LoopConfig);

/// The index of a loop device that is free at this moment; `control` is `/dev/loop-control`.
pub(crate) fn next_free(control: &File) -> nix::Result<u32> {
    // SAFETY: the request takes no argument; the descriptor is open during the call.
    let index = unsafe { loop_ctl_get_free(control.as_raw_fd()) }?;
    u32::try_from(index).map_err(|_| Errno::ERANGE)
}

/// Binds `device` to `backing`. `EBUSY` means that somebody else took the device.
pub(crate) fn configure(
    device: &File,
    backing: BorrowedFd<'_>,
    block_size_bytes: u32,
    flags: u32,
    shown_name: &[u8],
) -> nix::Result<()> {
    let mut info = LoopInfo64 { flags, ..LoopInfo64::EMPTY };
    // The kernel wants a terminating zero: the last byte stays.
    for (target, source) in info.file_name[..63].iter_mut().zip(shown_name) {
        *target = *source;
    }
    let fd = u32::try_from(backing.as_raw_fd()).map_err(|_| Errno::EBADF)?;
    let config = LoopConfig { fd, block_size: block_size_bytes, info, reserved: [0; 8] };
    // SAFETY: `config` has the layout of `struct loop_config`, is initialised and outlives the call, which only
    // reads it; both descriptors are open during the call.
    unsafe { loop_configure(device.as_raw_fd(), &raw const config) }.map(drop)
}

/// Unbinds `device`; where others have it open, it is unbound when the last of them closes it.
pub(crate) fn clear(device: &File) -> nix::Result<()> {
    // SAFETY: the request takes no argument; the descriptor is open during the call.
    unsafe { loop_clr_fd(device.as_raw_fd()) }.map(drop)
}

/// Lets `device` have the size that its backing file has now.
pub(crate) fn take_size(device: &File) -> nix::Result<()> {
    // SAFETY: the request takes no argument; the descriptor is open during the call.
    unsafe { loop_set_capacity(device.as_raw_fd()) }.map(drop)
}

/// Takes back a [`clear`] that has not happened yet because others have the device open. `ENXIO`: it has happened.
pub(crate) fn keep(device: &File) -> nix::Result<()> {
    let mut info = LoopInfo64::EMPTY;
    // SAFETY: `info` has the layout of `struct loop_info64`, whose every bit pattern is valid; the kernel fills it
    // during the call.
    unsafe { loop_get_status64(device.as_raw_fd(), &raw mut info) }?;
    info.flags &= !LO_FLAGS_AUTOCLEAR;
    // SAFETY: as above; the call only reads `info`.
    unsafe { loop_set_status64(device.as_raw_fd(), &raw const info) }.map(drop)
}
