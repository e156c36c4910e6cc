//! From NBD to disks: a write or a flush to all of them, a read to the next one.

use std::future::poll_fn;
use std::net::{SocketAddr, TcpStream};
use std::task::Poll;

use tokio::net::TcpListener;

use super::alone::{self, Line};
use super::message::{Answer, Ask, DISCONNECT, READ};
use super::nbd::{self, Request};
use super::pipe::Pipe;
use crate::ladder::null_device::engine_runtime;

/// Serves one client after the other until it is killed.
pub(crate) fn serve(listen: SocketAddr, size: u64, disks: &[SocketAddr]) {
    engine_runtime().block_on(async {
        let listener = TcpListener::bind(listen).await.unwrap();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            if !matches!(nbd::handshake(&mut stream, size).await, Ok(true)) {
                continue;
            }
            let disks = disks.iter().map(|disk| Line::new(TcpStream::connect(disk).unwrap())).collect();
            if let Some((client, disks)) = alone::forward(Line::new(stream.into_std().unwrap()), disks) {
                Forwarder::new(client, disks).run().await;
            }
        }
    });
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
    fn new(client: Line, disks: Vec<Line>) -> Self {
        let disks = disks.into_iter().map(Pipe::new).collect();
        Self { client: Pipe::new(client), disks, slots: Vec::new(), free: Vec::new(), next: 0 }
    }

    /// Until the client leaves.
    async fn run(&mut self) {
        loop {
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
            poll_fn(|context| {
                let all = std::iter::once(&self.client).chain(&self.disks);
                let ready = all.filter(|pipe| pipe.poll_ready(context).is_ready()).count();
                if ready > 0 { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
    }

    /// Passes on what the client asks; false when it says that it leaves.
    fn requests(&mut self) -> bool {
        let Self { client, disks, slots, free, next } = self;
        loop {
            let Some((request, size)) = nbd::first(client.received()) else { return true };
            let Request { kind, cookie, offset, length } = request;
            if kind == DISCONNECT {
                return false;
            }
            let slot = free.pop().unwrap_or_else(|| {
                slots.push(Slot::default());
                slots.len() as u32 - 1
            });
            let ask = Ask { kind, slot, offset, length };
            let asked = if kind == READ {
                *next = (*next + 1) % disks.len();
                &mut disks[*next..=*next]
            } else {
                &mut disks[..]
            };
            slots[slot as usize] = Slot { cookie, left: asked.len() };
            for disk in asked {
                ask.put(&mut disk.output);
                disk.output.extend_from_slice(&client.received()[nbd::HEADER_BYTES..size]);
            }
            client.take(size);
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
                nbd::put_reply(&mut client.output, slot.cookie);
                client.output.extend_from_slice(data);
                free.push(answer.slot);
            }
            let taken = Answer::size(data);
            disk.take(taken);
        }
    }
}
