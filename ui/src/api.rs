//! Calls of the manager's REST API. Addresses are relative: the browser resolves them against the document's base.

use aurochs_api::attachment::{AttachInput, DetachInput};
use aurochs_api::schema::ErrorBody;
use aurochs_api::session::Session;
use aurochs_api::snapshot::SnapshotInput;
use aurochs_api::volume::VolumeCreateInput;
use gloo_net::http::{Method, Request, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::address;

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

pub(crate) async fn create_volume(input: &VolumeCreateInput) -> Result<(), ApiError> {
    send(Method::POST, "v1/volumes", Some(input)).await.map(drop)
}

pub(crate) async fn delete_volume(volume: &str) -> Result<(), ApiError> {
    send(Method::DELETE, &volume_path(volume), None::<&()>).await.map(drop)
}

pub(crate) async fn attach(volume: &str, node: &str, maintenance: bool) -> Result<(), ApiError> {
    let input = AttachInput { host_id: node.to_owned(), disable_frontend: maintenance, ..AttachInput::default() };
    act(volume, "attach", &input).await
}

pub(crate) async fn detach(volume: &str) -> Result<(), ApiError> {
    act(volume, "detach", &DetachInput::default()).await
}

/// An empty name lets the manager choose one.
pub(crate) async fn snapshot_create(volume: &str, name: &str) -> Result<(), ApiError> {
    act(volume, "snapshotCreate", &snapshot(name)).await
}

pub(crate) async fn snapshot_revert(volume: &str, name: &str) -> Result<(), ApiError> {
    act(volume, "snapshotRevert", &snapshot(name)).await
}

pub(crate) async fn snapshot_delete(volume: &str, name: &str) -> Result<(), ApiError> {
    act(volume, "snapshotDelete", &snapshot(name)).await
}

fn snapshot(name: &str) -> SnapshotInput {
    SnapshotInput { name: name.to_owned(), ..SnapshotInput::default() }
}

fn volume_path(volume: &str) -> String {
    format!("v1/volumes/{}", String::from(js_sys::encode_uri_component(volume)))
}

async fn act<B: Serialize>(volume: &str, action: &str, body: &B) -> Result<(), ApiError> {
    let builder = RequestBuilder::new(&volume_path(volume)).query([("action", action)]);
    send_built(builder.method(Method::POST), Some(body)).await.map(drop)
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
        message: "The manager can't be reached.".to_owned(),
        next_step: "Check the connection and try again; nothing was changed.".to_owned(),
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
        let message = format!("The manager answered {status} {}.", response.status_text());
        return ApiError { message, next_step: body.detail };
    }
    ApiError { message: body.message, next_step: body.detail }
}

async fn read<T: DeserializeOwned>(response: &Response) -> Option<T> {
    response.json().await.ok()
}

fn unreadable(path: &str, why: &str) -> ApiError {
    ApiError {
        message: format!("The answer of {path} can't be read: {why}."),
        next_step: "Reload the page; the manager may have been upgraded.".to_owned(),
    }
}
