//! `GET /v1/ws/live`: first everything, then only what changed. See [`crate::web::live`].

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::response::Response;

use crate::app::App;
use crate::auth::User;
use crate::web::live::socket::{self, Client};

/// Nobody has anything to say to us here.
pub(super) const INCOMING_LIMIT_BYTES: usize = 4096;

/// Switches to the WebSocket.
pub async fn handle(State(app): State<App>, user: User, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .max_message_size(INCOMING_LIMIT_BYTES)
        .on_upgrade(move |socket| socket::run(Client::new(socket, user, app.auth), app.live))
}
