//! The engine image: one, the version that is installed. It is there by itself, counts who uses it, and tells on which
//! nodes it runs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use aurochs_api::condition::ConditionStatus;
use sha2::{Digest, Sha512};
use tokio::task::JoinHandle;

use super::queue::WorkQueue;
use super::runtime::{self, Controller, Next};
use super::{Context, Error};
use crate::instance::{Answering, InstanceChange};
use crate::resources::engine_image::{EngineImageSpec, EngineImageState, EngineImageStatus, EngineVersions};
use crate::resources::{Engine, EngineImage, Object, Replica, Volume, condition, timestamp};

/// Longhorn's condition and its reason when it does not hold.
const READY: &str = "ready";
const NOT_EVERYWHERE: &str = "daemonSet";

/// The interfaces of Longhorn's engine that ours stands for; clients compare them before they offer an upgrade.
const CLI_API: u32 = 12;
const CLI_API_MINIMUM: u32 = 3;
const CONTROLLER_API: u32 = 6;
const CONTROLLER_API_MINIMUM: u32 = 3;
const DATA_FORMAT: u32 = 1;

/// How long an image of an earlier version stays when nothing has it any more; Longhorn's.
const UNUSED_MAXIMUM: Duration = Duration::from_secs(60 * 60);

/// The image that everything runs.
#[must_use]
pub fn default_image() -> String {
    format!("aurochs-engine:{}", env!("CARGO_PKG_VERSION"))
}

/// The image of what names none is the one that everything runs.
#[must_use]
pub fn named(image: &str) -> String {
    if image.is_empty() { default_image() } else { image.to_owned() }
}

/// What can't be started on a node whose instance manager is of another version. One that is silent is refused for that.
#[must_use]
pub fn lacking_on(answering: &Answering) -> Option<String> {
    let is_another = matches!(answering, Answering::Yes { .. }) && !runs_this_version(answering);
    is_another.then(default_image)
}

/// `ei-<8 hex>` of the image, in Longhorn's form.
#[must_use]
pub fn name_of(image: &str) -> String {
    Sha512::digest(image).iter().take(4).fold("ei-".to_owned(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    })
}

struct Images(Context);

/// The key is the image's name; there is one.
pub fn start(context: &Context) -> Vec<JoinHandle<()>> {
    let queue = WorkQueue::default();
    queue.add(&name_of(&default_image()));
    let key = || vec![name_of(&default_image())];
    vec![
        runtime::feed_from_instances(&context.instances, &queue, move |change| match change {
            InstanceChange::Node(_) => key(),
            InstanceChange::Instance { .. } => Vec::new(),
        }),
        runtime::feed_from_store::<EngineImage>(&context.store, &queue, |image| vec![image.name().to_owned()]),
        runtime::feed_from_store::<Volume>(&context.store, &queue, move |_| key()),
        runtime::run(Arc::new(Images(context.clone())), queue),
    ]
}

impl Controller for Images {
    const NAME: &'static str = "engine-image";

    async fn reconcile(&self, name: &str) -> Result<Next, Error> {
        let Self(context) = self;
        let image = default_image();
        if name != name_of(&image) {
            return self.retire(name).await;
        }
        if context.store.find::<EngineImage>(name).await?.is_none() {
            let spec = EngineImageSpec { image: image.clone() };
            context.store.create(&Object::<EngineImage>::new(name, spec)).await?;
        }
        let count = self.users(&image, true).await?;
        let runs = |node: String| {
            let is_this = runs_this_version(&context.instances.answering(&node));
            (node, is_this)
        };
        let deployment: BTreeMap<String, bool> = context.clients.nodes().into_iter().map(runs).collect();
        let change = |status: &mut EngineImageStatus| {
            status.owner_id = context.owner.to_string();
            status.versions = versions();
            count_users(status, count);
            deploy(status, &deployment);
        };
        context.store.modify_status::<EngineImage>(name, change).await?;
        Ok(Next::After(runtime::RESYNC))
    }
}

impl Images {
    /// An image of an earlier version: it goes when nothing has had it for an hour.
    async fn retire(&self, name: &str) -> Result<Next, Error> {
        let Self(context) = self;
        let Some(image) = context.store.find::<EngineImage>(name).await? else { return Ok(Next::Wait) };
        if image.is_deleting() {
            context.store.remove_finalizer::<EngineImage>(name).await?;
            return Ok(Next::Wait);
        }
        let count = self.users(&image.spec.image, false).await?;
        let change = |status: &mut EngineImageStatus| count_users(status, count);
        let image = context.store.modify_status::<EngineImage>(name, change).await?;
        match stays_for(timestamp::age(&image.status.no_ref_since)) {
            Duration::ZERO => {
                context.store.delete::<EngineImage>(name).await?;
                Ok(Next::After(runtime::RESYNC))
            }
            rest => Ok(Next::After(rest.min(runtime::RESYNC))),
        }
    }

    /// Volumes that have the image, engines and replicas that run it. What names none has the default one.
    async fn users(&self, image: &str, is_default: bool) -> Result<u32, Error> {
        let store = &self.0.store;
        let (volumes, engines, replicas) = tokio::try_join!(
            store.list_shared::<Volume>(),
            store.list_shared::<Engine>(),
            store.list_shared::<Replica>()
        )?;
        let has = |named: &str| named == image || (is_default && named.is_empty());
        let count = volumes.iter().filter(|volume| has(&volume.spec.image)).count()
            + engines.iter().filter(|engine| has(&engine.spec.image)).count()
            + replicas.iter().filter(|replica| has(&replica.spec.image)).count();
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }
}

