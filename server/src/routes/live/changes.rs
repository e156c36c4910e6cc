//! `GET /v1/ws/live`: first everything, then only what changed; of other lists that they did. With `?packed=gzip` everything
//! comes as a gzip file in a binary message. See [`crate::web::live`].

use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::lists;
use crate::app::App;
use crate::auth::User;
use crate::error::ApiError;
use crate::web::live::follow::Followed;
use crate::web::live::hub::Form;
use crate::web::live::socket::{self, Client};
use crate::web::live::upgrade::Upgrade;

/// What may be asked for in the address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    packed: String,
}

/// Switches to the WebSocket.
pub async fn handle(
    State(app): State<App>,
    user: User,
    Query(asked): Query<Asked>,
    upgrade: Upgrade,
) -> Result<Response, ApiError> {
    let form = if asked.packed == "gzip" { Form::Packed } else { Form::Text };
    let followed = Followed::new(app.streams.revisions, lists::sources);
    upgrade.serve(move |socket| socket::run(Client::new(socket, user, app.auth), app.live, followed, form))
}
