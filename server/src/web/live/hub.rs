//! Follows the store and tells all clients what changed, computed once.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aurochs_api::live::{LiveItem, LiveMessage};
use futures::stream::{BoxStream, StreamExt, select_all};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::jobs;
use crate::jobs::Jobs;
use crate::resources::{Engine, InstanceManager, Node, Replica, Setting, Volume, VolumeAttachment};
use crate::store::Store;
use crate::view::envelope::Links;
use crate::view::world::{Change, ThingId, World};
use crate::web::pieces;

/// Changes are gathered for this long: a volume that is attached changes in a dozen places within moments.
pub(crate) const GATHER: Duration = Duration::from_millis(100);
/// Messages that a slow client may lag behind before it gets everything again.
const QUEUE_LENGTH: usize = 256;
/// Things in one message: keeps a message below a megabyte when thousands change at once.
const ITEMS_PER_MESSAGE: usize = 200;
/// Clients for whom everything is written at the same time: with thousands of volumes that is work.
const JOINING_AT_ONCE: usize = 4;
/// KiB of everything that are on their way to clients at the same time: with thousands of volumes one text has many
/// megabytes, and a slow client takes its time.
const JOINING_KIB: usize = 256 << 10;
/// Links of the stream are relative to the application's root: the same text is right for every client, whatever
/// address and prefix it knows us by.
const LINKS: Links<'static> = Links::new(".");

/// The stream that clients join. Clones share it.
#[derive(Clone)]
pub struct Live(Arc<Shared>);

/// A thing as it was told last.
pub(super) struct Told {
    /// Another one each time that anything is told.
    pub(super) version: u64,
    pub(super) item: LiveItem,
}

/// How a client wants everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    /// A gzip file in a binary message.
    Packed,
}

struct Shared {
    /// What was told last, as a client that joins now has to know it.
    told: Mutex<HashMap<ThingId, Arc<Told>>>,
    versions: AtomicU64,
    pieces: pieces::Cache,
    messages: broadcast::Sender<Utf8Bytes>,
    /// Turns of clients that get everything.
    joining: Arc<Semaphore>,
    /// In KiB.
    room: Arc<Semaphore>,
    /// Bytes of everything in each form, as it was sent last: about what the next one has.
    lengths: [AtomicUsize; 2],
}

impl Live {
    /// Begins to follow the store and the jobs, in a task of its own that ends with them.
    #[must_use]
    pub fn start(store: &Store, jobs: &Jobs) -> Self {
        let messages = broadcast::channel(QUEUE_LENGTH).0;
        let joining = Arc::new(Semaphore::new(JOINING_AT_ONCE));
        let live = Self(Arc::new(Shared {
            told: Mutex::default(),
            versions: AtomicU64::new(0),
            pieces: pieces::Cache::default(),
            messages,
            joining,
            room: Arc::new(Semaphore::new(JOINING_KIB)),
            lengths: Default::default(),
        }));
        tokio::spawn(live.clone().follow(changes(store, jobs)));
        live
    }

    /// Room for everything on its way to a client; held until the client has it. Who waits for it holds nothing yet.
    pub(crate) async fn room(&self, form: Form) -> Option<OwnedSemaphorePermit> {
        let kib = (self.0.lengths[form as usize].load(Ordering::Relaxed) / 1024 + 1).min(JOINING_KIB);
        // It is less than 2^18.
        self.0.room.clone().acquire_many_owned(kib as u32).await.ok()
    }

    /// Remembers how long everything was.
    pub(crate) fn note_length(&self, form: Form, bytes: usize) {
        self.0.lengths[form as usize].store(bytes, Ordering::Relaxed);
    }

