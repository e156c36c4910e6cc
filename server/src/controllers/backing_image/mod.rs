//! Backing images: one pass moves an image one step towards what its spec says.
//!
//! 1. [`world`] — who needs the image where, and what the disks have of it;
//! 2. [`first`] — while no disk has it: [`source`] says where the first copy comes from, [`export`] has a volume give it;
//! 3. [`copies`] — once one has: to which disks it is copied, and which ones let it go (pure functions);
//! 4. [`files`] — asks the instance managers to make and remove files;
//! 5. [`status`] — states, sizes and causes, written when they changed;
//! 6. [`removal`] — the end of an image; [`work`] — its job.
//!
//! ```text
//!                 chosen           asked            whole, checksum right
//!   (no disk) ──────────► pending ─────► in-progress ─────────────────────► ready
//!                            ▲  (upload: waits)   │ anything else
//!                            └──── after a pause ─┴─► failed
//! ```
//! Invariants:
//! - what an image holds never changes: once its checksum is known, no other content is taken for it, wherever it comes
//!   from, or volumes that stand on it would read other data;
//! - a copy stays where a replica needs it, and the last copy stays as long as the image;
//! - a file is removed after the resource says that it is not wanted there, so that nobody begins to use it meanwhile;
//! - what a silent node has is not known, and nothing is concluded from it.

mod copies;
mod export;
mod files;
mod first;
mod removal;
pub(crate) mod source;
mod status;
mod work;
mod world;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aurochs_api::cause::Cause;
use tokio::task::JoinHandle;

use self::world::World;
use super::queue::WorkQueue;
use super::runtime::{self, Controller, Next};
use super::{Context, Error};
use crate::jobs::JobHandle;
use crate::resources::{BackingImage, BackingImageDataSource, Object, Replica, Volume};
use crate::store::WatchEvent;

/// How soon to look again at what is being made.
const PROGRESS_PERIOD: Duration = Duration::from_secs(1);
/// How soon to look whether somebody uploads, or whether what is waited for is there.
const WAIT_PERIOD: Duration = Duration::from_secs(2);
/// How soon a copy that failed is tried again from another one.
const COPY_PAUSE: Duration = Duration::from_secs(30);

struct BackingImages {
    context: Context,
    /// The jobs of first copies that are being made, by image.
    jobs: Mutex<BTreeMap<String, JobHandle>>,
    /// Held while a disk is chosen: two choices at once would both see the same room.
    choosing: tokio::sync::Mutex<()>,
}

/// Keys are names of images.
pub fn start(context: &Context) -> Vec<JoinHandle<()>> {
    let queue = WorkQueue::default();
    let images =
        BackingImages { context: context.clone(), jobs: Mutex::default(), choosing: tokio::sync::Mutex::default() };
    let of_volume = |volume: &Object<Volume>| named(&volume.spec.backing_image);
    vec![
        runtime::feed_from_store::<BackingImage>(&context.store, &queue, |image| vec![image.name().to_owned()]),
        runtime::feed_from_store::<BackingImageDataSource>(&context.store, &queue, |from| vec![from.name().to_owned()]),
        feed_from_places(context, &queue),
        runtime::feed_from_store::<Volume>(&context.store, &queue, of_volume),
        runtime::feed_from_nodes::<BackingImage>(&context.store, &context.instances, &queue, |_, _| true),
        runtime::feed_from_settings::<BackingImage>(&context.store, &context.settings, &queue),
        runtime::resync::<BackingImage>(&context.store, &queue, runtime::RESYNC),
        runtime::run(Arc::new(images), queue),
    ]
}

fn named(image: &str) -> Vec<String> {
    if image.is_empty() { Vec::new() } else { vec![image.to_owned()] }
}

/// A replica on an image that came, moved or went; what else it tells of itself is nothing to the image.
fn feed_from_places(context: &Context, queue: &WorkQueue) -> JoinHandle<()> {
    let (mut watch, queue) = (context.store.watch::<Replica>(), queue.clone());
    tokio::spawn(async move {
        let mut known: BTreeMap<String, String> = BTreeMap::new();
        while let Some(event) = watch.next().await {
            let replica = event.object();
            let (image, disk) = (&replica.spec.backing_image, &replica.spec.disk_id);
            if image.is_empty() {
                continue;
            }
            let before = match &event {
                WatchEvent::Applied(_) => known.insert(replica.name().to_owned(), disk.clone()),
                WatchEvent::Deleted(_) => {
                    known.remove(replica.name());
                    None
                }
            };
            if before.as_ref() != Some(disk) {
                queue.add(image);
            }
        }
    })
}

/// What a pass found out.
#[derive(Debug, Default)]
struct Findings {
    causes: Vec<Cause>,
    /// Disks with a file that is not wished there and could not be removed, and why.
    left: BTreeMap<String, String>,
    look_again: Option<Duration>,
}

impl Findings {
    fn look_again_in(&mut self, delay: Duration) {
        self.look_again = Some(self.look_again.map_or(delay, |before| before.min(delay)));
    }
}

impl Controller for BackingImages {
    const NAME: &'static str = "backing-image";

    async fn reconcile(&self, name: &str) -> Result<Next, Error> {
        let Some(image) = self.context.store.find::<BackingImage>(name).await? else {
            self.forget_job(name);
            return Ok(Next::Wait);
        };
        if image.is_deleting() {
            return self.remove(&image).await;
        }
        let image = self.ensure_uuid(image).await?;
        let source = self.ensure_source(&image).await?;
        let mut findings = Findings::default();
        let world = World::read(&self.context, &image).await?;
        let image = self.follow_replicas(image, &world).await?;
        let world = world.with_copies(&self.context, &image).await;
        self.sweep(&image, &world, &mut findings).await?;
        let first = if world.has_ready_copy(&image) {
            self.spread(&image, &world, &mut findings).await?;
            None
        } else {
            Some(self.bring_first(&image, &source, &world, &mut findings).await?)
        };
        self.tell(&image, &source, &world, first, &mut findings).await?;
        Ok(findings.look_again.map_or(Next::Wait, Next::After))
    }
}
