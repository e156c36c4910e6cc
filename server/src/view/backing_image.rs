//! A backing image with its copies.

use aurochs_api::backing_image::BackingImage as BackingImageView;

use super::shown::Shown;
use crate::resources::{BackingImage, Object};

impl Shown for BackingImage {
    type View = BackingImageView;

    fn view(image: &Object<Self>) -> BackingImageView {
        let (spec, status) = (&image.spec, &image.status);
        BackingImageView {
            name: image.name().to_owned(),
            uuid: status.uuid.clone(),
            source_type: spec.source_type,
            parameters: spec.source_parameters.clone(),
            expected_checksum: spec.checksum.clone(),
            current_checksum: status.checksum.clone(),
            size: status.size,
            virtual_size: status.virtual_size,
            disk_file_status_map: status.disk_file_status_map.clone(),
            min_number_of_copies: spec.min_number_of_copies,
            node_selector: spec.node_selector.clone(),
            disk_selector: spec.disk_selector.clone(),
            data_engine: spec.data_engine.clone(),
            secret: spec.secret.clone(),
            secret_namespace: spec.secret_namespace.clone(),
            causes: status.causes.clone(),
            deletion_timestamp: image.metadata.deletion_timestamp.clone().unwrap_or_default(),
        }
    }
}
