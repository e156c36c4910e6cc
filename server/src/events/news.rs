//! One piece of news, and what is kept of it.

use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{EventType, ObjectRef, Reason};

/// Kubernetes' own limit of an event's message.
const MESSAGE_LIMIT_BYTES: usize = 1024;

/// Milliseconds since 1970.
pub(super) type UnixMillis = i64;

/// Something that has just happened, or has happened several times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct News {
    /// The same for the same news: [`News::name_of`].
    pub(super) name: String,
    pub(super) object: ObjectRef,
    pub(super) reason: &'static str,
    pub(super) kind: &'static str,
    pub(super) message: String,
    pub(super) count: i64,
    pub(super) first_seen: UnixMillis,
    pub(super) last_seen: UnixMillis,
}

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// `<object>.<16 hex>`, as Kubernetes names events.
    pub name: String,
    pub object: ObjectRef,
    pub reason: String,
    /// `Normal` or `Warning`.
    pub kind: String,
    pub message: String,
    /// How often it happened.
    pub count: u64,
    pub first_seen: OffsetDateTime,
    pub last_seen: OffsetDateTime,
}

impl News {
    pub(super) fn now(object: &ObjectRef, reason: Reason, kind: EventType, message: &str) -> Self {
        let message = shortened(message);
        let seen = millis(OffsetDateTime::now_utc());
        Self {
            name: Self::name_of(object, reason, kind, &message),
            object: object.clone(),
            reason: reason.word(),
            kind: kind.word(),
            message,
            count: 1,
            first_seen: seen,
            last_seen: seen,
        }
    }

    /// Object, reason, type and message make it; an object that was deleted and made again is another.
    fn name_of(object: &ObjectRef, reason: Reason, kind: EventType, message: &str) -> String {
        let mut hash = Sha256::new();
        for part in [&object.kind, &object.name, &object.uid, reason.word(), kind.word(), message] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let hash = hash.finalize();
        let hex: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("{}.{hex}", object.name)
    }

    /// Takes in the same news from a later time.
    pub(super) fn merge(&mut self, later: &Self) {
        self.count = self.count.saturating_add(later.count);
        self.last_seen = self.last_seen.max(later.last_seen);
    }
}

pub(super) fn millis(moment: OffsetDateTime) -> UnixMillis {
    i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

pub(super) fn moment(millis: UnixMillis) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn shortened(message: &str) -> String {
    if message.len() <= MESSAGE_LIMIT_BYTES {
        return message.to_owned();
    }
    let end = message.floor_char_boundary(MESSAGE_LIMIT_BYTES - '…'.len_utf8());
    format!("{}…", &message[..end])
}
