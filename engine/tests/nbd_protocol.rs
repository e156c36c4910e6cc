//! The NBD server and clients that misbehave: raw bytes on a real socket.
#![expect(clippy::unwrap_used, reason = "a panic in a test is its message")]

mod file_device;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use aurochs_engine::frontend::nbd::{NbdConfig, NbdFrontend};
use aurochs_engine::frontend::{BlockDevice, Frontend};
use file_device::FileDevice;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

const SIZE: u64 = 16 << 20;
const OPTION_MAGIC: u64 = 0x4948_4156_454f_5054;
const ERR_UNSUP: u32 = 0x8000_0001;
const ERR_INVALID: u32 = 0x8000_0003;
const ERR_UNKNOWN: u32 = 0x8000_0006;
const ERR_TOO_BIG: u32 = 0x8000_0009;
const READ: u16 = 0;
const WRITE: u16 = 1;
const DISC: u16 = 2;
const FLUSH: u16 = 3;
const TRIM: u16 = 4;
const ZEROES: u16 = 6;

struct Served {
    directory: TempDir,
    device: Arc<FileDevice>,
    server: NbdFrontend,
}

impl Served {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let device = FileDevice::create(&directory.path().join("image"), SIZE);
        let unix_socket = Some(directory.path().join("nbd.sock"));
        let config = NbdConfig { export: "vol-1".into(), unix_socket, tcp: None };
        let server = NbdFrontend::start(Arc::clone(&device), config).await.unwrap();
        Self { directory, device, server }
    }

    async fn connect(&self) -> Client {
        Client(UnixStream::connect(self.directory.path().join("nbd.sock")).await.unwrap())
    }

    async fn greeted(&self) -> Client {
        let mut client = self.connect().await;
        client.greet(3).await;
        client
    }

    async fn transmitting(&self) -> Client {
        let mut client = self.greeted().await;
        client.option(7, &go("vol-1")).await;
        while client.option_reply().await.0 != 1 {}
        client
    }

    /// The server is as good as ever.
    async fn still_serves(self) {
        let mut client = self.transmitting().await;
        client.request(READ, 0, 1, 0, 512).await;
        assert_eq!(client.simple_reply().await, (0, 1));
        client.bytes(512).await;
        drop(client);
        self.server.stop(false).await.unwrap();
    }
}

struct Client(UnixStream);

impl Client {
    async fn greet(&mut self, flags: u32) {
        assert_eq!(self.bytes(18).await[..16], *b"NBDMAGICIHAVEOPT");
        self.0.write_u32(flags).await.unwrap();
    }

    async fn option(&mut self, code: u32, data: &[u8]) {
        self.0.write_u64(OPTION_MAGIC).await.unwrap();
        self.0.write_u32(code).await.unwrap();
        self.0.write_u32(data.len() as u32).await.unwrap();
        self.0.write_all(data).await.unwrap();
    }

    /// Reply type and data.
    async fn option_reply(&mut self) -> (u32, Vec<u8>) {
        assert_eq!(self.0.read_u64().await.unwrap(), 0x0003_e889_0455_65a9);
        self.0.read_u32().await.unwrap();
        let kind = self.0.read_u32().await.unwrap();
        let length = self.0.read_u32().await.unwrap();
        (kind, self.bytes(length as usize).await)
    }

    async fn request(&mut self, command: u16, flags: u16, cookie: u64, offset: u64, length: u32) {
        let mut bytes = 0x2560_9513u32.to_be_bytes().to_vec();
        bytes.extend_from_slice(&flags.to_be_bytes());
        bytes.extend_from_slice(&command.to_be_bytes());
        bytes.extend_from_slice(&cookie.to_be_bytes());
        bytes.extend_from_slice(&offset.to_be_bytes());
        bytes.extend_from_slice(&length.to_be_bytes());
        self.0.write_all(&bytes).await.unwrap();
    }

