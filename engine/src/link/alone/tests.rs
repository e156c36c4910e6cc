use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use tokio::net::UnixListener;

use super::super::address::{Address, Listener};
use super::super::client::{ReplicaLink, Request};
use super::super::control::Hello;
use super::super::frame::HEADER_LENGTH;
use super::*;
use crate::disk::BLOCK_SIZE;
use crate::replica::{OpenOptions, Replica};

const BLOCKS: u64 = 64;

fn request(kind: Kind, id: u64) -> Header {
    Header { kind, stable: false, may_unmap: false, id, offset: 0, length: 0 }
}

fn bytes_of(id: u64, payload: &[u8]) -> Vec<u8> {
    [&request(Kind::Write, id).encode(payload)[..], payload].concat()
}

fn connected() -> (BlockingStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (BlockingStream::Unix(ours), theirs)
}

fn input() -> Input {
    Input { bytes: vec![0; ROOM], end: 0 }
}

#[test]
fn a_thread_comes_for_many_that_are_alone_and_later_where_it_was_not_worth_its_while() {
    let mut solitude = Solitude::default();
    let write = request(Kind::Write, 0);
    let comes_after = |solitude: &mut Solitude| 1 + (0..).take_while(|_| !solitude.after(&write, true)).count() as u32;
    assert_eq!(comes_after(&mut solitude), AT_FIRST);
    solitude.came_back(3);
    assert!(!solitude.after(&write, false) && !solitude.after(&request(Kind::Control, 0), true));
    assert_eq!(comes_after(&mut solitude), 2 * AT_FIRST);
    for _ in 0..20 {
        solitude.came_back(3);
    }
    assert_eq!(comes_after(&mut solitude), AT_MOST);
    solitude.came_back(WORTHWHILE);
    assert_eq!(comes_after(&mut solitude), AT_FIRST);
    solitude.came_back(WORTHWHILE);
    assert!((0..2 * AT_FIRST).all(|_| !solitude.after(&request(Kind::Ping, 0), true)), "nobody asks for anything");
}

#[test]
fn a_frame_is_taken_when_it_is_whole_and_the_only_one() {
    let (ours, mut theirs) = connected();
    let mut input = input();
    let first = bytes_of(1, &[7; 5000]);
    let (begin, end) = first.split_at(HEADER_LENGTH + 3);
    theirs.write_all(begin).unwrap();
    let rest = end.to_vec();
    let sending = std::thread::spawn(move || {
        theirs.write_all(&rest).unwrap();
        theirs
    });
    let (header, payload) = input.wait_for_one(&ours).unwrap();
    assert_eq!((header.id, &payload[..]), (1, &[7; 5000][..]));
    let mut theirs = sending.join().unwrap();

    input.end = 0;
    let both = [bytes_of(2, b"two"), bytes_of(3, b"three")].concat();
    theirs.write_all(&both).unwrap();
    assert!(input.wait_for_one(&ours).is_none());
    assert_eq!(&input.bytes[..input.end], &both, "nothing of them is lost");
}

#[test]
fn what_is_no_frame_too_large_or_cut_off_is_left_to_tasks() {
    let large = bytes_of(1, &vec![1; ROOM]);
    for (bytes, hangs_up) in [(&[0x41; 64][..], false), (&large[..4096], false), (&large[..20], true)] {
        let (ours, mut theirs) = connected();
        theirs.write_all(bytes).unwrap();
        if hangs_up {
            drop(theirs);
        }
        let mut input = input();
        assert!(input.wait_for_one(&ours).is_none());
        assert_eq!(&input.bytes[..input.end], bytes);
    }
}

#[test]
fn hanging_up_ends_the_wait_of_a_thread() {
    let (ours, mut theirs) = connected();
    let ours = Arc::new(ours);
    let waiting = {
        let ours = Arc::clone(&ours);
        std::thread::spawn(move || input().wait_for_one(&ours).is_none())
    };
    drop(Lent(Some(ours)));
    assert!(waiting.join().unwrap());
    assert_eq!(theirs.read(&mut [0]).unwrap(), 0, "the other side is told");
}

/// A replica that is served on a socket.
struct Served {
    root: tempfile::TempDir,
    server: Arc<ReplicaServer>,
    address: Address,
}

impl Served {
    fn start() -> Self {
        let root = tempfile::tempdir_in("/var/tmp").unwrap();
        let directory = root.path().join("replica");
        Replica::create(&directory, BLOCKS * BLOCK_SIZE, OpenOptions::default()).unwrap();
        let server = ReplicaServer::new("v", "r", directory, OpenOptions::default());
        let socket = root.path().join("socket");
        let listener = Listener::Unix(UnixListener::bind(&socket).unwrap());
        tokio::spawn(Arc::clone(&server).serve(listener));
        Self { root, server, address: Address::Unix(socket) }
    }

    async fn link(&self, epoch: u64) -> ReplicaLink {
        let hello = Hello {
            volume: "v".to_owned(),
            replica: "r".to_owned(),
            session: format!("epoch {epoch}"),
            epoch,
            link: 0,
            holds_data: false,
            salvage: false,
            bulk: false,
        };
        ReplicaLink::connect("r", &self.address, &hello).await.unwrap()
    }

    /// How many streams threads serve.
    fn with_threads(&self) -> usize {
        self.server.threads.load(std::sync::atomic::Ordering::SeqCst)
    }
}

async fn write(link: &ReplicaLink, block: u64, byte: u8) {
    let mut request = Request::new(Kind::Write, block * BLOCK_SIZE, BLOCK_SIZE as u32);
    request.payload = AlignedBuf::copy_of(&[byte; BLOCK_SIZE as usize]).into();
    link.request(request).await.unwrap();
}

async fn read(link: &ReplicaLink, block: u64) -> u8 {
    let data = link.request(Request::new(Kind::Read, block * BLOCK_SIZE, BLOCK_SIZE as u32)).await.unwrap();
    assert!(data.iter().all(|&byte| byte == data[0]) && data.len() as u64 == BLOCK_SIZE);
    data[0]
}

/// Requests one at a time until a thread serves them.
async fn come_alone(served: &Served, link: &ReplicaLink) {
    for _ in 0..2 * AT_MOST {
        write(link, 0, 1).await;
        if served.with_threads() > 0 {
            return;
        }
    }
    panic!("no thread came");
}

#[tokio::test]
async fn requests_are_answered_once_and_right_whoever_serves_them() {
    let served = Served::start();
    let link = served.link(1).await;
    for turn in 1..=8 {
        come_alone(&served, &link).await;
        write(&link, 1, turn).await;
        assert_eq!(read(&link, 1).await, turn);
        // Beside each other: tasks take them over, and each has its own answer.
        let writes = (0..BLOCKS).map(|block| write(&link, block, turn ^ block as u8));
        futures::future::join_all(writes).await;
        let reads = (0..BLOCKS).map(|block| read(&link, block));
        let bytes = futures::future::join_all(reads).await;
        assert!(bytes.iter().zip(0..).all(|(&byte, block)| byte == turn ^ block));
    }
    served.server.close().await.unwrap();
    drop(served.root);
}

#[tokio::test]
async fn a_thread_serves_nobody_whose_time_is_over() {
    let served = Served::start();
    let old = served.link(1).await;
    come_alone(&served, &old).await;
    let new = served.link(2).await;
    old.lost().await;
    write(&new, 3, 3).await;
    come_alone(&served, &new).await;
    served.server.close().await.unwrap();
    new.lost().await;
    drop(served.root);
}
