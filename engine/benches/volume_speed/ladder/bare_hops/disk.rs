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
use tokio::net::{TcpListener, TcpStream};

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
            Disk::new(&image, stream).run().await;
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
    fn new(image: &Arc<Image>, stream: TcpStream) -> Self {
        let ring = Ring::new().unwrap();
        let ended = ring.readiness().unwrap();
        Self { image: Arc::clone(image), pipe: Pipe::new(stream), ring, ended, in_flight: 0 }
    }

    /// Until the forwarder leaves.
    async fn run(&mut self) {
        loop {
            poll_fn(|context| {
                let mut ready = self.pipe.poll_ready(context).is_ready();
                if let Poll::Ready(guard) = self.ended.poll_read_ready(context) {
                    guard.unwrap().clear_ready();
                    ready = true;
                }
                if ready { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            if !self.pipe.receive() {
                return;
            }
            self.requests();
            while let Some(finished) = self.ring.finished() {
                finished.outcome.unwrap();
                self.in_flight -= 1;
                put(&mut self.pipe, finished.ticket, &finished.buffer);
            }
            self.pipe.send();
        }
    }

    fn requests(&mut self) {
        let mut begun = 0;
        while let Some((ask, payload)) = Ask::first(self.pipe.received()) {
            let action = match ask.kind {
                READ => Action::Read,
                WRITE => Action::Write,
                _ => Action::SyncData,
            };
            let (buffer, length) = match action {
                Action::Read => (AlignedBuf::for_filling(ask.length as usize), ask.length),
                Action::Write => (AlignedBuf::copy_of(payload), 0),
                Action::SyncData => (AlignedBuf::default(), 0),
            };
            let taken = Ask::size(payload);
            self.pipe.take(taken);
            let answer = Answer { slot: ask.slot, length };
            if self.in_flight == 0 && self.pipe.received().is_empty() {
                self.at_once(action, ask.offset, buffer, answer);
                continue;
            }
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

    /// Nothing else is there that could go on beside it.
    fn at_once(&mut self, action: Action, offset: u64, mut buffer: AlignedBuf, answer: Answer) {
        let file = &self.image.0;
        match action {
            Action::Read => file.read_exact_at(buffer.padded_mut(), offset).unwrap(),
            Action::Write => file.write_all_at(buffer.padded(), offset).unwrap(),
            Action::SyncData => file.sync_data().unwrap(),
        }
        put(&mut self.pipe, answer, &buffer);
    }
}

fn put(pipe: &mut Pipe, answer: Answer, buffer: &AlignedBuf) {
    answer.put(&mut pipe.output);
    pipe.output.extend_from_slice(&buffer[..answer.length as usize]);
}
