//! The way of answers from the runtime's threads to the thread of their queue.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;

use super::request::Outcome;

/// The answer to the request with this tag.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) tag: u16,
    /// Which of the queue's requests: a request that was given up leaves its tag to a later one.
    pub(super) serial: u64,
    pub(super) outcome: Result<Outcome, Errno>,
}

/// What there is to take at once.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) answers: Vec<Answer>,
    /// True: everything is to be answered with an error, now and from now on. False: no more so.
    pub(super) gives_up: Option<bool>,
}

/// The end that answers are put in at.
#[derive(Debug)]
pub(super) struct Answers {
    taken_next: Mutex<Taken>,
    bell: UnixStream,
}

/// The end of the queue's thread.
#[derive(Debug)]
pub(super) struct Inbox {
    answers: Arc<Answers>,
    bell: UnixStream,
}

pub(super) fn channel() -> io::Result<(Arc<Answers>, Inbox)> {
    let (reader, writer) = UnixStream::pair()?;
    let answers = Arc::new(Answers { taken_next: Mutex::default(), bell: writer });
    Ok((Arc::clone(&answers), Inbox { answers, bell: reader }))
}

impl Answers {
    pub(super) fn put(&self, answer: Answer) {
        self.change(|taken| taken.answers.push(answer));
    }

    /// Lets the queue answer everything with an error.
    pub(super) fn give_up(&self) {
        self.change(|taken| taken.gives_up = Some(true));
    }

    /// Ends that: requests that come from now on are served.
    pub(super) fn go_on(&self) {
        self.change(|taken| taken.gives_up = Some(false));
    }

    /// The bell is rung for the first one only, so there is always room.
    fn change(&self, change: impl FnOnce(&mut Taken)) {
        let mut taken = self.taken_next.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = taken.answers.is_empty() && taken.gives_up.is_none();
        change(&mut taken);
        if is_first && let Err(error) = (&self.bell).write_all(&[1]) {
            // The thread has ended, and the kernel's requests with it.
            tracing::debug!(%error, "an answer comes too late for its queue");
        }
    }
}

impl Inbox {
    /// Readable when there is something to take.
    pub(super) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// To be called when [`Inbox::bell`] is readable, before [`Inbox::take`].
    pub(super) fn quiet(&self) -> io::Result<()> {
        (&self.bell).read(&mut [0; 16]).map(drop)
    }

    pub(super) fn take(&self) -> Taken {
        std::mem::take(&mut *self.answers.taken_next.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Answers its request with an error when it is dropped without an answer: the runtime may end before its tasks.
#[derive(Debug)]
pub(super) struct Owed {
    tag: u16,
    serial: u64,
    answers: Option<Arc<Answers>>,
}

impl Owed {
    pub(super) fn new(tag: u16, serial: u64, answers: Arc<Answers>) -> Self {
        Self { tag, serial, answers: Some(answers) }
    }

    pub(super) fn answer(mut self, outcome: Result<Outcome, Errno>) {
        self.put(outcome);
    }

    fn put(&mut self, outcome: Result<Outcome, Errno>) {
        if let Some(answers) = self.answers.take() {
            answers.put(Answer { tag: self.tag, serial: self.serial, outcome });
        }
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        self.put(Err(Errno::EIO));
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use nix::sys::socket::{MsgFlags, recv};

    use super::*;

    fn rings(inbox: &Inbox) -> bool {
        recv(inbox.bell().as_raw_fd(), &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT).is_ok()
    }

    #[test]
    fn many_answers_ring_once_and_a_later_one_again() {
        let (answers, inbox) = channel().unwrap();
        assert!(!rings(&inbox));
        for tag in 0..20_000 {
            answers.put(Answer { tag, serial: tag.into(), outcome: Ok(Outcome::Done) });
        }
        assert!(rings(&inbox));
        inbox.quiet().unwrap();
        assert!(!rings(&inbox));
        assert_eq!(inbox.take().answers.len(), 20_000);
        answers.give_up();
        assert!(rings(&inbox));
        assert_eq!(inbox.take().gives_up, Some(true));
        inbox.quiet().unwrap();
        answers.go_on();
        assert!(rings(&inbox));
        assert_eq!(inbox.take().gives_up, Some(false));
        assert_eq!(inbox.take().gives_up, None);
    }

    #[test]
    fn a_request_whose_task_is_dropped_is_answered() {
        let (answers, inbox) = channel().unwrap();
        drop(Owed::new(7, 1, Arc::clone(&answers)));
        Owed::new(8, 2, answers).answer(Ok(Outcome::Written(512)));
        let taken = inbox.take().answers;
        assert!(matches!(taken[0], Answer { tag: 7, serial: 1, outcome: Err(Errno::EIO) }));
        assert!(matches!(taken[1], Answer { tag: 8, serial: 2, outcome: Ok(Outcome::Written(512)) }));
        assert_eq!(taken.len(), 2);
    }
}
