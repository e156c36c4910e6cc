//! The right, and the duty, to answer one request.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::sync::Arc;

use nix::errno::Errno;

use super::answer;

/// Where a request came from. One that is dropped without an answer fails with `EIO`: whoever asked would wait for ever.
#[derive(Debug)]
pub(super) struct Reply {
    kernel: Arc<File>,
    number: u64,
    answered: bool,
}

impl Reply {
    pub(super) fn new(kernel: &Arc<File>, number: u64) -> Self {
        Self { kernel: Arc::clone(kernel), number, answered: false }
    }

    /// Success, with what the request asked for.
    pub(super) fn with(self, body: &[u8]) {
        let header = answer::header(self.number, body.len(), None);
        self.send(|mut kernel| kernel.write_vectored(&[IoSlice::new(&header), IoSlice::new(body)]));
    }

    /// Success, and nothing to tell.
    pub(super) fn done(self) {
        let header = answer::header(self.number, 0, None);
        self.send(|mut kernel| kernel.write(&header));
    }

    pub(super) fn written(self, length: u32) {
        let body = answer::written(length);
        let mut bytes = [0; answer::HEADER_BYTES + 8];
        bytes[..answer::HEADER_BYTES].copy_from_slice(&answer::header(self.number, body.len(), None));
        bytes[answer::HEADER_BYTES..].copy_from_slice(&body);
        self.send(|mut kernel| kernel.write(&bytes));
    }

    pub(super) fn failed(mut self, error: Errno) {
        self.fail(error);
    }

    /// Some requests get no answer.
    pub(super) fn without(mut self) {
        self.answered = true;
    }

    pub(super) fn result(self, result: Result<(), Errno>) {
        match result {
            Ok(()) => self.done(),
            Err(error) => self.failed(error),
        }
    }

    fn send(mut self, write: impl FnOnce(&File) -> io::Result<usize>) {
        self.answered = true;
        if let Err(error) = write(&self.kernel) {
            self.complain(&error);
        }
    }

    fn fail(&mut self, error: Errno) {
        self.answered = true;
        let header = answer::header(self.number, 0, Some(error));
        if let Err(error) = (&*self.kernel).write(&header) {
            self.complain(&error);
        }
    }

    /// `ENOENT`: whoever asked was killed and has not waited. `ENODEV`, `EPERM`: the file system is gone.
    fn complain(&self, error: &io::Error) {
        let gone = [Errno::ENOENT, Errno::ENODEV, Errno::EPERM].map(|errno| Some(errno as i32));
        if !gone.contains(&error.raw_os_error()) {
            tracing::error!(number = self.number, %error, "the kernel's FUSE takes no answer");
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if !self.answered {
            self.fail(Errno::EIO);
        }
    }
}
