//! `POST /logout`: ends the browser's session.

use axum::Extension;
use axum::extract::State;
use axum::http::header;
use axum::response::Response;

use crate::audit::{Act, Ended};
use crate::auth::client::Client;
use crate::auth::{Auth, Proof, User, session};
use crate::error::ApiError;
use crate::web::login_page::see_other;

/// Deletes the session and sends the browser to the login page.
pub(crate) async fn handle(
    State(auth): State<Auth>,
    Extension(client): Extension<Client>,
    user: User,
) -> Result<Response, ApiError> {
    let act = Act::of_client("logout", &client).by(&user);
    if let Proof::Session(token) = user.proof {
        auth.log_out(token).await?;
        tracing::info!(user = user.name, "logged out");
        auth.audit().note(act, Ended::done());
    }
    let mut response = see_other("login");
    response.headers_mut().insert(header::SET_COOKIE, session::forget_cookie(client.is_encrypted));
    Ok(response)
}
