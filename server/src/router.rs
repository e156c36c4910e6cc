//! Table of contents of the API.

use axum::Router;
use axum::routing::get;

use crate::app::App;

/// All routes.
pub fn build(app: App) -> Router {
    Router::new().route("/healthz", get(|| async { "ok" })).with_state(app)
}
