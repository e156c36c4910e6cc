//! Who needs an image where, and what the disks have of it.

use std::collections::{BTreeMap, BTreeSet};

use aurochs_engine::grpc::instance_v1::{Image, ImageDisk, ImageListRequest, ImageState};
use futures::future::join_all;

use super::super::{Context, Error};
use crate::instance::{Answering, LOOK_TIMEOUT, within};
use crate::resources::node::READY;
use crate::resources::{BackingImage, Node, Object, Replica, condition};

/// What a disk has of an image.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Copy {
    Absent,
    Making {
        done: u64,
        planned: u64,
    },
    Ready(Box<Image>),
    Failed(String),
    /// Its node is silent, or the disk does not answer.
    Unknown(String),
}

/// A disk of some node.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Disk {
    pub(super) node: String,
    pub(super) name: String,
    pub(super) path: String,
    pub(super) uuid: String,
    /// Its node answers and it can be written to.
    pub(super) ready: bool,
    pub(super) evicting: bool,
    /// A replica that stands on the image is there.
    pub(super) needed: bool,
    pub(super) copy: Copy,
}

/// Everything around one image.
#[derive(Clone, Debug)]
pub(super) struct World {
    /// By UUID: every disk that there is.
    pub(super) disks: BTreeMap<String, Disk>,
    /// Disks with a replica on the image, those that nobody has any more among them.
    pub(super) needed: BTreeSet<String>,
    /// A node has not been heard since the manager started: nothing may be concluded yet.
    pub(super) is_early: bool,
}

impl World {
    pub(super) async fn read(context: &Context, image: &Object<BackingImage>) -> Result<Self, Error> {
        let replicas = context.store.list_shared::<Replica>().await?;
        let of_image = replicas.iter().filter(|replica| replica.spec.backing_image == image.name());
        let needed: BTreeSet<String> =
            of_image.map(|replica| replica.spec.disk_id.clone()).filter(|disk| !disk.is_empty()).collect();
        let nodes = context.store.list_shared::<Node>().await?;
        let is_early = nodes.iter().any(|node| context.instances.answering(node.name()) == Answering::NotYet);
        let mut disks = BTreeMap::new();
        for node in &nodes {
            let answers = context.instances.answers(node.name());
            for (name, spec) in &node.spec.disks {
                let Some(status) = node.status.disk_status.get(name).filter(|status| !status.disk_uuid.is_empty())
                else {
                    continue;
                };
                let uuid = status.disk_uuid.clone();
                let disk = Disk {
                    node: node.name().to_owned(),
                    name: name.clone(),
                    path: spec.path.clone(),
                    ready: answers && !node.is_deleting() && condition::is_true(&status.conditions, READY),
                    evicting: spec.eviction_requested || node.spec.eviction_requested || node.status.auto_evicting,
                    needed: needed.contains(&uuid),
                    copy: Copy::Absent,
                    uuid: uuid.clone(),
                };
                disks.insert(uuid, disk);
            }
        }
        Ok(Self { disks, needed, is_early })
    }

    /// Asks the nodes that have, or may have, a copy.
    pub(super) async fn with_copies(mut self, context: &Context, image: &Object<BackingImage>) -> Self {
        let mentioned = |uuid: &str| {
            image.spec.disk_file_spec_map.contains_key(uuid) || image.status.disk_file_status_map.contains_key(uuid)
        };
        let mut asked: BTreeMap<String, Vec<ImageDisk>> = BTreeMap::new();
        for disk in self.disks.values().filter(|disk| mentioned(&disk.uuid)) {
            let told = ImageDisk { path: disk.path.clone(), uuid: disk.uuid.clone() };
            asked.entry(disk.node.clone()).or_default().push(told);
        }
        let answers = asked.into_iter().map(|(node, disks)| ask(context, node, disks));
        for (disks, answer) in join_all(answers).await {
            for told in disks {
                if let Some(disk) = self.disks.get_mut(&told.uuid) {
                    disk.copy = judge(image, &told.uuid, &answer);
                }
            }
        }
        self
    }

