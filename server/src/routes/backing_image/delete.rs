//! `DELETE /v1/backingimages/{name}`

use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::error::{ApiError, ErrorKind};
use crate::resources::{BackingImage, Replica, Volume};
use crate::routes::shown;
use crate::store::Store;

/// 200 as soon as the deletion is recorded; the files go in the background. Refused while a volume stands on it.
pub async fn handle(State(store): State<Store>, Path(name): Path<String>) -> Result<StatusCode, ApiError> {
    store.get::<BackingImage>(&name).await.map_err(|error| shown::unknown::<BackingImage>(error, &name))?;
    let volumes = store.list_shared::<Volume>().await?;
    let replicas = store.list_shared::<Replica>().await?;
    let of_volume = volumes.iter().filter(|volume| volume.spec.backing_image == name).map(|volume| volume.name());
    let of_replica =
        replicas.iter().filter(|replica| replica.spec.backing_image == name).map(|one| one.spec.volume_name.as_str());
    if let Some(volume) = of_volume.chain(of_replica).next() {
        let message = format_args!("backing image {name} is not deleted: volume {volume} stands on it");
        return Err(ApiError::new(ErrorKind::Conflict, message, "Delete the volumes that stand on it first."));
    }
    shown::delete::<BackingImage>(State(store), Path(name)).await
}
