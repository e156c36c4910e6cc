//! An image behind a connection.

use std::fs::{File, OpenOptions};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::task::Poll;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::sys::ring::{Action, Part, Parts, Ring};
use nix::libc::O_DIRECT;
use tokio::io::unix::AsyncFd;
use tokio::net::TcpListener;

use super::alone::{self, Line};
use super::message::{Answer, Ask, READ, WRITE};
use super::pipe::Pipe;
use crate::ladder::null_device::engine_runtime;

struct Image(File);

impl AsRef<File> for Image {
    fn as_ref(&self) -> &File {
        &self.0
    }
}

/// Serves one forwarder after the other until it is killed.
pub(crate) fn serve(listen: SocketAddr, image: &Path) {
    let file = OpenOptions::new().read(true).write(true).custom_flags(O_DIRECT).open(image).unwrap();
    let image = Arc::new(Image(file));
    engine_runtime().block_on(async {
        let listener = TcpListener::bind(listen).await.unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let line = Line::new(stream.into_std().unwrap());
            if let Some(line) = alone::serve_disk(line, |ask, payload| at_once(&image, ask, payload)) {
                Disk::new(&image, line).run().await;
            }
        }
    });
}

struct Disk {
    image: Arc<Image>,
    pipe: Pipe,
    ring: Ring<Image, Answer>,
    /// The ring's: something has ended.
    ended: AsyncFd<OwnedFd>,
    in_flight: usize,
}

impl Disk {
    fn new(image: &Arc<Image>, line: Line) -> Self {
        let ring = Ring::new().unwrap();
        let ended = ring.readiness().unwrap();
        Self { image: Arc::clone(image), pipe: Pipe::new(line), ring, ended, in_flight: 0 }
    }

    /// Until the forwarder leaves.
    async fn run(&mut self) {
        loop {
            if !self.pipe.receive() {
                return;
            }
            self.requests();
            while let Some(finished) = self.ring.finished() {
                finished.outcome.unwrap();
                self.in_flight -= 1;
                put(&mut self.pipe.output, finished.ticket, &finished.buffer);
            }
            self.pipe.send();
            poll_fn(|context| {
                let mut ready = self.pipe.poll_ready(context).is_ready();
                if let Poll::Ready(guard) = self.ended.poll_read_ready(context) {
                    guard.unwrap().clear_ready();
                    ready = true;
                }
                if ready { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
    }

    fn requests(&mut self) {
        let mut begun = 0;
        while let Some((ask, payload)) = Ask::first(self.pipe.received()) {
            let taken = Ask::size(payload);
            if self.in_flight == 0 && taken == self.pipe.received().len() {
                // Nothing else is there that could go on beside it.
                let answer = at_once(&self.image, ask, payload);
                self.pipe.take(taken);
                self.pipe.output.extend_from_slice(&answer);
                continue;
            }
            let (action, buffer, answer) = transfer(ask, payload);
            self.pipe.take(taken);
            let place = 0..buffer.padded().len();
            let part = Part { file: Arc::clone(&self.image), file_offset: ask.offset, place };
            self.ring.start(action, Parts::from_buf([part]), buffer, answer);
            self.in_flight += 1;
            begun += 1;
        }
        if begun > 0 {
            self.ring.submit().unwrap();
        }
    }
}

fn transfer(ask: Ask, payload: &[u8]) -> (Action, AlignedBuf, Answer) {
    let answer = |length| Answer { slot: ask.slot, length };
    match ask.kind {
        READ => (Action::Read, AlignedBuf::for_filling(ask.length as usize), answer(ask.length)),
        WRITE => (Action::Write, AlignedBuf::copy_of(payload), answer(0)),
        _ => (Action::SyncData, AlignedBuf::default(), answer(0)),
    }
}

/// Does it with calls that wait; the bytes of the answer.
fn at_once(image: &Image, ask: Ask, payload: &[u8]) -> Vec<u8> {
    let (action, mut buffer, answer) = transfer(ask, payload);
    match action {
        Action::Read => image.0.read_exact_at(buffer.padded_mut(), ask.offset).unwrap(),
        Action::Write => image.0.write_all_at(buffer.padded(), ask.offset).unwrap(),
        Action::SyncData => image.0.sync_data().unwrap(),
    }
    let mut bytes = Vec::new();
    put(&mut bytes, answer, &buffer);
    bytes
}

fn put(output: &mut Vec<u8>, answer: Answer, buffer: &AlignedBuf) {
    answer.put(output);
    output.extend_from_slice(&buffer[..answer.length as usize]);
}
