//! `POST /logout`: ends the browser's session.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;

use crate::auth::{Auth, Proof, User, client, session};
use crate::error::ApiError;
use crate::web::login_page::see_other;

/// Deletes the session and sends the browser to the login page.
pub async fn handle(State(auth): State<Auth>, user: User, headers: HeaderMap) -> Result<Response, ApiError> {
    if let Proof::Session(token) = user.proof {
        auth.log_out(token).await?;
        tracing::info!(user = user.name, "logged out");
    }
    let mut response = see_other("login");
    response.headers_mut().insert(header::SET_COOKIE, session::forget_cookie(client::is_https(&headers)));
    Ok(response)
}
