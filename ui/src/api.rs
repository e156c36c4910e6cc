//! Calls of the manager's REST API. Addresses, bodies and answers come from the types of `aurochs_api`. Addresses are
//! relative: the browser resolves them against the document's base.

use aurochs_api::schema::ErrorBody;
use aurochs_api::session::Session;
use gloo_net::http::{Method, Request, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::live::Thing;
use crate::words::{fill, tr};
use crate::{address, clock};

/// Why a call failed, in two sentences for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ApiError {
    /// What was tried and why it failed.
    pub(crate) message: String,
    /// What to do next; may be empty.
    pub(crate) next_step: String,
}

pub(crate) async fn session() -> Result<Session, ApiError> {
    let response = send(Method::GET, "v1/session", None::<&()>).await?;
    response.json().await.map_err(|error| unreadable("v1/session", &error.to_string()))
}

pub(crate) async fn log_out() -> Result<(), ApiError> {
    send(Method::POST, "logout", None::<&()>).await.map(drop)
}

/// What stands at an address below the root: `v1/backups?limit=10`.
pub(crate) async fn get(address: &str) -> Result<Thing, ApiError> {
    untyped(Method::GET, address, None).await
}

/// Makes a thing (`v1/backuptargets`) or does something with one (`v1/volumes/x?action=expand`).
pub(crate) async fn post(address: &str, body: &Value) -> Result<Thing, ApiError> {
    untyped(Method::POST, address, Some(body)).await
}

pub(crate) async fn put(address: &str, body: &Value) -> Result<Thing, ApiError> {
    untyped(Method::PUT, address, Some(body)).await
}

pub(crate) async fn remove(address: &str) -> Result<(), ApiError> {
    untyped(Method::DELETE, address, None).await.map(drop)
}

/// Address of a thing: `address_of("backups", "b-1")`.
pub(crate) fn address_of(collection: &str, id: &str) -> String {
    format!("v1/{collection}/{}", String::from(js_sys::encode_uri_component(id)))
}

/// An empty answer is a thing without anything.
async fn untyped(method: Method, address: &str, body: Option<&Value>) -> Result<Thing, ApiError> {
    let response = send(method, address, body).await?;
    let text = response.text().await.map_err(|error| unreadable(address, &error.to_string()))?;
    if text.trim().is_empty() {
        return Ok(Value::Null.into());
    }
    serde_json::from_str::<Value>(&text).map(Thing::from).map_err(|error| unreadable(address, &error.to_string()))
}

async fn send<B: Serialize>(method: Method, path: &str, body: Option<&B>) -> Result<Response, ApiError> {
    send_built(RequestBuilder::new(path).method(method), body).await
}

async fn send_built<B: Serialize>(builder: RequestBuilder, body: Option<&B>) -> Result<Response, ApiError> {
    // The header tells the manager that no foreign page's form sent this.
    let builder = builder.header("Accept", "application/json").header("X-Requested-With", "aurochs-ui");
    let request: Result<Request, gloo_net::Error> = match body {
        Some(body) => builder.json(body),
        None => builder.build(),
    };
    let sent = match request {
        Ok(request) => request.send().await,
        Err(error) => Err(error),
    };
    let response = sent.map_err(|_| ApiError {
        message: tr("The manager can't be reached.").to_owned(),
        next_step: tr("Check the connection and try again; nothing was changed.").to_owned(),
    })?;
    match response.status() {
        200..=299 => Ok(response),
        status => Err(refused(status, &response).await),
    }
}

async fn refused(status: u16, response: &Response) -> ApiError {
    if status == 401 {
        address::reload_for_login();
    }
    let body: ErrorBody = read(response).await.unwrap_or_default();
    if body.message.is_empty() {
        let message = fill("The manager answered {} {}.", &[&status, &response.status_text()]);
        return ApiError { message, next_step: body.detail };
    }
    ApiError { message: clock::localized(&body.message), next_step: clock::localized(&body.detail) }
}

async fn read<T: DeserializeOwned>(response: &Response) -> Option<T> {
    response.json().await.ok()
}

fn unreadable(path: &str, why: &str) -> ApiError {
    ApiError {
        message: fill("The answer of {} can't be read: {}.", &[&path, &why]),
        next_step: tr("Reload the page; the manager may have been upgraded.").to_owned(),
    }
}
