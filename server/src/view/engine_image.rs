//! A version of the engine.

use aurochs_api::engine_image::EngineImage as EngineImageView;

use super::causes;
use super::shown::Shown;
use crate::controllers::engine_image::default_image;
use crate::resources::{EngineImage, Object};

impl Shown for EngineImage {
    type View = EngineImageView;

    fn view(image: &Object<Self>) -> EngineImageView {
        let status = &image.status;
        EngineImageView {
            name: image.name().to_owned(),
            image: image.spec.image.clone(),
            default: image.spec.image == default_image(),
            state: status.state,
            ref_count: status.ref_count,
            no_ref_since: status.no_ref_since.clone(),
            incompatible: status.incompatible,
            node_deployment_map: status.node_deployment_map.clone(),
            conditions: status.conditions.clone(),
            owner_id: status.owner_id.clone(),
            versions: status.versions.clone(),
            causes: causes::of_engine_image(image),
        }
    }
}
