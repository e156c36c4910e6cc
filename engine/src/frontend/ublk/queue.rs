//! The threads that speak with the driver, one for each queue of the device.
//!
//! ```text
//!           request             data of a write
//! Fetching ────────► Waiting ──────────────────► Serving ─► answered: Fetching again
//!                  (for memory)                    │ the device, on the runtime
//!                                                  ▼ the answer, data of a read
//! ```
//! A tag is `Retired` when the driver does not hold a command for it any more, which happens to all of them when the
//! device is stopped; then the thread ends. Data is copied by the queue's thread alone, while the request is `Serving`:
//! no copy can reach a later request with the same tag. Requests have a serial number besides: after giving up, the device
//! may answer one whose tag has another request by then.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use nix::errno::Errno;
use tokio::runtime::Handle;

use super::answers::{self, Answer, Answers, Inbox, Owed, Taken};
use super::layout::{DeviceInfo, data_position};
use super::request::{Outcome, Request};
use crate::disk::AlignedBuf;
use crate::frontend::BlockDevice;
use crate::frontend::block_error::{BlockError, Explain};
use crate::sys::io_flusher;
use crate::sys::ublk_queue::{Event, QueueRing};

/// Data in flight of one queue; a request that goes past it waits, unless it is alone. With four queues a volume's
/// device holds 128 MiB at most.
const IN_FLIGHT_BYTES: u64 = 32 << 20;

/// The threads of a device. Dropping it leaves them running: they end with their device.
#[derive(Debug)]
pub(super) struct Queues {
    answers: Vec<Arc<Answers>>,
    /// Nothing is ever sent: it is disconnected when the last thread has ended.
    ended: Mutex<mpsc::Receiver<Infallible>>,
    /// The device is started and nobody here is stopping it: should its queues end, somebody else has removed it.
    is_wanted: Arc<AtomicBool>,
}

impl Queues {
    /// Serves all queues of a device. Returns when the driver has everything that it needs to start it.
    pub(super) fn start<D: BlockDevice>(
        device: &Arc<D>,
        channel: File,
        info: &DeviceInfo,
        runtime: &Handle,
    ) -> Result<Self, BlockError> {
        let channel = Arc::new(channel);
        let (running, ended) = mpsc::channel();
        let is_wanted = Arc::new(AtomicBool::new(false));
        let mut queues = Self { answers: Vec::new(), ended: Mutex::new(ended), is_wanted: Arc::clone(&is_wanted) };
        for number in 0..info.queues {
            let attempt = || format!("serve queue {number} of ublk device {}", info.id);
            let (answers, inbox) = answers::channel().explain(attempt, "allow more open files")?;
            let place = Place { channel: Arc::clone(&channel), number, info: *info };
            let (ready, is_ready) = mpsc::channel();
            let serving = (Arc::clone(device), runtime.clone(), Arc::clone(&answers), running.clone());
            let is_wanted = Arc::clone(&is_wanted);
            let thread = std::thread::Builder::new().name(format!("ublk-{}-{number}", info.id));
            let work = move || {
                let (device, runtime, answers, _running) = serving;
                match Queue::open(device, runtime, place, answers, inbox) {
                    Ok(queue) => {
                        drop(ready.send(Ok(())));
                        queue.run(&is_wanted);
                    }
                    Err(error) => drop(ready.send(Err(error))),
                }
            };
            thread.spawn(work).explain(attempt, "check the process limits")?;
            let is_ready = is_ready.recv().unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()));
            is_ready.explain(attempt, super::SEE_KERNEL)?;
            queues.answers.push(answers);
        }
        Ok(queues)
    }

    /// Says whether the device is to be there: true when it has been started, false before it is stopped.
    pub(super) fn want(&self, is_wanted: bool) {
        self.is_wanted.store(is_wanted, Ordering::Release);
    }

    /// Answers everything with an error, so that a device whose volume does not answer can be stopped.
    pub(super) fn give_up(&self) {
        for answers in &self.answers {
            answers.give_up();
        }
    }

    /// Serves again after [`give_up`](Self::give_up): the device could not be stopped.
    pub(super) fn go_on(&self) {
        for answers in &self.answers {
            answers.go_on();
        }
    }

    /// Waits for the threads of a stopped device.
    pub(super) fn ended(&self, patience: Duration) -> bool {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(ended.recv_timeout(patience), Err(mpsc::RecvTimeoutError::Disconnected))
    }
}

