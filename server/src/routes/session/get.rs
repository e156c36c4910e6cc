//! `GET /v1/session`: who asks.

use aurochs_api::schema::Resource;
use aurochs_api::session::Session;
use axum::Json;
use axum::extract::State;

use crate::app::App;
use crate::auth::User;
use crate::view::envelope;
use crate::web::request_url::RequestUrl;

/// Answers with the user's name and role, the manager's version, and what the page says when it opens the live stream.
pub async fn handle(State(app): State<App>, url: RequestUrl, user: User) -> Json<Resource<Session>> {
    let stream_proof = app.auth.page_proof().of(&user);
    let data = Session {
        user: user.name,
        role: user.role,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        cluster: app.cluster.to_string(),
        stream_proof,
    };
    Json(envelope::singleton("session", &url, data))
}
