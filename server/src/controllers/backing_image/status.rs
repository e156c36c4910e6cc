//! What an image and its source tell after a pass.

use aurochs_api::backing_image::{BackingImageDiskFileStatus, FileState};
use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::size::ByteSize;
use aurochs_engine::grpc::instance_v1::Image;

use super::super::Error;
use super::first::First;
use super::world::{Copy, Disk, World};
use super::{BackingImages, Findings, WAIT_PERIOD};
use crate::events::{EventType, ObjectRef, Reason};
use crate::resources::backing_image::BackingImageStatus;
use crate::resources::backing_image_data_source::BackingImageDataSourceStatus;
use crate::resources::{BackingImage, BackingImageDataSource, Object, timestamp};

impl BackingImages {
    /// An image has its own UUID from the first pass on: it is a part of the names of its files.
    pub(super) async fn ensure_uuid(&self, image: Object<BackingImage>) -> Result<Object<BackingImage>, Error> {
        if !image.status.uuid.is_empty() {
            return Ok(image);
        }
        let uuid = format!("{:08x}", rand::random::<u32>());
        let owner = self.context.owner.to_string();
        let give = |status: &mut BackingImageStatus| {
            if status.uuid.is_empty() {
                status.uuid.clone_from(&uuid);
                status.owner_id.clone_from(&owner);
            }
        };
        Ok(self.context.store.modify_status::<BackingImage>(image.name(), give).await?)
    }

    /// Writes what changed. `first`: how far the first copy is, while there is none.
    pub(super) async fn tell(
        &self,
        image: &Object<BackingImage>,
        source: &Object<BackingImageDataSource>,
        world: &World,
        first: Option<First>,
        findings: &mut Findings,
    ) -> Result<(), Error> {
        let store = &self.context.store;
        // A pass may have changed where copies are wished.
        let wished = store.get::<BackingImage>(image.name()).await?.spec.disk_file_spec_map;
        let ready = world.ready().next().map(|(_, copy)| copy.clone());
        let is_new = ready.is_some() && image.status.checksum.is_empty();
        findings.causes.extend(failed_copies(image, world, first.is_none()));
        if wished.keys().any(|uuid| matches!(world.disks.get(uuid).map(|disk| &disk.copy), Some(Copy::Unknown(_)))) {
            findings.look_again_in(WAIT_PERIOD);
        }
        findings.causes.sort_by_key(|cause| std::cmp::Reverse(cause.severity));
        let (now, owner) = (timestamp::now(), self.context.owner.to_string());
        let change = |status: &mut BackingImageStatus| {
            status.owner_id.clone_from(&owner);
            status.disk_file_status_map.retain(|uuid, _| wished.contains_key(uuid) || findings.left.contains_key(uuid));
            for (uuid, why) in &findings.left {
                let entry = status.disk_file_status_map.entry(uuid.clone()).or_default();
                put(entry, FileState::FailedAndCleanup, 0, why.clone(), &now);
            }
            for uuid in wished.keys() {
                let (state, progress, message) = told(uuid, world, first.as_ref());
                let entry = status.disk_file_status_map.entry(uuid.clone()).or_default();
                put(entry, state, progress, message, &now);
            }
            if let Some(ready) = &ready {
                take_facts(status, ready);
            }
            if status.causes != findings.causes {
                status.causes.clone_from(&findings.causes);
            }
        };
        let stored = store.modify_status::<BackingImage>(image.name(), change).await?;
        self.tell_source(source, &stored, first.as_ref()).await?;
        if let Some(ready) = ready.filter(|_| first.is_none()) {
            self.end_succeeded(image, ready.size_bytes).await;
            self.end_export(image).await?;
        }
        if is_new {
            let size = stored.status.size;
            let message = format!("Backing image {} is there, with {size}.", image.name());
            self.context.events.emit(&ObjectRef::from(image), Reason::Fetched, EventType::Normal, &message);
        }
        Ok(())
    }