/// Which queue.
struct Place {
    channel: Arc<File>,
    number: u16,
    info: DeviceInfo,
}

#[derive(Clone, Copy, Debug)]
enum Slot {
    /// The driver holds a command for it.
    Fetching,
    Waiting(Request),
    Serving {
        request: Request,
        serial: u64,
    },
    Retired,
}

struct Queue<D> {
    device: Arc<D>,
    runtime: Handle,
    place: Place,
    ring: QueueRing,
    answers: Arc<Answers>,
    inbox: Inbox,
    slots: Vec<Slot>,
    /// Tags of those that wait, longest first.
    waiting: VecDeque<u16>,
    in_flight_bytes: u64,
    last_serial: u64,
    given_up: bool,
}

impl<D: BlockDevice> Queue<D> {
    /// On the thread that serves it from then on.
    fn open(device: Arc<D>, runtime: Handle, place: Place, answers: Arc<Answers>, inbox: Inbox) -> io::Result<Self> {
        if let Err(error) = io_flusher::mark_this_thread() {
            tracing::warn!(%error, "the ublk thread may be asked to write out its own clients' memory");
        }
        let depth = place.info.depth;
        let mut ring = QueueRing::open(Arc::clone(&place.channel), place.number, depth)?;
        for tag in 0..depth {
            ring.fetch(tag)?;
        }
        ring.watch(inbox.bell())?;
        ring.submit()?;
        // No request can come before the device is started: this is a refusal.
        if let Some(Event::Ended { error, .. }) = ring.next() {
            return Err(error);
        }
        let slots = vec![Slot::Fetching; depth.into()];
        let (waiting, in_flight_bytes) = (VecDeque::new(), 0);
        let (last_serial, given_up) = (0, false);
        Ok(Self {
            device,
            runtime,
            place,
            ring,
            answers,
            inbox,
            slots,
            waiting,
            in_flight_bytes,
            last_serial,
            given_up,
        })
    }

    fn run(mut self, is_wanted: &AtomicBool) {
        let (id, queue) = (self.place.info.id, self.place.number);
        match self.serve() {
            Ok(()) if is_wanted.load(Ordering::Acquire) => {
                tracing::error!(id, queue, "the ublk device was removed by somebody else");
                self.device.frontend_broke(&format!("ublk device {id} was removed by somebody else"));
            }
            Ok(()) => tracing::debug!(id, queue, "a queue of the ublk device has ended"),
            // Its requests wait for the next engine, as if this one had been killed.
            Err(error) => {
                tracing::error!(id, queue, %error, "a queue of the ublk device is not served any more");
                let reason = format!("queue {queue} of ublk device {id} could not be served any more: {error}");
                self.device.frontend_broke(&reason);
            }
        }
    }

    /// Until the driver holds no command any more.
    fn serve(&mut self) -> io::Result<()> {
        while self.slots.iter().any(|slot| !matches!(slot, Slot::Retired)) {
            self.ring.wait()?;
            while let Some(event) = self.ring.next() {
                match event {
                    Event::Request(tag) => self.receive(tag)?,
                    Event::Ended { tag, error } => self.retire(tag, &error),
                    Event::Readable => {
                        self.inbox.quiet()?;
                        self.ring.watch(self.inbox.bell())?;
                    }
                }
            }
            self.answer_all()?;
            self.begin_waiting()?;
        }
        Ok(())
    }

    fn receive(&mut self, tag: u16) -> io::Result<()> {
        let Some(descriptor) = self.ring.descriptor(tag) else { return Ok(()) };
        match Request::decode(descriptor, self.place.info.largest_request_bytes) {
            _ if self.given_up => self.commit(tag, Err(Errno::EIO)),
            Ok(request) => {
                self.set(tag, Slot::Waiting(request));
                self.waiting.push_back(tag);
                Ok(())
            }
            Err(refusal) => {
                tracing::warn!(?descriptor, %refusal, "the kernel asks for what was not offered");
                self.commit(tag, Err(refusal))
            }
        }
    }

