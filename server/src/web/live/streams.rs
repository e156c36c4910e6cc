//! The texts of Longhorn's streams: each made once for all who follow it under the same address.
//!
//! Memory is bounded: under an address there are at most [`TEXTS_AT_ONCE`] texts of a list, however many clients
//! follow it and however slowly they read. A new one waits until the oldest was sent or its readers were given up
//! ([`super::socket`] has the limit).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::revisions::Revisions;
use crate::error::ApiError;
use crate::store::Store;

/// The latest, and those before it that slow clients are still reading.
const TEXTS_AT_ONCE: usize = 3;

/// Addresses under which a list is followed: each has texts of its own, and a client can call the manager anything.
const BASES_MAXIMUM: usize = 16;

/// All streams. Clones share them.
#[derive(Clone, Debug)]
pub struct Streams {
    pub(crate) revisions: Revisions,
    followed: Arc<Mutex<HashMap<Key, Weak<Stream>>>>,
}

/// A list and the base of its links.
type Key = (&'static str, String);

/// One list under one address; lives as long as somebody follows it.
#[derive(Debug)]
pub(crate) struct Stream {
    latest: tokio::sync::Mutex<Option<Arc<Text>>>,
    room: Arc<Semaphore>,
}

/// A list as it is sent.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) text: Utf8Bytes,
    /// Another one for another text.
    pub(crate) serial: u64,
    revision: std::sync::atomic::AtomicU64,
    _room: OwnedSemaphorePermit,
}

impl Streams {
    /// Begins to follow the store; to be called inside a tokio runtime.
    #[must_use]
    pub fn start(store: &Store) -> Self {
        Self { revisions: Revisions::start(store), followed: Arc::default() }
    }

    /// A list that is not kept in the store changes when this says so.
    pub(crate) fn follow_also(&self, plural: &'static str, mut changes: watch::Receiver<u64>) {
        let revisions = self.revisions.clone();
        tokio::spawn(async move {
            while changes.changed().await.is_ok() {
                revisions.touch(plural);
            }
        });
    }

    /// The stream of the list with this plural under this base; none when it is followed under too many others.
    pub(crate) fn follow(&self, plural: &'static str, base: &str) -> Option<Arc<Stream>> {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        followed.retain(|_, stream| stream.strong_count() > 0);
        let key = (plural, base.to_owned());
        if let Some(stream) = followed.get(&key).and_then(Weak::upgrade) {
            return Some(stream);
        }
        if followed.keys().filter(|(of, _)| *of == plural).count() >= BASES_MAXIMUM {
            return None;
        }
        let stream =
            Arc::new(Stream { latest: tokio::sync::Mutex::default(), room: Arc::new(Semaphore::new(TEXTS_AT_ONCE)) });
        followed.insert(key, Arc::downgrade(&stream));
        Some(stream)
    }
}

impl Stream {
    /// The list as it is at this revision or later; `make` is called if nobody has it yet.
    pub(crate) async fn text<F>(&self, revision: u64, make: impl FnOnce() -> F) -> Result<Arc<Text>, ApiError>
    where
        F: Future<Output = Result<Utf8Bytes, ApiError>>,
    {
        use std::sync::atomic::Ordering::Relaxed;
        let mut latest = self.latest.lock().await;
        if let Some(text) = latest.as_ref().filter(|text| text.revision.load(Relaxed) >= revision) {
            return Ok(text.clone());
        }
        let room = self.room.clone().acquire_owned().await;
        let room = room.map_err(|error| ApiError::internal("waiting for room for a list", error))?;
        let made = make().await?;
        let serial = match latest.as_ref() {
            Some(before) if before.text == made => {
                before.revision.store(revision, Relaxed);
                return Ok(before.clone());
            }
            Some(before) => before.serial + 1,
            None => 1,
        };
        let text = Arc::new(Text { text: made, serial, revision: revision.into(), _room: room });
        *latest = Some(text.clone());
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Stream {
        Stream { latest: tokio::sync::Mutex::default(), room: Arc::new(Semaphore::new(TEXTS_AT_ONCE)) }
    }

    async fn text(stream: &Stream, revision: u64, text: &'static str) -> Arc<Text> {
        stream.text(revision, || async move { Ok(Utf8Bytes::from_static(text)) }).await.unwrap()
    }

    #[tokio::test]
    async fn a_text_is_made_once_for_all_and_an_equal_one_is_no_new_one() {
        let stream = stream();
        let first = text(&stream, 1, "a").await;
        assert!(Arc::ptr_eq(&first, &text(&stream, 1, "never made").await));
        assert!(Arc::ptr_eq(&first, &text(&stream, 2, "a").await), "nothing in it changed");
        assert_ne!(text(&stream, 3, "b").await.serial, first.serial);
    }

    #[tokio::test]
    async fn one_text_too_many_waits_until_a_first_was_sent() {
        let stream = stream();
        let slow = text(&stream, 1, "a").await;
        let _slow_too = text(&stream, 2, "b").await;
        let _latest = text(&stream, 3, "c").await;
        let fourth = text(&stream, 4, "d");
        tokio::pin!(fourth);
        assert!(futures::poll!(&mut fourth).is_pending());
        drop(slow);
        assert_eq!(fourth.await.text, "d");
    }
}
