//! A server under test, and a client that says exactly what it is told to.

use std::sync::Arc;

use aurochs_engine::frontend::Frontend;
use aurochs_engine::frontend::nbd::{NbdConfig, NbdFrontend, Tls};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::file_device::FileDevice;

pub(crate) const SIZE: u64 = 16 << 20;
pub(crate) const OPTION_MAGIC: u64 = 0x4948_4156_454f_5054;
pub(crate) const ERR_UNSUP: u32 = 0x8000_0001;
pub(crate) const ERR_POLICY: u32 = 0x8000_0002;
pub(crate) const ERR_INVALID: u32 = 0x8000_0003;
pub(crate) const ERR_UNKNOWN: u32 = 0x8000_0006;
pub(crate) const ERR_TOO_BIG: u32 = 0x8000_0009;
pub(crate) const READ: u16 = 0;
pub(crate) const WRITE: u16 = 1;
pub(crate) const DISC: u16 = 2;
pub(crate) const FLUSH: u16 = 3;
pub(crate) const TRIM: u16 = 4;
pub(crate) const CACHE: u16 = 5;
pub(crate) const ZEROES: u16 = 6;
pub(crate) const BLOCK_STATUS: u16 = 7;

pub(crate) const EINVAL: u32 = 22;
pub(crate) const ENOSPC: u32 = 28;
pub(crate) const ENOTSUP: u32 = 95;
pub(crate) const EOVERFLOW: u32 = 75;

pub(crate) struct Served {
    pub(crate) directory: TempDir,
    pub(crate) device: Arc<FileDevice>,
    pub(crate) server: NbdFrontend,
}

impl Served {
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let device = FileDevice::create(&directory.path().join("image"), SIZE);
        let unix_socket = Some(directory.path().join("nbd.sock"));
        let config = NbdConfig { export: "vol-1".into(), unix_socket, tcp: None, tls: Tls::Off };
        let server = NbdFrontend::start(Arc::clone(&device), config).await.unwrap();
        Self { directory, device, server }
    }

    pub(crate) async fn connect(&self) -> Client {
        Client(UnixStream::connect(self.directory.path().join("nbd.sock")).await.unwrap())
    }

    pub(crate) async fn greeted(&self) -> Client {
        let mut client = self.connect().await;
        client.greet(3).await;
        client
    }

    pub(crate) async fn transmitting(&self) -> Client {
        let mut client = self.greeted().await;
        client.option(7, &go("vol-1")).await;
        while client.option_reply().await.0 != 1 {}
        client
    }

    /// The server is as good as ever.
    pub(crate) async fn still_serves(self) {
        let mut client = self.transmitting().await;
        client.request(READ, 0, 1, 0, 512).await;
        assert_eq!(client.simple_reply().await, (0, 1));
        client.bytes(512).await;
        drop(client);
        self.server.stop(false).await.unwrap();
    }
}

pub(crate) struct Client(pub(crate) UnixStream);

impl Client {
    pub(crate) async fn greet(&mut self, flags: u32) {
        assert_eq!(self.bytes(18).await[..16], *b"NBDMAGICIHAVEOPT");
        self.0.write_u32(flags).await.unwrap();
    }

    pub(crate) async fn option(&mut self, code: u32, data: &[u8]) {
        self.option_head(code, data.len() as u32).await;
        self.0.write_all(data).await.unwrap();
    }

    /// An option whose data are yet to come.
    pub(crate) async fn option_head(&mut self, code: u32, length: u32) {
        self.0.write_u64(OPTION_MAGIC).await.unwrap();
        self.0.write_u32(code).await.unwrap();
        self.0.write_u32(length).await.unwrap();
    }

    /// Reply type and data.
    pub(crate) async fn option_reply(&mut self) -> (u32, Vec<u8>) {
        assert_eq!(self.0.read_u64().await.unwrap(), 0x0003_e889_0455_65a9);
        self.0.read_u32().await.unwrap();
        let kind = self.0.read_u32().await.unwrap();
        let length = self.0.read_u32().await.unwrap();
        (kind, self.bytes(length as usize).await)
    }

    pub(crate) async fn request(&mut self, command: u16, flags: u16, cookie: u64, offset: u64, length: u32) {
        let mut bytes = 0x2560_9513u32.to_be_bytes().to_vec();
        bytes.extend_from_slice(&flags.to_be_bytes());
        bytes.extend_from_slice(&command.to_be_bytes());
        bytes.extend_from_slice(&cookie.to_be_bytes());
        bytes.extend_from_slice(&offset.to_be_bytes());
        bytes.extend_from_slice(&length.to_be_bytes());
        self.0.write_all(&bytes).await.unwrap();
    }

    /// Negotiates with options 8 or 11 (`form`) and `base:allocation`, then goes on to requests.
    pub(crate) async fn ask_for_status(&mut self, form: u32) {
        self.option(form, &[]).await;
        assert_eq!(self.option_reply().await.0, 1);
        self.option(10, &context_query("vol-1", &["base:allocation"])).await;
        assert_eq!(self.option_reply().await, (4, [&[0, 0, 0, 1], &b"base:allocation"[..]].concat()));
        assert_eq!(self.option_reply().await.0, 1);
        self.option(7, &go("vol-1")).await;
        while self.option_reply().await.0 != 1 {}
    }

    /// A structured reply of one chunk: type, cookie, payload.
    pub(crate) async fn chunk(&mut self) -> (u16, u64, Vec<u8>) {
        assert_eq!(self.0.read_u32().await.unwrap(), 0x668e_33ef);
        assert_eq!(self.0.read_u16().await.unwrap(), 1, "every reply is one chunk");
        let (kind, cookie) = (self.0.read_u16().await.unwrap(), self.0.read_u64().await.unwrap());
        let length = self.0.read_u32().await.unwrap();
        (kind, cookie, self.bytes(length as usize).await)
    }

    /// Error number and cookie.
    pub(crate) async fn simple_reply(&mut self) -> (u32, u64) {
        assert_eq!(self.0.read_u32().await.unwrap(), 0x6744_6698);
        (self.0.read_u32().await.unwrap(), self.0.read_u64().await.unwrap())
    }

    pub(crate) async fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    /// Waits until the server hangs up, and returns what it said before. A reset is a hang-up too: the server
    /// closed before it read everything.
    pub(crate) async fn hung_up(&mut self) -> Vec<u8> {
        let mut last = Vec::new();
        let _ = self.0.read_to_end(&mut last).await;
        last
    }
}

/// For options 9 and 10.
pub(crate) fn context_query(name: &str, queries: &[&str]) -> Vec<u8> {
    let mut data = Vec::new();
    let put = |data: &mut Vec<u8>, text: &str| {
        data.extend_from_slice(&(text.len() as u32).to_be_bytes());
        data.extend_from_slice(text.as_bytes());
    };
    put(&mut data, name);
    data.extend_from_slice(&(queries.len() as u32).to_be_bytes());
    queries.iter().for_each(|query| put(&mut data, query));
    data
}

pub(crate) fn go(name: &str) -> Vec<u8> {
    let mut data = (name.len() as u32).to_be_bytes().to_vec();
    data.extend_from_slice(name.as_bytes());
    data.extend_from_slice(&[0, 0]);
    data
}
