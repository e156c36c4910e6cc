//! `GET /v1/ws/live`: first everything, then only what changed; of other lists that they did. See [`crate::web::live`].

use axum::extract::State;
use axum::response::Response;

use super::lists;
use crate::app::App;
use crate::auth::User;
use crate::error::ApiError;
use crate::web::live::follow::Followed;
use crate::web::live::socket::{self, Client};
use crate::web::live::upgrade::Upgrade;

/// Switches to the WebSocket.
pub async fn handle(State(app): State<App>, user: User, upgrade: Upgrade) -> Result<Response, ApiError> {
    let followed = Followed::new(app.streams.revisions, lists::sources);
    upgrade.serve(move |socket| socket::run(Client::new(socket, user, app.auth), app.live, followed))
}
