//! `GET /v1/backingimages/{name}/download`

use axum::extract::{Path, State};

use crate::error::ApiError;
use crate::feature::Feature;
use crate::resources::BackingImage;
use crate::routes::shown;
use crate::store::Store;

/// Not yet.
pub async fn handle(State(store): State<Store>, Path(name): Path<String>) -> ApiError {
    match store.get::<BackingImage>(&name).await {
        Ok(_) => ApiError::not_yet(Feature::BackingImages, format_args!("downloading backing image {name}")),
        Err(error) => shown::unknown::<BackingImage>(error, &name),
    }
}
