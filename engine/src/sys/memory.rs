//! Giving memory that is not needed now back to the kernel.

use std::ffi::{CStr, c_int, c_void};

use nix::libc;
use nix::unistd::{SysconfVar, sysconf};

/// Makes all threads share one heap. With the allocator's default, eight heaps a processor, every thread that waits for a
/// disk spreads its buffers over another one: a replica under load then takes nine times the memory, each page of it new
/// and cleared by the kernel first, and most of it cannot be given back afterwards ([`trim_heap`]).
///
/// For the start of a program: heaps that there are already stay.
pub(crate) fn share_one_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes two numbers and changes nothing but the allocator's own settings.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// From now on gives pieces of memory of at least [`LARGE`] bytes back as soon as they are free. By itself the allocator
/// stops that after the first one, and then lays large pieces between small ones in the heap: backups in blocks of
/// 16 MiB took 290 MiB that way, of which 50 were in use.
pub(crate) fn return_large_pieces() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes two numbers and changes nothing but the allocator's own settings.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}

/// More than the buffers of requests and codecs, which are used again at once. Bytes.
const LARGE: c_int = 8 << 20;

/// Gives back what the allocator keeps for later: by itself it returns nothing that lies below a piece in use.
/// The unused end of a heap goes back for the first heap only: see [`share_one_heap`].
///
/// Allocations that come right after it are slower, so it is for times with nothing to do.
pub(crate) fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim may be called from any thread at any time: it takes the allocator's own locks, and releases
    // only pages in which nothing is allocated.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Takes code and constants, of the program and its libraries, out of this process's page tables. What is needed again
/// is mapped again from the kernel's cache of the files; what only the start or a rare operation needed no longer counts
/// as this process's.
pub(crate) fn forget_code() {
    let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten().and_then(|size| u64::try_from(size).ok());
    let Some(mut page) = page else { return };
    // SAFETY: `forget_object` is of the type asked for and does not unwind; `page` lives across the call, and nothing
    // else refers to it meanwhile.
    unsafe {
        libc::dl_iterate_phdr(Some(forget_object), (&raw mut page).cast());
    }
}

/// Does [`forget_code`] for one loaded file; 0 asks for the next.
///
/// # Safety
/// `object` is what `dl_iterate_phdr` passes, `page` points to the size of a page in bytes.
unsafe extern "C" fn forget_object(object: *mut libc::dl_phdr_info, _size: usize, page: *mut c_void) -> c_int {
    // SAFETY: the caller's promise.
    let (object, page) = unsafe { (&*object, *page.cast::<u64>()) };
    // SAFETY: the loader keeps a string there: a path, nothing for the program itself, and a bare name for the kernel's
    // own object, which is no file.
    let name = unsafe { CStr::from_ptr(object.dlpi_name) }.to_bytes();
    if !name.is_empty() && !name.starts_with(b"/") {
        return 0;
    }
    // SAFETY: the headers stay mapped as long as the object is loaded: during this call at least, for which the loader
    // holds its lock.
    let headers = unsafe { std::slice::from_raw_parts(object.dlpi_phdr, usize::from(object.dlpi_phnum)) };
    for header in headers.iter().filter(|header| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0) {
        // Inwards, so that no page of a neighbour is touched.
        let start = (object.dlpi_addr + header.p_vaddr).next_multiple_of(page);
        let end = (object.dlpi_addr + header.p_vaddr + header.p_filesz) / page * page;
        if start < end {
            // SAFETY: these pages are a private mapping of the object's file that nobody may write to, of a segment that
            // the loader does not relocate (it is not writable even while it loads), and that stays mapped during this
            // call. Their content is therefore what the file says, before and after: the next access, by any thread,
            // gets it from there.
            unsafe {
                libc::madvise(start as *mut c_void, (end - start) as usize, libc::MADV_DONTNEED);
            }
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of `/proc/self/status`, in bytes.
    fn status(field: &str) -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim_matches(|character: char| !character.is_ascii_digit()).parse::<u64>().unwrap() * 1024
    }

    #[test]
    #[cfg(target_env = "gnu")]
    fn freed_memory_below_a_piece_in_use_goes_back() {
        // So much that other tests beside this one make no difference.
        const PIECES: usize = 48 << 10;
        const PIECE: usize = 4 << 10;
        let pieces: Vec<Vec<u8>> = (0..PIECES).map(|index| vec![index as u8 | 1; PIECE]).collect();
        // Something stays at the top, as it does after a busy time.
        let last = vec![1_u8; PIECE];
        let used = status("RssAnon:");
        drop(pieces);
        trim_heap();
        let left = status("RssAnon:");
        assert!(used > left + (PIECES * PIECE / 2) as u64, "{used} bytes before, {left} after");
        assert_eq!(last.len(), PIECE);
    }

    #[test]
    fn code_is_mapped_again_where_it_is_needed() {
        let constant = std::hint::black_box("constants are still there");
        forget_code();
        assert_eq!(constant.len(), 25);
        assert!(std::thread::spawn(|| format!("{:?}", std::time::SystemTime::now())).join().is_ok());
    }
}