    /// A turn to write everything; held until it is written.
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        self.0.joining.clone().acquire_owned().await.ok()
    }

    /// Pieces of packed texts that clients share.
    pub(super) fn pieces(&self) -> pieces::Cache {
        self.0.pieces.clone()
    }

    /// A look at all that was told until now. No change is told meanwhile.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&[&LiveItem]) -> T) -> T {
        let told = self.told();
        look(&told.values().map(|told| &told.item).collect::<Vec<_>>())
    }

    /// Everything as it was told until now, and the messages from now on.
    pub(super) fn join(&self) -> (Vec<Arc<Told>>, broadcast::Receiver<Utf8Bytes>) {
        // Under the lock no message can be sent, so none is missed and none comes twice.
        let told = self.told();
        (told.values().cloned().collect(), self.0.messages.subscribe())
    }

    async fn follow(self, mut changes: BoxStream<'static, Change>) {
        let mut world = World::default();
        while let Some(change) = changes.next().await {
            let mut touched: HashSet<ThingId> = world.apply(change).into_iter().collect();
            let gathered = tokio::time::sleep(GATHER);
            tokio::pin!(gathered);
            loop {
                tokio::select! {
                    () = &mut gathered => break,
                    change = changes.next() => match change {
                        Some(change) => touched.extend(world.apply(change)),
                        None => break,
                    },
                }
            }
            self.tell(&world, touched);
        }
    }

    /// Makes the touched views again and sends those that look different now.
    fn tell(&self, world: &World, touched: HashSet<ThingId>) {
        let version = self.0.versions.fetch_add(1, Ordering::Relaxed);
        let mut changed = Vec::new();
        let mut gone = Vec::new();
        for thing in touched {
            let before = self.told().get(&thing).cloned();
            match (world.live_item(&thing, LINKS), before) {
                (Some(now), Some(before)) if now == before.item => {}
                (Some(item), _) => changed.push((thing, Arc::new(Told { version, item }))),
                (None, Some(_)) => gone.push(thing),
                (None, None) => {}
            }
        }
        if changed.is_empty() && gone.is_empty() {
            return;
        }
        let messages = texts(&changed, &gone);
        let mut told = self.told();
        told.extend(changed);
        gone.iter().for_each(|thing| drop(told.remove(thing)));
        for message in messages {
            // Nobody may be listening.
            let _ = self.0.messages.send(message);
        }
    }

    fn told(&self) -> MutexGuard<'_, HashMap<ThingId, Arc<Told>>> {
        self.0.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn texts(changed: &[(ThingId, Arc<Told>)], gone: &[ThingId]) -> Vec<Utf8Bytes> {
    let changed = changed.chunks(ITEMS_PER_MESSAGE).map(|chunk| {
        let items = chunk.iter().map(|(_, told)| told.item.clone()).collect();
        text(&LiveMessage::Changed { items })
    });
    let gone = gone.iter().map(|(kind, id)| text(&LiveMessage::Gone { kind: *kind, id: id.clone() }));
    changed.chain(gone).collect()
}

/// A message as it goes over the wire.
pub(crate) fn text(message: &LiveMessage) -> Utf8Bytes {
    // These types have no maps with keys that JSON can't hold, so this does not fail.
    serde_json::to_string(message).unwrap_or_else(|_| "{\"event\":\"alive\"}".to_owned()).into()
}

/// The watches of all kinds as one stream. It begins with what is there.
fn changes(store: &Store, jobs: &Jobs) -> BoxStream<'static, Change> {
    select_all([
        store.watch::<Volume>().into_stream().map(Change::Volume).boxed(),
        store.watch::<Engine>().into_stream().map(Change::Engine).boxed(),
        store.watch::<Replica>().into_stream().map(Change::Replica).boxed(),
        store.watch::<VolumeAttachment>().into_stream().map(Change::Attachment).boxed(),
        store.watch::<Node>().into_stream().map(Change::Node).boxed(),
        store.watch::<InstanceManager>().into_stream().map(Change::InstanceManager).boxed(),
        store.watch::<Setting>().into_stream().map(Change::Setting).boxed(),
        jobs::changes(jobs).boxed(),
    ])
    .boxed()
}
