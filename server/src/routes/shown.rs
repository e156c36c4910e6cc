//! Lists and reads of all kinds that are shown as they are ([`Shown`]).

use aurochs_api::action::Acted;
use aurochs_api::describe::Shaped;
use aurochs_api::schema::{Collection, Resource};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::error::ApiError;
use crate::feature::Feature;
use crate::store::{Store, StoreError};
use crate::view::envelope::{self, Links};
use crate::view::shown::{self, Shown};
use crate::web::request_url::RequestUrl;

/// All of a kind, as the API answers them.
pub type List<K> = Json<Collection<Resource<<K as Shown>::View>>>;
/// One of a kind, as the API answers it.
pub type One<K> = Json<Resource<<K as Shown>::View>>;

/// `GET` of a collection: all of a kind, by name.
pub async fn list<K: Shown>(State(store): State<Store>, url: RequestUrl) -> Result<List<K>, ApiError> {
    all::<K>(&store, &url).await.map(Json)
}

/// The same, for what answers a list to something else.
pub async fn all<K: Shown>(store: &Store, url: &RequestUrl) -> Result<Collection<Resource<K::View>>, ApiError> {
    let found = store.list::<K>().await?;
    let data = found.iter().map(|object| shown::resource(object, Links::of(url))).collect();
    Ok(envelope::collection(id::<K>(), url, data))
}

/// `GET` of one.
pub async fn get<K: Shown>(
    State(store): State<Store>,
    url: RequestUrl,
    Path(name): Path<String>,
) -> Result<One<K>, ApiError> {
    let found = store.get::<K>(&name).await.map_err(|error| unknown::<K>(error, &name))?;
    Ok(Json(shown::resource(&found, Links::of(&url))))
}

/// `DELETE` of one: it goes when its controller has cleaned up after it.
pub async fn delete<K: Shown>(State(store): State<Store>, Path(name): Path<String>) -> Result<StatusCode, ApiError> {
    store.delete::<K>(&name).await.map_err(|error| unknown::<K>(error, &name))?;
    tracing::info!(kind = K::KIND, name, "deletion asked for");
    Ok(StatusCode::OK)
}

/// `DELETE` of one whose controller is missing: what others left in the store stays whole.
pub async fn delete_later<K: Shown>(feature: Feature, store: Store, name: String) -> Result<StatusCode, ApiError> {
    store.get::<K>(&name).await.map_err(|error| unknown::<K>(error, &name))?;
    Err(ApiError::not_yet(feature, format_args!("deleting {} {name}", id::<K>())))
}

fn id<K: Shown>() -> &'static str {
    <K::View as Shaped>::shape().id
}

/// Names the kind as the API does: `backupTarget`.
pub(super) fn unknown<K: Shown>(error: StoreError, name: &str) -> ApiError
where
    K::View: Acted,
{
    if error.is_not_found() { ApiError::not_found(id::<K>(), name) } else { error.into() }
}
