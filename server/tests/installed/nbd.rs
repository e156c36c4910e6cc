//! A small NBD client over a unix socket whose server may go away at any moment: enough to write a pattern and to read it
//! back.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

const IHAVEOPT: u64 = 0x4948_4156_454f_5054;
const REQUEST: u32 = 0x2560_9513;
const FIXED_NO_ZEROES: u32 = 0b11;
const EXPORT_NAME: u32 = 1;
const READ: u16 = 0;
const WRITE: u16 = 1;
const DISCONNECT: u16 = 2;
const FLUSH: u16 = 3;
const TRIM: u16 = 4;
/// An engine that waits for its membership to be recorded keeps its clients waiting, too.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Nbd {
    stream: UnixStream,
    /// Bytes that the server says it has.
    pub(crate) size: u64,
}

impl Nbd {
    /// `uri`: `nbd+unix:///<export>?socket=<path>`.
    pub(crate) fn connect(uri: &str) -> io::Result<Self> {
        let parts = uri.strip_prefix("nbd+unix:///").and_then(|rest| rest.split_once("?socket="));
        let (export, socket) = parts.ok_or(io::ErrorKind::InvalidInput)?;
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut greeting = [0; 18];
        stream.read_exact(&mut greeting)?;
        if greeting[8..16] != IHAVEOPT.to_be_bytes() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        stream.write_all(&FIXED_NO_ZEROES.to_be_bytes())?;
        stream.write_all(&IHAVEOPT.to_be_bytes())?;
        stream.write_all(&EXPORT_NAME.to_be_bytes())?;
        stream.write_all(&u32::try_from(export.len()).unwrap().to_be_bytes())?;
        stream.write_all(export.as_bytes())?;
        let mut told = [0; 10];
        stream.read_exact(&mut told)?;
        Ok(Self { stream, size: u64::from_be_bytes(told[..8].try_into().unwrap()) })
    }

    fn send(&mut self, kind: u16, offset: u64, length: usize, data: &[u8]) -> io::Result<()> {
        let mut request = Vec::new();
        request.extend(REQUEST.to_be_bytes());
        request.extend(0_u16.to_be_bytes());
        request.extend(kind.to_be_bytes());
        request.extend(7_u64.to_be_bytes());
        request.extend(offset.to_be_bytes());
        request.extend(u32::try_from(length).unwrap().to_be_bytes());
        request.extend(data);
        self.stream.write_all(&request)
    }

    fn request(&mut self, kind: u16, offset: u64, length: usize, data: &[u8]) -> io::Result<()> {
        self.send(kind, offset, length, data)?;
        let mut reply = [0; 16];
        self.stream.read_exact(&mut reply)?;
        match u32::from_be_bytes(reply[4..8].try_into().unwrap()) {
            0 => Ok(()),
            error => Err(io::Error::other(format!("the server answered {error}"))),
        }
    }

    /// On every replica's disk when it returns.
    pub(crate) fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.request(WRITE, offset, data.len(), data)?;
        self.request(FLUSH, 0, 0, &[])
    }

    pub(crate) fn trim(&mut self, offset: u64, length: usize) -> io::Result<()> {
        self.request(TRIM, offset, length, &[])
    }

    pub(crate) fn read(&mut self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.request(READ, offset, length, &[])?;
        let mut data = vec![0; length];
        self.stream.read_exact(&mut data)?;
        Ok(data)
    }
}

impl Drop for Nbd {
    fn drop(&mut self) {
        // Whether anybody still listens or not.
        let _ = self.send(DISCONNECT, 0, 0, &[]);
    }
}
