//! `GET /`, `/v1/apiversions` and `/v1`: Longhorn's entry points.

use std::collections::BTreeMap;

use aurochs_api::schema::{Collection, Resource};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::nouns::{self, Noun};
use crate::view::envelope;
use crate::web::request_url::RequestUrl;
use crate::web::shell;

type Version = Resource<BTreeMap<String, String>>;

/// `/`: the dashboard for a browser, the list of versions for everything else.
pub async fn start(State(app): State<App>, url: RequestUrl, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("text/html") {
        shell::respond("/", &headers, &app.live)
    } else {
        list(url).await.into_response()
    }
}

/// All versions: one.
pub async fn list(url: RequestUrl) -> Json<Collection<Version>> {
    let mut list = envelope::collection("apiVersion", &url, vec![version(&url)]);
    list.resource_type.clear();
    Json(list)
}

/// The version with the address of each collection.
pub async fn v1(url: RequestUrl) -> Json<Version> {
    Json(version(&url))
}

fn version(url: &RequestUrl) -> Version {
    let base = url.base();
    let mut links: BTreeMap<String, String> = nouns::all()
        .iter()
        .filter(|noun| noun.is_listed())
        .map(Noun::plural_name)
        .map(|plural| (plural.clone(), format!("{base}/v1/{}", plural.to_lowercase())))
        .collect();
    links.insert("apiVersions".to_owned(), format!("{base}/v1/apiversions"));
    links.insert("self".to_owned(), format!("{base}/v1"));
    Resource {
        id: "v1".to_owned(),
        kind: "apiVersion".to_owned(),
        links,
        actions: BTreeMap::new(),
        data: BTreeMap::new(),
    }
}