    async fn tell_source(
        &self,
        source: &Object<BackingImageDataSource>,
        image: &Object<BackingImage>,
        first: Option<&First>,
    ) -> Result<(), Error> {
        let owner = self.context.owner.to_string();
        let shown = first.and_then(|first| image.status.disk_file_status_map.get(&first.disk));
        let change = |status: &mut BackingImageDataSourceStatus| {
            status.owner_id.clone_from(&owner);
            status.running_parameters.clone_from(&source.spec.parameters);
            status.checksum.clone_from(&image.status.checksum);
            status.size = image.status.size;
            match first {
                None => (status.current_state, status.progress) = (FileState::Ready, 100),
                Some(first) => {
                    status.current_state = first.state;
                    status.progress = shown.map(|shown| shown.progress).unwrap_or_default();
                }
            }
            status.message = first.map(|first| first.message.clone()).unwrap_or_default();
        };
        let store = &self.context.store;
        store.modify_status::<BackingImageDataSource>(source.name(), change).await?;
        let transferred = first.is_none();
        let hand_over = |source: &mut Object<BackingImageDataSource>| source.spec.file_transferred = transferred;
        store.modify::<BackingImageDataSource>(source.name(), hand_over).await?;
        Ok(())
    }
}

/// What is told of one disk.
fn told(uuid: &str, world: &World, first: Option<&First>) -> (FileState, u32, String) {
    let Some(disk) = world.disks.get(uuid) else {
        return (FileState::Unknown, 0, "no node has this disk".to_owned());
    };
    match (&disk.copy, first) {
        (Copy::Ready(_), _) => (FileState::Ready, 100, String::new()),
        (Copy::Making { done, planned }, _) => (FileState::InProgress, percent(*done, *planned), String::new()),
        (Copy::Unknown(why), _) => (FileState::Unknown, 0, why.clone()),
        (_, Some(first)) if first.disk == uuid => (first.state, 0, first.message.clone()),
        (Copy::Failed(why), _) => (FileState::Failed, 0, why.clone()),
        (Copy::Absent, Some(_)) => (FileState::Pending, 0, "it waits for the first copy".to_owned()),
        (Copy::Absent, None) => (FileState::Pending, 0, String::new()),
    }
}

/// 100 is for what is whole.
fn percent(done: u64, planned: u64) -> u32 {
    let percent = (u128::from(done) * 100).checked_div(u128::from(planned)).unwrap_or(0);
    u32::try_from(percent.min(99)).unwrap_or(0)
}

fn put(entry: &mut BackingImageDiskFileStatus, state: FileState, progress: u32, message: String, now: &str) {
    if entry.state != state || entry.last_state_transition_time.is_empty() {
        now.clone_into(&mut entry.last_state_transition_time);
    }
    "v1".clone_into(&mut entry.data_engine);
    (entry.state, entry.progress, entry.message) = (state, progress, message);
}

fn take_facts(status: &mut BackingImageStatus, copy: &Image) {
    status.checksum.clone_from(&copy.checksum);
    status.size = ByteSize(copy.size_bytes);
    status.virtual_size = ByteSize(copy.virtual_size_bytes);
    status.real_size = ByteSize(copy.real_size_bytes);
}

/// Copies that failed while others are whole.
fn failed_copies(image: &Object<BackingImage>, world: &World, has_one: bool) -> Vec<Cause> {
    let failed = |disk: &Disk| match &disk.copy {
        Copy::Failed(why) if has_one => Some((disk.node.clone(), disk.name.clone(), why.clone())),
        _ => None,
    };
    let causes = world.disks.values().filter_map(failed).map(|(node, disk, why)| {
        let message = format!("The copy of {} on disk {disk} of {node} could not be made: {why}.", image.name());
        let next_step = "It is tried again by itself from another copy.";
        Cause::new(CauseCode::BackingImageFailed, Severity::Warning, message, next_step).about([
            image.name(),
            node.as_str(),
            disk.as_str(),
        ])
    });
    causes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_a_part_of_what_is_planned() {
        assert_eq!(
            [percent(0, 0), percent(5, 0), percent(1, 2), percent(2, 2), percent(u64::MAX, 1)],
            [0, 0, 50, 99, 99]
        );
    }

    #[test]
    fn the_time_is_that_of_the_state_and_not_of_its_progress() {
        let mut entry = BackingImageDiskFileStatus::default();
        put(&mut entry, FileState::InProgress, 1, String::new(), "one");
        put(&mut entry, FileState::InProgress, 2, String::new(), "two");
        assert_eq!((entry.last_state_transition_time.as_str(), entry.progress), ("one", 2));
        put(&mut entry, FileState::Ready, 100, String::new(), "three");
        assert_eq!(entry.last_state_transition_time, "three");
    }
}
