//! A small NBD client over a unix socket: enough to write a pattern and to read it back.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

const IHAVEOPT: u64 = 0x4948_4156_454f_5054;
const REQUEST: u32 = 0x2560_9513;
const FIXED_NO_ZEROES: u32 = 0b11;
const EXPORT_NAME: u32 = 1;
const READ: u16 = 0;
const WRITE: u16 = 1;
const DISCONNECT: u16 = 2;
const FLUSH: u16 = 3;

pub(crate) struct Nbd {
    stream: UnixStream,
    pub(crate) size: u64,
}

impl Nbd {
    /// `uri`: `nbd+unix:///<export>?socket=<path>`.
    pub(crate) fn connect(uri: &str) -> Self {
        let rest = uri.strip_prefix("nbd+unix:///").unwrap_or_else(|| panic!("{uri}"));
        let (export, socket) = rest.split_once("?socket=").unwrap();
        let mut stream = UnixStream::connect(socket).unwrap();
        let mut greeting = [0; 18];
        stream.read_exact(&mut greeting).unwrap();
        assert_eq!(&greeting[8..16], IHAVEOPT.to_be_bytes());
        stream.write_all(&FIXED_NO_ZEROES.to_be_bytes()).unwrap();
        stream.write_all(&IHAVEOPT.to_be_bytes()).unwrap();
        stream.write_all(&EXPORT_NAME.to_be_bytes()).unwrap();
        stream.write_all(&u32::try_from(export.len()).unwrap().to_be_bytes()).unwrap();
        stream.write_all(export.as_bytes()).unwrap();
        let mut told = [0; 10];
        stream.read_exact(&mut told).unwrap();
        Self { stream, size: u64::from_be_bytes(told[..8].try_into().unwrap()) }
    }

    fn request(&mut self, kind: u16, offset: u64, length: usize, data: &[u8]) {
        let mut request = Vec::new();
        request.extend(REQUEST.to_be_bytes());
        request.extend(0_u16.to_be_bytes());
        request.extend(kind.to_be_bytes());
        request.extend(7_u64.to_be_bytes());
        request.extend(offset.to_be_bytes());
        request.extend(u32::try_from(length).unwrap().to_be_bytes());
        request.extend(data);
        self.stream.write_all(&request).unwrap();
    }

    fn reply(&mut self) {
        let mut reply = [0; 16];
        self.stream.read_exact(&mut reply).unwrap();
        assert_eq!(&reply[4..8], [0; 4], "the request failed");
    }

    /// Acknowledged and flushed when it returns.
    pub(crate) fn write(&mut self, offset: u64, data: &[u8]) {
        self.request(WRITE, offset, data.len(), data);
        self.reply();
        self.request(FLUSH, 0, 0, &[]);
        self.reply();
    }

    pub(crate) fn read(&mut self, offset: u64, length: usize) -> Vec<u8> {
        self.request(READ, offset, length, &[]);
        self.reply();
        let mut data = vec![0; length];
        self.stream.read_exact(&mut data).unwrap();
        data
    }
}

impl Drop for Nbd {
    fn drop(&mut self) {
        self.request(DISCONNECT, 0, 0, &[]);
    }
}
