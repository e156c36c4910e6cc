//! Every address that has no handler of its own.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::error;
use crate::web::shell;

/// Longhorn's router drops a slash at the end by a redirect; the dashboard's pages get the shell; the rest is unknown.
pub async fn handle(State(app): State<App>, request: Request) -> Response {
    let path = request.uri().path();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if let Some(location) = without_slash(path, request.uri().query()) {
        return (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, location)]).into_response();
    }
    let is_page = path != "/v1" && !path.starts_with("/v1/") && !path.starts_with("/assets/") && !path.contains('.');
    if reads && is_page {
        shell::respond(path, request.headers(), &app.live)
    } else {
        error::unknown_path(request).await.into_response()
    }
}

/// The same address without the slash at its end, relative to itself: `/v1/volumes/` → `../volumes`.
fn without_slash(path: &str, query: Option<&str>) -> Option<HeaderValue> {
    let name = path.strip_suffix('/')?.rsplit('/').next().filter(|name| !name.is_empty())?;
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    HeaderValue::try_from(format!("../{name}{query}")).ok()
}
