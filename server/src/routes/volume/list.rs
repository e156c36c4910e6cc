//! `GET /v1/volumes`

use std::convert::Infallible;

use aurochs_api::schema::{Collection, Resource};
use aurochs_api::volume::Volume;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::error::ApiError;
use crate::view::envelope::{self, Links};
use crate::view::volume;
use crate::view::volume_list::{VolumeList, fingerprint};
use crate::web::encoding::{Encoding, Preferences};
use crate::web::pieces::{self, Cache, Item, Pieced};
use crate::web::request_url::RequestUrl;

/// A longer plain list is sent piece by piece.
const WHOLE_MAXIMUM_BYTES: usize = 1 << 20;

/// All volumes, by name. A client that has the list already (`If-None-Match`) hears so.
pub async fn handle(State(app): State<App>, url: RequestUrl, headers: HeaderMap) -> Result<Response, ApiError> {
    let volumes = VolumeList::load(&app.store).await?;
    let cache = app.volume_pieces.clone();
    let made = tokio::task::spawn_blocking(move || write(&volumes, &cache, &url)).await;
    let list = made.map_err(|error| ApiError::internal("writing the list of volumes", error))??;
    Ok(answer(list, &headers))
}

fn write(volumes: &VolumeList, cache: &Cache, url: &RequestUrl) -> Result<Pieced, ApiError> {
    let links = Links::of(url);
    let (head, tail) = around(url, links)?;
    let parts: Vec<_> = volumes.iter().collect();
    let items: Vec<_> =
        parts.iter().map(|parts| Item { name: parts.volume.name(), fingerprint: fingerprint(parts) }).collect();
    let mut failure = None;
    let list = cache.list(url.base(), head, tail, &items, |index, text| {
        if let Err(error) = serde_json::to_writer(text, &volume::resource(&parts[index], links)) {
            failure = Some(ApiError::internal("writing a volume", error));
        }
    });
    failure.map_or(Ok(list), Err)
}

/// What stands before the first and behind the last volume.
fn around(url: &RequestUrl, links: Links<'_>) -> Result<(Vec<u8>, &'static [u8]), ApiError> {
    let mut list: Collection<Resource<Volume>> = envelope::collection("volume", url, Vec::new());
    list.create_types = Some([("volume".to_owned(), links.collection("volume"))].into());
    let text = serde_json::to_string(&list).map_err(|error| ApiError::internal("writing a list", error))?;
    // `data` is the last field of a collection.
    Ok(pieces::around(text))
}

fn answer(list: Pieced, headers: &HeaderMap) -> Response {
    let tag = format!("\"{:016x}\"", list.fingerprint());
    let known = headers.get_all(header::IF_NONE_MATCH).iter().any(|known| known.as_bytes() == tag.as_bytes());
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else if wants_gzip(headers) {
        ([(header::CONTENT_ENCODING, "gzip")], list.gzip()).into_response()
    } else if list.text_length() <= WHOLE_MAXIMUM_BYTES {
        list.parts().flatten().collect::<Vec<u8>>().into_response()
    } else {
        Body::from_stream(futures::stream::iter(list.parts().map(Ok::<_, Infallible>))).into_response()
    };
    let answered = response.headers_mut();
    answered.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answered.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    // A stored answer may be used after asking us only.
    answered.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        answered.insert(header::ETAG, tag);
    }
    response
}

fn wants_gzip(headers: &HeaderMap) -> bool {
    let preferences = Preferences::of(headers);
    let mut wanted = preferences.best_first();
    wanted.find(|encoding| *encoding != Encoding::Brotli) == Some(Encoding::Gzip)
}
