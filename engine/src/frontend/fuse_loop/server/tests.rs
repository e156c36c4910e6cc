//! A kernel that says what no kernel says: the server is given one end of a pair of sockets.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::BufMut;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use super::*;
use crate::frontend::{Durability, IoError, IoErrorKind};

const SIZE: u64 = 1 << 20;
const INIT: u32 = 26;
const GETATTR: u32 = 3;
const READ: u32 = 15;
const WRITE: u32 = 16;
const FSYNC: u32 = 20;
const FILE: u64 = 2;
/// Longest wait for an answer; a test that needs it has failed.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// Bytes in memory.
#[derive(Default)]
struct Memory {
    bytes: std::sync::Mutex<Vec<u8>>,
    breaks: AtomicBool,
    /// Reads wait while a test holds it.
    gate: tokio::sync::RwLock<()>,
}

impl BlockDevice for Memory {
    fn size(&self) -> u64 {
        SIZE
    }

    async fn read(&self, offset: u64, length: u32) -> Result<AlignedBuf, IoError> {
        let _passed = self.gate.read().await;
        let bytes = self.bytes.lock().unwrap();
        Ok(AlignedBuf::copy_of(&bytes[offset as usize..][..length as usize]))
    }

    async fn write(&self, offset: u64, data: AlignedBuf, _: Durability) -> Result<(), IoError> {
        assert!(!self.breaks.load(Ordering::SeqCst), "a defect, as the test wants it");
        self.bytes.lock().unwrap()[offset as usize..][..data.len()].copy_from_slice(&data);
        Ok(())
    }

    async fn flush(&self) -> Result<(), IoError> {
        Err(IoError::new(IoErrorKind::Shutdown, "it is being detached"))
    }

    async fn discard(&self, _: u64, _: u64) -> Result<(), IoError> {
        Ok(())
    }

    async fn write_zeroes(&self, _: u64, _: u64, _: bool, _: Durability) -> Result<(), IoError> {
        Ok(())
    }
}

/// The kernel's end.
struct Kernel {
    end: File,
    device: Arc<Memory>,
    server: tokio::task::JoinHandle<io::Result<()>>,
}

impl Kernel {
    /// Up to where the server has greeted.
    async fn greeted() -> Self {
        let device = Arc::new(Memory { bytes: vec![0; SIZE as usize].into(), ..Memory::default() });
        let (end, mut server) = pair(&device);
        send(&end, INIT, 0, &greeting(7, 45));
        server.greet().await.unwrap();
        assert_eq!(answer_of(&end).0, 0);
        Self { end, device, server: tokio::spawn(server.serve()) }
    }

    async fn ask(&self, operation: u32, inode: u64, arguments: &[u8]) -> (i32, Vec<u8>) {
        send(&self.end, operation, inode, arguments);
        self.answer().await
    }

    async fn answer(&self) -> (i32, Vec<u8>) {
        let end = self.end.try_clone().unwrap();
        tokio::task::spawn_blocking(move || answer_of(&end)).await.unwrap()
    }
}

fn pair(device: &Arc<Memory>) -> (File, Server<Memory>) {
    let (ours, theirs): (OwnedFd, OwnedFd) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
    let theirs = File::from(theirs);
    nix::fcntl::fcntl(&theirs, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK)).unwrap();
    let server = Server::new(theirs, VolumeFile::new(Arc::clone(device), "vol-1")).unwrap();
    (File::from(ours), server)
}

fn send(mut end: &File, operation: u32, inode: u64, arguments: &[u8]) {
    let mut message = Vec::new();
    message.put_u32_ne(40 + arguments.len() as u32);
    message.put_u32_ne(operation);
    message.put_u64_ne(77);
    message.put_u64_ne(inode);
    message.resize(40, 0);
    message.extend_from_slice(arguments);
    assert_eq!(end.write(&message).unwrap(), message.len());
}

/// Error number, and what follows the header.
fn answer_of(mut end: &File) -> (i32, Vec<u8>) {
    let mut message = vec![0; 2 << 20];
    let received = end.read(&mut message).unwrap();
    assert_eq!(message[..4], (received as u32).to_ne_bytes());
    assert_eq!(message[8..16], 77_u64.to_ne_bytes());
    let error = i32::from_ne_bytes(message[4..8].try_into().unwrap());
    (error, message[16..received].to_vec())
}

