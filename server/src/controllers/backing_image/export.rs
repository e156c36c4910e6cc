//! An image of a volume: the volume is kept up by a ticket of the image's own, a snapshot of it is taken, and read.
//!
//! Invariants: the ticket and the snapshot are there only while the image is being made; the snapshot's name follows from
//! the image, so that a manager that was away finds it.

use std::collections::HashMap;

use aurochs_engine::grpc::engine_v1::{SnapshotCreateRequest, SnapshotNameRequest, StatusRequest};
use aurochs_engine::grpc::instance_v1::ImageExport;
use aurochs_engine::grpc::instance_v1::image_prepare_request::Source;

use super::super::Error;
use super::super::tickets::{self, Purpose, Standing};
use super::BackingImages;
use super::source::{VOLUME_NAME, Wanted};
use crate::instance::{CHANGE_TIMEOUT, LOOK_TIMEOUT, rpc, within};
use crate::resources::engine::InstanceState;
use crate::resources::volume::Robustness;
use crate::resources::volume_attachment::{AttacherType, FrontendWish};
use crate::resources::{BackingImage, Engine, LABEL_VOLUME, Object, Volume, VolumeAttachment};

/// Label of the snapshot: the image that it is taken for.
const LABEL_FOR: &str = "longhorn.io/for-exporting-backing-image";

fn purpose(image: &Object<BackingImage>) -> Purpose<'_> {
    Purpose { kind: AttacherType::BackingImageController, of: image.name() }
}

fn snapshot_name(image: &Object<BackingImage>) -> String {
    format!("backing-image-{}", image.status.uuid)
}

impl BackingImages {
    pub(super) async fn export_of(
        &self,
        image: &Object<BackingImage>,
        name: &str,
        format: &str,
    ) -> Result<Wanted, Error> {
        let store = &self.context.store;
        let Some(volume) = store.find::<Volume>(name).await?.filter(|volume| !volume.is_deleting()) else {
            return Ok(Wanted::Never(format!("there is no volume {name} to export any more")));
        };
        if volume.status.robustness == Robustness::Faulted {
            return Ok(Wanted::Never(format!("volume {name} is faulted")));
        }
        if !volume.is_filled() || !volume.is_restored() {
            return Ok(Wanted::Later(format!("volume {name} is itself being filled")));
        }
        let Some(node) = tickets::node_for(&self.context, &volume).await? else {
            return Ok(Wanted::Later(format!("no node answers on which volume {name} could be")));
        };
        let standing = tickets::want(store, name, &purpose(image), &node, FrontendWish::Either).await?;
        let engine = self.engine_of(name).await?;
        let Some(engine) = engine.filter(|_| standing == Standing::Served) else {
            return Ok(Wanted::Later(format!("volume {name} is being brought up to be read")));
        };
        if let Err(why) = self.take(image, &engine).await? {
            return Ok(Wanted::Never(why));
        }
        let export = ImageExport {
            engine_address: engine.status.address.clone(),
            volume: name.to_owned(),
            snapshot: snapshot_name(image),
            format: format.to_owned(),
        };
        Ok(Wanted::Source(Box::new(Source::Export(export))))
    }

    /// The engine of a volume, if it can be asked.
    async fn engine_of(&self, volume: &str) -> Result<Option<Object<Engine>>, Error> {
        let engines = self.context.store.list_labelled::<Engine>(LABEL_VOLUME, volume).await?;
        let can_be_asked = |engine: &Object<Engine>| {
            engine.status.current_state == InstanceState::Running && !engine.status.address.is_empty()
        };
        Ok(engines.into_iter().find(can_be_asked))
    }

    /// The snapshot that is read; the inner error is a refusal.
    async fn take(&self, image: &Object<BackingImage>, engine: &Object<Engine>) -> Result<Result<(), String>, Error> {
        let name = snapshot_name(image);
        let mut client = self.context.clients.engine(&engine.status.address)?;
        let told = client.status(within(LOOK_TIMEOUT, StatusRequest {})).await;
        let status = told.map_err(rpc(format!("asking engine {}", engine.name())))?.into_inner();
        if status.snapshots.iter().any(|snapshot| snapshot.name == name && !snapshot.removed) {
            return Ok(Ok(()));
        }
        let request = SnapshotCreateRequest {
            name: name.clone(),
            labels: HashMap::from([(LABEL_FOR.to_owned(), image.name().to_owned())]),
            // A purge takes those away that users did not take, and this one is being read.
            user_created: true,
            freeze_filesystem: false,
        };
        let taken = client.snapshot_create(within(CHANGE_TIMEOUT, request)).await;
        match taken.map_err(rpc(format!("taking snapshot {name} of {}", engine.spec.volume_name))) {
            Ok(_) => Ok(Ok(())),
            Err(error) if error.is_unreachable() => Err(error.into()),
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    /// Gives the volume back what was taken of it; does nothing where nothing was.
    pub(super) async fn end_export(&self, image: &Object<BackingImage>) -> Result<(), Error> {
        let Some(volume) = image.spec.source_parameters.get(VOLUME_NAME) else { return Ok(()) };
        let store = &self.context.store;
        let id = purpose(image).ticket_id();
        let tickets = store.find::<VolumeAttachment>(volume).await?;
        if tickets.is_none_or(|tickets| !tickets.spec.attachment_tickets.contains_key(&id)) {
            return Ok(());
        }
        // The ticket keeps the volume up until the snapshot is gone. One that can't be removed now does no harm: it shows
        // among the volume's snapshots, with its label.
        if let Some(engine) = self.engine_of(volume).await? {
            let request = SnapshotNameRequest { name: snapshot_name(image) };
            let mut client = self.context.clients.engine(&engine.status.address)?;
            if let Err(status) = client.snapshot_delete(within(CHANGE_TIMEOUT, request)).await {
                tracing::warn!(volume, error = status.message(), "the snapshot that an image was made of stays");
            }
        }
        tickets::release(store, volume, &purpose(image)).await
    }
}