/// An instance manager of another version starts engines of that version.
fn runs_this_version(answering: &Answering) -> bool {
    matches!(answering, Answering::Yes { version, .. } if version == env!("CARGO_PKG_VERSION"))
}

fn versions() -> EngineVersions {
    EngineVersions {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        cli_api_version: CLI_API,
        cli_api_min_version: CLI_API_MINIMUM,
        controller_api_version: CONTROLLER_API,
        controller_api_min_version: CONTROLLER_API_MINIMUM,
        data_format_version: DATA_FORMAT,
        data_format_min_version: DATA_FORMAT,
        ..EngineVersions::default()
    }
}

fn count_users(status: &mut EngineImageStatus, count: u32) {
    status.ref_count = count;
    if count > 0 {
        status.no_ref_since.clear();
    } else if status.no_ref_since.is_empty() {
        status.no_ref_since = timestamp::now();
    }
}

/// How long an image stays that nothing has had for this time; `None`: something has it.
fn stays_for(unused: Option<Duration>) -> Duration {
    unused.map_or(UNUSED_MAXIMUM, |unused| UNUSED_MAXIMUM.saturating_sub(unused))
}

/// Deployed as long as a node runs it: the binary is installed with the manager. Nodes that do not are named.
fn deploy(status: &mut EngineImageStatus, deployment: &BTreeMap<String, bool>) {
    status.node_deployment_map.clone_from(deployment);
    let lacking: Vec<&str> = deployment.iter().filter(|(_, runs)| !**runs).map(|(node, _)| node.as_str()).collect();
    status.state = if deployment.values().any(|runs| *runs) { EngineImageState::Deployed } else { status.state };
    if lacking.is_empty() {
        condition::set(&mut status.conditions, READY, ConditionStatus::True, "", "");
    } else {
        let message = format!("It does not run on {}.", lacking.join(", "));
        condition::set(&mut status.conditions, READY, ConditionStatus::False, NOT_EVERYWHERE, &message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_images() {
        let name = name_of("longhornio/longhorn-engine:v1.12.1");
        assert!(name.len() == 11 && name.starts_with("ei-"), "{name}");
        assert_ne!(name, name_of(&default_image()));
    }

    #[test]
    fn a_node_that_is_down_does_not_take_the_image_back() {
        let mut status = EngineImageStatus::default();
        let map = |runs: [bool; 2]| [("a".to_owned(), runs[0]), ("b".to_owned(), runs[1])].into();
        deploy(&mut status, &map([false, false]));
        assert_eq!(status.state, EngineImageState::Deploying);
        deploy(&mut status, &map([true, true]));
        assert!(status.state == EngineImageState::Deployed && condition::is_true(&status.conditions, READY));
        deploy(&mut status, &map([true, false]));
        assert_eq!(status.state, EngineImageState::Deployed);
        assert!(condition::find(&status.conditions, READY).unwrap().message.contains("on b"));
        deploy(&mut status, &map([false, false]));
        assert_eq!(status.state, EngineImageState::Deployed, "the manager or the nodes are starting again");
    }

    /// behaviour.md §12, row "cleanup".
    #[tokio::test]
    async fn cleanup_of_an_image_that_nothing_has_had_for_an_hour() {
        use crate::controllers::bench;
        use crate::resources::volume::VolumeSpec;

        for (unused_since, used, expected) in [
            ("", false, "stays"),
            ("2020-01-01T00:00:00Z", false, "goes"),
            ("2020-01-01T00:00:00Z", true, "is counted"),
        ] {
            let (context, _directory) = bench::context(&["node-1"]).await;
            let (store, image) = (&context.store, "aurochs-engine:0.0.1");
            store.create(&Object::<EngineImage>::new("ei-old", EngineImageSpec { image: image.into() })).await.unwrap();
            let before = |status: &mut EngineImageStatus| status.no_ref_since = unused_since.into();
            store.modify_status::<EngineImage>("ei-old", before).await.unwrap();
            if used {
                let spec = VolumeSpec { image: image.into(), ..VolumeSpec::default() };
                store.create(&Object::<Volume>::new("v", spec)).await.unwrap();
            }
            Images(context.clone()).reconcile("ei-old").await.unwrap();
            let after = store.get::<EngineImage>("ei-old").await.unwrap();
            let found = match (after.is_deleting(), after.status.ref_count) {
                (true, _) => "goes",
                (false, 0) => "stays",
                (false, _) => "is counted",
            };
            assert_eq!(found, expected, "{unused_since:?}");
            assert_eq!(after.status.no_ref_since.is_empty(), used);
        }
        let minutes = |count: u64| Duration::from_secs(60 * count);
        for (unused, expected) in [(None, 60), (Some(0), 60), (Some(59), 1), (Some(60), 0), (Some(600), 0)] {
            assert_eq!(stays_for(unused.map(minutes)), minutes(expected), "{unused:?} minutes");
        }
    }

    #[test]
    fn an_image_that_nobody_has_tells_since_when() {
        let mut status = EngineImageStatus::default();
        count_users(&mut status, 0);
        let since = status.no_ref_since.clone();
        assert!(!since.is_empty());
        count_users(&mut status, 0);
        assert_eq!(status.no_ref_since, since, "it does not count up");
        count_users(&mut status, 2);
        assert!(status.no_ref_since.is_empty());
    }
}