    /// Copies that are whole and hold what the image holds.
    pub(super) fn ready(&self) -> impl Iterator<Item = (&Disk, &Image)> {
        self.disks.values().filter_map(|disk| match &disk.copy {
            Copy::Ready(copy) => Some((disk, &**copy)),
            _ => None,
        })
    }

    /// Whether some disk has the image. One that can't be asked now may have it, once it was anywhere: it is waited for, and
    /// nothing is fetched in its place before somebody takes the disk away.
    pub(super) fn has_ready_copy(&self, image: &Object<BackingImage>) -> bool {
        let is_silent = |uuid: &String| matches!(self.disks.get(uuid).map(|disk| &disk.copy), Some(Copy::Unknown(_)));
        let was_made = !image.status.checksum.is_empty();
        self.ready().next().is_some() || (was_made && image.spec.disk_file_spec_map.keys().any(is_silent))
    }
}

type Told = Result<(Vec<Image>, Vec<ImageDisk>), String>;

async fn ask(context: &Context, node: String, disks: Vec<ImageDisk>) -> (Vec<ImageDisk>, Told) {
    let told = async {
        if !context.instances.answers(&node) {
            return Err(format!("{node} does not answer"));
        }
        let mut client = context.clients.manager(&node).map_err(|error| error.to_string())?;
        let request = within(LOOK_TIMEOUT, ImageListRequest { disks: disks.clone() });
        let reply = client.image_list(request).await.map_err(|status| status.message().to_owned())?.into_inner();
        Ok((reply.images, reply.unreadable))
    };
    let told = told.await;
    (disks, told)
}

/// A copy with other content than the image's is no copy of it.
fn judge(image: &Object<BackingImage>, uuid: &str, told: &Told) -> Copy {
    let (images, unreadable) = match told {
        Ok(told) => told,
        Err(why) => return Copy::Unknown(why.clone()),
    };
    if unreadable.iter().any(|disk| disk.uuid == uuid) {
        return Copy::Unknown("the disk does not answer, or another one is at its path".to_owned());
    }
    let is_it = |one: &&Image| {
        one.place.as_ref().is_some_and(|place| {
            place.disk_uuid == uuid && place.name == image.name() && place.uuid == image.status.uuid
        })
    };
    let Some(found) = images.iter().find(is_it) else { return Copy::Absent };
    match found.state() {
        ImageState::ImageReady => {
            let known = &image.status.checksum;
            if known.is_empty() || *known == found.checksum {
                return Copy::Ready(Box::new(found.clone()));
            }
            Copy::Failed(format!("its file has the SHA-512 {}, and the image has {known}", found.checksum))
        }
        ImageState::ImageFailed => Copy::Failed(found.error.clone()),
        ImageState::ImageInProgress | ImageState::Unspecified => {
            Copy::Making { done: found.done_bytes, planned: found.planned_bytes }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::backing_image::BackingImageSpec;
    use aurochs_engine::grpc::instance_v1::ImagePlace;

    #[test]
    fn a_copy_with_other_content_is_none() {
        let mut image = Object::<BackingImage>::new("a", BackingImageSpec::default());
        (image.status.uuid, image.status.checksum) = ("u1".into(), "good".into());
        let file = |uuid: &str, checksum: &str, state: ImageState| Image {
            place: Some(ImagePlace {
                disk_uuid: "d".into(),
                name: "a".into(),
                uuid: uuid.into(),
                ..Default::default()
            }),
            checksum: checksum.into(),
            state: state.into(),
            ..Image::default()
        };
        let judged = |file: Image| judge(&image, "d", &Ok((vec![file], Vec::new())));
        assert!(matches!(judged(file("u1", "good", ImageState::ImageReady)), Copy::Ready(_)));
        assert!(matches!(judged(file("u1", "bad", ImageState::ImageReady)), Copy::Failed(_)));
        // Of an image of the same name that was deleted.
        assert_eq!(judged(file("u0", "good", ImageState::ImageReady)), Copy::Absent);
        assert!(matches!(judge(&image, "d", &Err("silent".into())), Copy::Unknown(_)));
    }
}