    /// Error number and cookie.
    async fn simple_reply(&mut self) -> (u32, u64) {
        assert_eq!(self.0.read_u32().await.unwrap(), 0x6744_6698);
        (self.0.read_u32().await.unwrap(), self.0.read_u64().await.unwrap())
    }

    async fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    /// Waits until the server hangs up, and returns what it said before. A reset is a hang-up too: the server
    /// closed before it read everything.
    async fn hung_up(&mut self) -> Vec<u8> {
        let mut last = Vec::new();
        let _ = self.0.read_to_end(&mut last).await;
        last
    }
}

fn go(name: &str) -> Vec<u8> {
    let mut data = (name.len() as u32).to_be_bytes().to_vec();
    data.extend_from_slice(name.as_bytes());
    data.extend_from_slice(&[0, 0]);
    data
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_handshakes_are_hung_up_on() {
    let served = Served::start().await;
    let mut unknown_flags = served.connect().await;
    unknown_flags.greet(0xff00).await;
    assert!(unknown_flags.hung_up().await.is_empty());

    let mut wrong_magic = served.greeted().await;
    wrong_magic.0.write_all(&[0xee; 64]).await.unwrap();
    assert!(wrong_magic.hung_up().await.is_empty());

    let mut unknown_export = served.greeted().await;
    unknown_export.option(1, b"other").await;
    assert!(unknown_export.hung_up().await.is_empty(), "EXPORT_NAME has no error reply");

    let mut leaves_early = served.greeted().await;
    leaves_early.0.write_all(&OPTION_MAGIC.to_be_bytes()[..5]).await.unwrap();
    drop(leaves_early);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_options_are_refused_and_haggling_goes_on() {
    let served = Served::start().await;
    let mut client = served.greeted().await;
    let too_big = vec![0; 100_000];
    let context = |name: &str| {
        let mut data = (name.len() as u32).to_be_bytes().to_vec();
        data.extend_from_slice(name.as_bytes());
        data.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 15]);
        data.extend_from_slice(b"base:allocation");
        data
    };
    for (code, data, expected) in [
        (4711, vec![1, 2, 3], ERR_UNSUP),
        (5, vec![], ERR_UNSUP),
        (11, vec![], ERR_UNSUP),
        (3, vec![0], ERR_INVALID),
        (7, vec![0, 0], ERR_INVALID),
        (7, vec![0xff; 10], ERR_INVALID),
        (6, go("other"), ERR_UNKNOWN),
        (7, go("other"), ERR_UNKNOWN),
        (7, too_big, ERR_TOO_BIG),
        (10, context("vol-1"), ERR_INVALID),
        (8, vec![], 1),
        (10, context("vol-1"), 1),
        (9, context(""), 1),
        (10, context("other"), ERR_UNKNOWN),
    ] {
        client.option(code, &data).await;
        assert_eq!(client.option_reply().await.0, expected, "option {code} with {} bytes", data.len());
    }
    client.option(3, &[]).await;
    assert_eq!(client.option_reply().await, (2, b"\0\0\0\x05vol-1".to_vec()));
    assert_eq!(client.option_reply().await.0, 1);
    client.option(2, b"bye").await;
    assert_eq!(client.option_reply().await.0, 1);
    assert!(client.hung_up().await.is_empty());
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn export_name_pads_unless_told_not_to() {
    let served = Served::start().await;
    for (flags, padding) in [(1, 124), (3, 0)] {
        let mut client = served.connect().await;
        client.greet(flags).await;
        client.option(1, b"").await;
        let answer = client.bytes(10 + padding).await;
        assert_eq!(answer[..8], SIZE.to_be_bytes());
        client.request(FLUSH, 0, 9, 0, 0).await;
        assert_eq!(client.simple_reply().await, (0, 9));
    }
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_get_their_error_and_the_stream_stays_in_step() {
    const EINVAL: u32 = 22;
    const ENOSPC: u32 = 28;
    const ENOTSUP: u32 = 95;
    let served = Served::start().await;
    let mut client = served.transmitting().await;
    for (cookie, (command, flags, offset, length, expected)) in [
        (READ, 0, SIZE, 1, EINVAL),
        (READ, 0, u64::MAX, u32::MAX, EINVAL),
        (READ, 4, 0, 512, EINVAL),
        (READ, 0, 0, (32 << 20) + 1, EINVAL),
        (WRITE, 0, SIZE - 1, 2, ENOSPC),
        (WRITE, 0x8000, 0, 512, EINVAL),
        (WRITE, 0, 0, 40 << 20, EINVAL),
        (TRIM, 0, SIZE, 4096, EINVAL),
        (ZEROES, 0, SIZE - 512, 1024, ENOSPC),
        (ZEROES, 16, 0, 4096, ENOTSUP),
        (FLUSH, 0, 5, 0, EINVAL),
        (7, 0, 0, 512, EINVAL),
        (5, 0, 0, 512, EINVAL),
        (999, 0, 0, 0, EINVAL),
        (WRITE, 0, 0, 0, 0),
        (READ, 0, 0, 0, 0),
        (TRIM, 1, 0, 8192, 0),
    ]
    .into_iter()
    .enumerate()
    {
        client.request(command, flags, cookie as u64, offset, length).await;
        if command == WRITE {
            client.0.write_all(&vec![0xee; length as usize]).await.unwrap();
        }
        assert_eq!(client.simple_reply().await, (expected, cookie as u64), "command {command} flags {flags:#x}");
    }
    assert_eq!(served.device.counts.flushes.load(Ordering::SeqCst), 1, "a trim with FUA is flushed");
    let data = served.device.read(0, 1 << 20).await.unwrap();
    assert!(data.iter().all(|&byte| byte == 0), "a refused write writes nothing");
    client.0.write_all(&[0; 28]).await.unwrap();
    assert!(client.hung_up().await.is_empty(), "a request without magic ends the connection");
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn structured_errors_say_why() {
    let served = Served::start().await;
    let mut client = served.greeted().await;
    client.option(8, &[]).await;
    assert_eq!(client.option_reply().await.0, 1);
    client.option(7, &go("")).await;
    while client.option_reply().await.0 != 1 {}
    client.request(READ, 0, 77, SIZE, 512).await;
    let head = client.bytes(20).await;
    assert_eq!(head[..16], [0x66, 0x8e, 0x33, 0xef, 0, 1, 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 77]);
    let length = u32::from_be_bytes(head[16..].try_into().unwrap());
    let payload = client.bytes(length as usize).await;
    assert_eq!(payload[..4], 22u32.to_be_bytes());
    let text = String::from_utf8_lossy(&payload[6..]);
    assert!(text.contains("past the end of the volume"), "{text}");
    drop(client);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_grows_is_larger_for_new_clients_and_writable_for_old_ones() {
    let served = Served::start().await;
    let mut old = served.transmitting().await;
    old.request(WRITE, 0, 1, SIZE, 512).await;
    old.0.write_all(&[7; 512]).await.unwrap();
    assert_eq!(old.simple_reply().await, (28, 1), "past the end: ENOSPC");
    served.device.grow(2 * SIZE);
    old.request(WRITE, 0, 2, SIZE, 512).await;
    old.0.write_all(&[7; 512]).await.unwrap();
    assert_eq!(old.simple_reply().await, (0, 2));
    let uri = served.server.uri();
    assert_eq!(file_device::run("nbdinfo", &["--size", &uri]).await.trim(), (2 * SIZE).to_string());
    served.server.resizer().resize().await.unwrap();
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_come_as_work_finishes_and_disconnect_waits_for_them() {
    let served = Served::start().await;
    let mut client = served.transmitting().await;
    let held = served.device.hold().await;
    for cookie in 0..40 {
        client.request(WRITE, 0, cookie, cookie * 4096, 4096).await;
        client.0.write_all(&[cookie as u8 + 1; 4096]).await.unwrap();
    }
    client.request(DISC, 0, 99, 0, 0).await;
    while served.device.counts.running.load(Ordering::SeqCst) < 40 {
        tokio::task::yield_now().await;
    }
    drop(held);
    let replies = client.hung_up().await;
    assert_eq!(replies.len(), 40 * 16, "every write is answered before the connection closes");
    for cookie in 0..40u64 {
        let data = served.device.read(cookie * 4096, 4096).await.unwrap();
        assert!(data.iter().all(|&byte| byte == cookie as u8 + 1));
    }
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_has_a_bounded_number_of_requests_in_flight() {
    let served = Served::start().await;
    let mut client = served.transmitting().await;
    let held = served.device.hold().await;
    // Few enough that the socket takes what the server does not read.
    for cookie in 0..250 {
        client.request(READ, 0, cookie, 0, 4096).await;
    }
    while served.device.counts.running.load(Ordering::SeqCst) < 128 {
        tokio::task::yield_now().await;
    }
    drop(held);
    for _ in 0..250 {
        assert_eq!(client.simple_reply().await.0, 0);
        client.bytes(4096).await;
    }
    assert_eq!(served.device.counts.most_running.load(Ordering::SeqCst), 128);
    drop(client);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_stop_finishes_what_is_in_flight_and_refuses_the_rest() {
    let served = Served::start().await;
    let mut client = served.transmitting().await;
    let mut haggling = served.greeted().await;
    let held = served.device.hold().await;
    client.request(WRITE, 0, 1, 0, 4096).await;
    client.0.write_all(&[7; 4096]).await.unwrap();
    while served.device.counts.running.load(Ordering::SeqCst) < 1 {
        tokio::task::yield_now().await;
    }
    let path = served.directory.path().join("nbd.sock");
    let stopping = tokio::spawn(served.server.stop(false));
    assert!(haggling.hung_up().await.is_empty());
    while path.exists() {
        tokio::task::yield_now().await;
    }
    client.request(WRITE, 0, 2, 4096, 512).await;
    client.0.write_all(&[9; 512]).await.unwrap();
    assert_eq!(client.simple_reply().await, (108, 2), "new requests learn of the shutdown");
    drop(held);
    assert_eq!(client.simple_reply().await, (0, 1), "what was in flight is finished");
    assert!(client.hung_up().await.is_empty());
    stopping.await.unwrap().unwrap();
    assert!(served.device.read(0, 4096).await.unwrap().iter().all(|&byte| byte == 7));
    assert!(served.device.read(4096, 512).await.unwrap().iter().all(|&byte| byte == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_stop_waits_for_nobody() {
    let served = Served::start().await;
    let mut client = served.transmitting().await;
    let held = served.device.hold().await;
    client.request(WRITE, 0, 1, 0, 512).await;
    client.0.write_all(&[7; 512]).await.unwrap();
    while served.device.counts.running.load(Ordering::SeqCst) < 1 {
        tokio::task::yield_now().await;
    }
    served.server.stop(true).await.unwrap();
    assert!(client.hung_up().await.is_empty(), "a write that was not finished is not acknowledged");
    drop(held);
}

/// Waits for the handshake limit of ten seconds to pass.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_finishes_the_handshake_is_cut_off() {
    let served = Served::start().await;
    let mut client = served.connect().await;
    client.greet(1).await;
    client.0.write_all(&OPTION_MAGIC.to_be_bytes()[..3]).await.unwrap();
    assert!(client.hung_up().await.is_empty());
    served.server.stop(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_is_turned_away_and_a_place_is_free_again_afterwards() {
    let served = Served::start().await;
    let mut crowd = Vec::new();
    for _ in 0..32 {
        crowd.push(served.transmitting().await);
    }
    let mut one_more = served.connect().await;
    assert!(one_more.hung_up().await.is_empty());
    for client in &mut crowd {
        client.request(DISC, 0, 0, 0, 0).await;
        assert!(client.hung_up().await.is_empty());
    }
    drop(crowd);
    served.still_serves().await;
}
