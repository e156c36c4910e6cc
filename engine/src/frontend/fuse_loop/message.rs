//! One message of the kernel, and memory for it.
//!
//! The kernel hands over a message with one read, which has to have room for the largest one, and the data of a write
//! is to lie in aligned memory of its own. So a message is read into three places: what comes before the data of a
//! write, a buffer as long as the last write's data was, and what goes past that. Writes of one length, one after the
//! other, are not copied.

use std::fs::File;
use std::io::{self, IoSliceMut, Read};

use super::request::{HEADER_BYTES, Header, LONGEST_BYTES, WRITE_ARGUMENTS_BYTES};
use crate::disk::{AlignedBuf, BLOCK_SIZE};

const BEFORE_DATA: usize = HEADER_BYTES + WRITE_ARGUMENTS_BYTES;

pub(super) struct Message {
    before_data: [u8; BEFORE_DATA],
    /// Becomes the data of a write of this length.
    data: AlignedBuf,
    rest: Vec<u8>,
    /// Bytes of the message that is there.
    received: usize,
    arguments: [u8; LONGEST_BYTES],
}

impl Message {
    /// `longest_write` bytes is what the kernel was told.
    pub(super) fn with_room_for(longest_write: u32) -> Self {
        Self {
            before_data: [0; BEFORE_DATA],
            data: AlignedBuf::for_filling(BLOCK_SIZE as usize),
            rest: vec![0; longest_write as usize],
            received: 0,
            arguments: [0; LONGEST_BYTES],
        }
    }

    /// Takes the next message from `source`.
    pub(super) fn receive(&mut self, mut source: &File) -> io::Result<()> {
        self.received = 0;
        let places = &mut [
            IoSliceMut::new(&mut self.before_data),
            IoSliceMut::new(&mut self.data),
            IoSliceMut::new(&mut self.rest),
        ];
        self.received = source.read_vectored(places)?;
        Ok(())
    }

    /// `None`: it is no message.
    pub(super) fn header(&self) -> Option<Header> {
        Header::decode(&self.before_data, self.received)
    }

    /// What comes behind the header, as much of it as can matter; of a write, no data.
    pub(super) fn arguments(&mut self, header: Header) -> &[u8] {
        if header.is_write() || self.received <= BEFORE_DATA {
            let end = self.received.clamp(HEADER_BYTES, BEFORE_DATA);
            return &self.before_data[HEADER_BYTES..end];
        }
        let length = (self.received - HEADER_BYTES).min(LONGEST_BYTES);
        let (near, far) = self.arguments[..length].split_at_mut(WRITE_ARGUMENTS_BYTES);
        near.copy_from_slice(&self.before_data[HEADER_BYTES..]);
        copy_behind(&self.data, &self.rest, far);
        &self.arguments[..length]
    }

    /// The data of a write that says it has `length` bytes; `None` if it has not.
    pub(super) fn take_data(&mut self, length: u32) -> Option<AlignedBuf> {
        let length = length as usize;
        if self.received.checked_sub(BEFORE_DATA)? != length {
            return None;
        }
        let next = AlignedBuf::for_filling(length);
        if length == self.data.len() {
            return Some(std::mem::replace(&mut self.data, next));
        }
        let mut data = AlignedBuf::for_filling(length);
        copy_behind(&self.data, &self.rest, &mut data);
        self.data = next;
        Some(data)
    }
}

