//! From NBD to disks: a write or a flush to all of them, a read to the next one.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::message::{Answer, Ask, DISCONNECT, READ, WRITE};
use super::pipe::Pipe;
use crate::ladder::null_device::engine_runtime;

const HEADER_BYTES: usize = 28;

/// Serves one client after the other until it is killed.
pub(crate) fn serve(listen: SocketAddr, size: u64, disks: &[SocketAddr]) {
    engine_runtime().block_on(async {
        let listener = TcpListener::bind(listen).await.unwrap();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            if let Ok(true) = handshake(&mut stream, size).await {
                let mut forwarder = Forwarder::new(stream, disks).await;
                forwarder.run().await;
            }
        }
    });
}

/// The oldest way to an export, which every client falls back to; false when the client leaves.
async fn handshake(stream: &mut TcpStream, size: u64) -> io::Result<bool> {
    const FIXED_NO_ZEROES: u16 = 3;
    const HAS_FLAGS_FLUSH: u16 = 5;
    const EXPORT_NAME: u32 = 1;
    const ABORT: u32 = 2;
    stream.write_all(b"NBDMAGICIHAVEOPT").await?;
    stream.write_u16(FIXED_NO_ZEROES).await?;
    stream.read_u32().await?;
    loop {
        stream.read_u64().await?;
        let (option, length) = (stream.read_u32().await?, stream.read_u32().await?);
        stream.read_exact(&mut vec![0; length as usize]).await?;
        match option {
            EXPORT_NAME => {
                stream.write_u64(size).await?;
                stream.write_u16(HAS_FLAGS_FLUSH).await?;
                return Ok(true);
            }
            ABORT => return Ok(false),
            _ => {
                stream.write_u64(0x0003_e889_0455_65a9).await?;
                stream.write_u32(option).await?;
                // Not supported.
                stream.write_u32(0x8000_0001).await?;
                stream.write_u32(0).await?;
            }
        }
    }
}

/// A request that waits for answers.
#[derive(Clone, Copy, Default)]
struct Slot {
    cookie: u64,
    left: usize,
}

struct Forwarder {
    client: Pipe,
    disks: Vec<Pipe>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    next: usize,
}

impl Forwarder {
    async fn new(client: TcpStream, addresses: &[SocketAddr]) -> Self {
        let mut disks = Vec::new();
        for address in addresses {
            disks.push(Pipe::new(TcpStream::connect(address).await.unwrap()));
        }
        Self { client: Pipe::new(client), disks, slots: Vec::new(), free: Vec::new(), next: 0 }
    }

    /// Until the client leaves.
    async fn run(&mut self) {
        loop {
            poll_fn(|context| {
                let all = std::iter::once(&self.client).chain(&self.disks);
                let ready = all.filter(|pipe| pipe.poll_ready(context).is_ready()).count();
                if ready > 0 { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            if !self.client.receive() || !self.requests() {
                return;
            }
            for disk in &mut self.disks {
                disk.send();
            }
            for number in 0..self.disks.len() {
                assert!(self.disks[number].receive(), "disk {number} is gone");
                self.answers(number);
            }
            self.client.send();
        }
    }

    /// Passes on what the client asks; false when it says that it leaves.
    fn requests(&mut self) -> bool {
        let Self { client, disks, slots, free, next } = self;
        loop {
            let Some((head, rest)) = client.received().split_at_checked(HEADER_BYTES) else { return true };
            let number = |at: std::ops::Range<usize>| head[at].iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
            let (kind, cookie, length) = (number(6..8) as u16, number(8..16), number(24..28) as u32);
            let payload = if kind == WRITE { length as usize } else { 0 };
            let Some(payload) = rest.get(..payload) else { return true };
            if kind == DISCONNECT {
                return false;
            }
            let slot = free.pop().unwrap_or_else(|| {
                slots.push(Slot::default());
                slots.len() as u32 - 1
            });
            let ask = Ask { kind, slot, offset: number(16..24), length };
            let asked = if kind == READ {
                *next = (*next + 1) % disks.len();
                &mut disks[*next..=*next]
            } else {
                &mut disks[..]
            };
            slots[slot as usize] = Slot { cookie, left: asked.len() };
            for disk in asked {
                ask.put(&mut disk.output);
                disk.output.extend_from_slice(payload);
            }
            let taken = HEADER_BYTES + payload.len();
            client.take(taken);
        }
    }

    /// Answers what all disks have answered that were asked.
    fn answers(&mut self, number: usize) {
        let Self { client, disks, slots, free, .. } = self;
        let disk = &mut disks[number];
        while let Some((answer, data)) = Answer::first(disk.received()) {
            let slot = &mut slots[answer.slot as usize];
            slot.left -= 1;
            if slot.left == 0 {
                client.output.extend_from_slice(&0x6744_6698_u32.to_be_bytes());
                client.output.extend_from_slice(&0_u32.to_be_bytes());
                client.output.extend_from_slice(&slot.cookie.to_be_bytes());
                client.output.extend_from_slice(data);
                free.push(answer.slot);
            }
            let taken = Answer::size(data);
            disk.take(taken);
        }
    }
}