fn greeting(major: u32, minor: u32) -> Vec<u8> {
    [major, minor, 131_072, u32::MAX].iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// Handle, offset, length, and the rest of what reads and writes say.
fn range(offset: u64, length: u32) -> Vec<u8> {
    let mut arguments = vec![0; 8];
    arguments.put_u64_ne(offset);
    arguments.put_u32_ne(length);
    arguments.resize(40, 0);
    arguments
}

fn failed(error: Errno) -> (i32, Vec<u8>) {
    (-(error as i32), Vec::new())
}

#[tokio::test]
async fn what_is_written_is_read() {
    let kernel = Kernel::greeted().await;
    for length in [512_usize, 4096, 4096, 65_536, 1024] {
        let data: Vec<u8> = (0..length).map(|at| (at % 249) as u8).collect();
        let (error, told) = kernel.ask(WRITE, FILE, &[range(8192, length as u32), data.clone()].concat()).await;
        assert_eq!((error, &told[..4]), (0, &(length as u32).to_ne_bytes()[..]));
        assert_eq!(kernel.ask(READ, FILE, &range(8192, length as u32)).await, (0, data));
    }
    assert_eq!(kernel.ask(READ, FILE, &range(SIZE - 512, 4096)).await, (0, vec![0; 512]), "to the end of the file");
    assert_eq!(kernel.ask(READ, FILE, &range(SIZE, 4096)).await, (0, Vec::new()));
    assert_eq!(kernel.ask(FSYNC, FILE, &[0; 16]).await, failed(Errno::ESHUTDOWN), "a flush that fails is told");
}

#[tokio::test]
async fn nonsense_is_refused_and_the_next_request_served() {
    let kernel = Kernel::greeted().await;
    for operation in [0, 36, 52, 4096, u32::MAX] {
        assert_eq!(kernel.ask(operation, FILE, &[0xff; 64]).await, failed(Errno::ENOSYS));
    }
    assert_eq!(kernel.ask(WRITE, FILE, &[0; 39]).await, failed(Errno::EIO), "cut off");
    assert_eq!(kernel.ask(WRITE, FILE, &range(0, 4096)).await, failed(Errno::EIO), "without its data");
    let short = [range(0, u32::MAX), vec![1; 4096]].concat();
    assert_eq!(kernel.ask(WRITE, FILE, &short).await, failed(Errno::EIO), "with less than it claims");
    let beyond = [range(u64::MAX - 100, 512), vec![1; 512]].concat();
    assert_eq!(kernel.ask(WRITE, FILE, &beyond).await, failed(Errno::ENOSPC));
    assert_eq!(kernel.ask(READ, FILE, &range(0, u32::MAX)).await, failed(Errno::EINVAL));
    assert_eq!(kernel.ask(READ, FILE, &range(u64::MAX, 4096)).await, (0, Vec::new()));
    assert_eq!(kernel.ask(1, 1, &[b'x'; 400]).await, failed(Errno::EIO), "a name without an end");
    assert_eq!(kernel.ask(1, 1, b"other\0").await, failed(Errno::ENOENT));
    assert_eq!(kernel.ask(GETATTR, 99, &[0; 16]).await, failed(Errno::ENOENT));
    assert_eq!(kernel.ask(INIT, 0, &greeting(7, 45)).await, failed(Errno::EIO), "it was greeted already");
    assert!(kernel.device.bytes.lock().unwrap().iter().all(|&byte| byte == 0), "nothing was written");
    let (error, told) = kernel.ask(GETATTR, FILE, &[0; 16]).await;
    assert_eq!((error, &told[24..32]), (0, &SIZE.to_ne_bytes()[..]));
}

#[tokio::test]
async fn a_request_whose_task_breaks_fails_and_the_next_is_served() {
    let kernel = Kernel::greeted().await;
    kernel.device.breaks.store(true, Ordering::SeqCst);
    let write = [range(0, 512), vec![1; 512]].concat();
    assert_eq!(kernel.ask(WRITE, FILE, &write).await, failed(Errno::EIO));
    kernel.device.breaks.store(false, Ordering::SeqCst);
    assert_eq!(kernel.ask(WRITE, FILE, &write).await.0, 0);
}

#[tokio::test]
async fn questions_are_answered_while_as_much_as_possible_waits_for_the_device() {
    let kernel = Kernel::greeted().await;
    let held = kernel.device.gate.write().await;
    for _ in 0..MAX_REQUESTS {
        send(&kernel.end, READ, FILE, &range(0, 512));
    }
    send(&kernel.end, FSYNC, FILE, &[0; 16]);
    let asked = tokio::time::timeout(PATIENCE, kernel.ask(GETATTR, FILE, &[0; 16]));
    let (error, told) = asked.await.expect("the question waits for the device");
    assert_eq!((error, &told[24..32]), (0, &SIZE.to_ne_bytes()[..]));
    drop(held);
    let mut flushes = 0;
    for _ in 0..=MAX_REQUESTS {
        match kernel.answer().await {
            (0, data) => assert_eq!(data, vec![0; 512]),
            answer => {
                assert_eq!(answer, failed(Errno::ESHUTDOWN), "the flush of this device");
                flushes += 1;
            }
        }
    }
    assert_eq!(flushes, 1);
}

#[tokio::test]
async fn bytes_that_are_no_message_end_the_session() {
    let kernel = Kernel::greeted().await;
    (&kernel.end).write_all(&[0xff; 100]).unwrap();
    let error = kernel.server.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("no message"), "{error}");
}

#[tokio::test]
async fn nothing_is_served_before_a_greeting_that_is_understood() {
    let device = Arc::new(Memory::default());
    let (end, mut server) = pair(&device);
    send(&end, GETATTR, FILE, &[0; 16]);
    send(&end, INIT, 0, &[0; 3]);
    send(&end, INIT, 0, &greeting(8, 0));
    send(&end, INIT, 0, &greeting(7, 45));
    server.greet().await.unwrap();
    assert_eq!(answer_of(&end), failed(Errno::EIO));
    assert_eq!(answer_of(&end), failed(Errno::EIO), "cut off");
    assert_eq!(answer_of(&end).1[..4], 7_u32.to_ne_bytes(), "the version that is spoken");
    assert_eq!(answer_of(&end).0, 0);

    let (end, mut server) = pair(&device);
    send(&end, INIT, 0, &greeting(7, 12));
    assert!(server.greet().await.unwrap_err().to_string().contains("7.12"));
    assert_eq!(answer_of(&end), failed(Errno::EPROTO));
}