/// Copies from where the data of a write begins; there is as much as `target` takes.
fn copy_behind(data: &[u8], rest: &[u8], target: &mut [u8]) {
    let (near, far) = target.split_at_mut(target.len().min(data.len()));
    near.copy_from_slice(&data[..near.len()]);
    far.copy_from_slice(&rest[..far.len()]);
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use super::super::request::{Question, Request, Work};
    use super::*;

    const LONGEST_WRITE: u32 = 1 << 20;

    /// A file that a message is read from, as it is from the kernel.
    struct Source(File);

    impl Source {
        fn new() -> Self {
            Self(tempfile::tempfile_in("/var/tmp").unwrap())
        }

        fn hand_over(&mut self, message: &mut Message, bytes: &[u8]) {
            self.0.set_len(0).unwrap();
            self.0.seek(SeekFrom::Start(0)).unwrap();
            self.0.write_all(bytes).unwrap();
            self.0.seek(SeekFrom::Start(0)).unwrap();
            message.receive(&self.0).unwrap();
        }
    }

    fn bytes_of(operation: u32, behind: &[u8]) -> Vec<u8> {
        let length = (HEADER_BYTES + behind.len()) as u32;
        let mut bytes = [length.to_ne_bytes(), operation.to_ne_bytes()].concat();
        bytes.resize(HEADER_BYTES, 0);
        bytes.extend_from_slice(behind);
        bytes
    }

    fn write_of(data: &[u8]) -> Vec<u8> {
        let mut behind = vec![0; WRITE_ARGUMENTS_BYTES];
        behind[16..20].copy_from_slice(&(data.len() as u32).to_ne_bytes());
        behind.extend_from_slice(data);
        bytes_of(16, &behind)
    }

    #[test]
    fn writes_of_changing_lengths_keep_their_data_in_aligned_memory() {
        let (mut source, mut message) = (Source::new(), Message::with_room_for(LONGEST_WRITE));
        let lengths = [4096, 4096, 512, 512, 4096, 1 << 20, 1 << 20, 131_072, 131_072, 1024, 1 << 20, 512];
        for (salt, length) in lengths.into_iter().enumerate() {
            let data: Vec<u8> = (0..length).map(|at| (at % 251 + salt) as u8).collect();
            source.hand_over(&mut message, &write_of(&data));
            let header = message.header().unwrap();
            let request = Request::decode(header, message.arguments(header)).unwrap();
            assert_eq!(request, Request::Work(Work::Write { offset: 0, length: length as u32 }));
            let taken = message.take_data(length as u32).unwrap();
            assert!(taken[..] == data[..], "the data of write {salt}");
            assert_eq!(taken.padded().as_ptr() as usize % 4096, 0);
            assert!(taken.padded()[length..].iter().all(|&byte| byte == 0));
        }
    }

    #[test]
    fn a_name_that_goes_past_the_first_place_is_whole() {
        let (mut source, mut message) = (Source::new(), Message::with_room_for(LONGEST_WRITE));
        for length in [1, 39, 40, 41, 255] {
            let name = vec![b'n'; length];
            for before in [512, 4096] {
                source.hand_over(&mut message, &write_of(&vec![7; before]));
                message.take_data(before as u32).unwrap();
                source.hand_over(&mut message, &bytes_of(1, &[&name[..], &[0]].concat()));
                let header = message.header().unwrap();
                let lookup = Request::Question(Question::Lookup { name: &name });
                assert_eq!(Request::decode(header, message.arguments(header)), Ok(lookup));
            }
        }
        source.hand_over(&mut message, &bytes_of(42, &vec![1; 1 << 20]));
        let header = message.header().unwrap();
        assert_eq!(message.arguments(header).len(), LONGEST_BYTES, "no more than can matter");
    }

    #[test]
    fn what_does_not_have_the_length_it_claims_is_refused() {
        let (mut source, mut message) = (Source::new(), Message::with_room_for(LONGEST_WRITE));
        assert_eq!(message.header(), None, "nothing was read yet");
        let mut bytes = write_of(&[1; 4096]);
        source.hand_over(&mut message, &bytes);
        for claimed in [0, 512, 4095, 4097, 1 << 20, u32::MAX] {
            assert!(message.take_data(claimed).is_none());
        }
        for cut in [0, 4, 39, 40, 79, 80, 4000] {
            source.hand_over(&mut message, &bytes[..cut]);
            assert_eq!(message.header(), None);
        }
        bytes.truncate(60);
        bytes[..4].copy_from_slice(&60_u32.to_ne_bytes());
        source.hand_over(&mut message, &bytes);
        let header = message.header().unwrap();
        assert!(Request::decode(header, message.arguments(header)).is_err(), "its arguments are cut off");
        assert!(message.take_data(0).is_none());
    }
}