    /// As many of the waiting ones as there is memory for.
    fn begin_waiting(&mut self) -> io::Result<()> {
        while let Some(&tag) = self.waiting.front() {
            let Some(&Slot::Waiting(request)) = self.slots.get(usize::from(tag)) else {
                self.waiting.pop_front();
                continue;
            };
            let bytes = request.data_bytes();
            if self.in_flight_bytes > 0 && bytes > 0 && self.in_flight_bytes + bytes > IN_FLIGHT_BYTES {
                return Ok(());
            }
            self.waiting.pop_front();
            self.begin(tag, request)?;
        }
        Ok(())
    }

    fn begin(&mut self, tag: u16, request: Request) -> io::Result<()> {
        let payload = match request {
            Request::Write { length, .. } => {
                let mut payload = AlignedBuf::for_filling(length as usize);
                let position = data_position(self.place.number, tag);
                if let Err(error) = self.place.channel.read_exact_at(&mut payload, position) {
                    tracing::warn!(%error, "the data of a write could not be had from the kernel");
                    return self.commit(tag, Err(Errno::EIO));
                }
                payload
            }
            _ => AlignedBuf::default(),
        };
        self.last_serial += 1;
        let serial = self.last_serial;
        self.set(tag, Slot::Serving { request, serial });
        self.in_flight_bytes += request.data_bytes();
        let (device, owed) = (Arc::clone(&self.device), Owed::new(tag, serial, Arc::clone(&self.answers)));
        self.runtime.spawn(async move {
            let outcome = request.carry_out(&*device, payload).await;
            owed.answer(outcome);
        });
        Ok(())
    }

    fn answer_all(&mut self) -> io::Result<()> {
        let Taken { answers, gives_up } = self.inbox.take();
        for Answer { tag, serial: answered, outcome } in answers {
            // After giving up, late answers are to requests that are answered already.
            if let Some(&Slot::Serving { request, serial }) = self.slots.get(usize::from(tag))
                && serial == answered
            {
                self.in_flight_bytes -= request.data_bytes();
                let result = outcome.and_then(|outcome| self.hand_over(tag, outcome));
                self.commit(tag, result)?;
            }
        }
        if let Some(gives_up) = gives_up {
            self.given_up = gives_up;
        }
        if gives_up == Some(true) {
            self.fail_all()?;
        }
        Ok(())
    }

    /// What the device has goes on, and counts no more.
    fn fail_all(&mut self) -> io::Result<()> {
        self.waiting.clear();
        self.in_flight_bytes = 0;
        for tag in 0..self.place.info.depth {
            if let Some(Slot::Waiting(_) | Slot::Serving { .. }) = self.slots.get(usize::from(tag)) {
                self.commit(tag, Err(Errno::EIO))?;
            }
        }
        Ok(())
    }

    /// What the driver is told of a success, after it has been given the data.
    fn hand_over(&self, tag: u16, outcome: Outcome) -> Result<i32, Errno> {
        match outcome {
            Outcome::Data(data) => {
                let position = data_position(self.place.number, tag);
                self.place.channel.write_all_at(&data, position).map_err(|error| {
                    tracing::warn!(%error, "the kernel did not take the data of a read");
                    Errno::EIO
                })?;
                i32::try_from(data.len()).map_err(|_| Errno::EIO)
            }
            Outcome::Written(length) => i32::try_from(length).map_err(|_| Errno::EIO),
            Outcome::Done => Ok(0),
        }
    }

    fn commit(&mut self, tag: u16, result: Result<i32, Errno>) -> io::Result<()> {
        self.set(tag, Slot::Fetching);
        self.ring.commit(tag, result.unwrap_or_else(|error| -(error as i32)))
    }

    fn retire(&mut self, tag: u16, error: &io::Error) {
        // What a stopped device says.
        if error.raw_os_error() != Some(Errno::ENODEV as i32) {
            tracing::error!(tag, %error, "the ublk driver refuses a command");
            let id = self.place.info.id;
            self.device.frontend_broke(&format!("the driver of ublk device {id} refuses a command: {error}"));
        }
        self.set(tag, Slot::Retired);
    }

    fn set(&mut self, tag: u16, slot: Slot) {
        if let Some(place) = self.slots.get_mut(usize::from(tag)) {
            *place = slot;
        }
    }
}
