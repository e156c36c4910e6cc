//! `POST /v1/<plural>/{name}?action=…`: finds the handler of an action and gives it its body.

use std::pin::Pin;
use std::sync::Arc;

use aurochs_api::describe::Described;
use aurochs_api::schema::{Collection, Resource};
use axum::Json;
use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::auth::User;
use crate::error::{ApiError, ErrorKind};
use crate::feature::Feature;
use crate::routes::body::Body;
use crate::web::request_url::RequestUrl;

/// The query of an action.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ActionQuery {
    pub action: String,
}

/// What an action works on.
#[derive(Clone)]
pub struct Target {
    pub app: App,
    pub url: RequestUrl,
    /// Last part of the address: the thing's name.
    pub name: String,
    /// Name of whoever asks.
    pub user: String,
}

/// What an action can answer.
pub trait Answer: Send {
    fn respond(self) -> Response;
}

impl<T: Serialize + Send> Answer for Resource<T> {
    fn respond(self) -> Response {
        Json(self).into_response()
    }
}

impl<T: Serialize + Send> Answer for Collection<T> {
    fn respond(self) -> Response {
        Json(self).into_response()
    }
}

/// An empty 200, which some of Longhorn's actions answer.
impl Answer for () {
    fn respond(self) -> Response {
        StatusCode::OK.into_response()
    }
}

type Answering = Pin<Box<dyn Future<Output = Result<Response, ApiError>> + Send>>;

/// An action with its handler.
pub struct Handled {
    name: &'static str,
    run: Box<dyn Fn(Target, Request) -> Answering + Send + Sync>,
}

impl Handled {
    pub(super) fn new<Input, Output, F, R>(name: &'static str, handler: F) -> Self
    where
        Input: DeserializeOwned + Described + Send + 'static,
        Output: Answer,
        F: Fn(Target, Input) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Output, ApiError>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let run = move |target: Target, request: Request| -> Answering {
            let handler = handler.clone();
            Box::pin(async move {
                // The body is read before the thing is looked for, so that a malformed one is always told.
                let Body(input) = Body::<Input>::from_request(request, &()).await?;
                Ok(handler(target, input).await?.respond())
            })
        };
        Self { name, run: Box::new(run) }
    }

    /// Of one that reads its body itself, while it comes.
    pub(super) fn streaming<F, R>(name: &'static str, handler: F) -> Self
    where
        F: Fn(Target, Request) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), ApiError>> + Send + 'static,
    {
        let run = move |target: Target, request: Request| -> Answering {
            let done = handler(target, request);
            Box::pin(async move { done.await.map(Answer::respond) })
        };
        Self { name, run: Box::new(run) }
    }

    pub(super) fn later(name: &'static str, noun: &'static str, feature: Feature) -> Self {
        let run = move |target: Target, _: Request| -> Answering {
            let tried = format!("{name} of {noun} {}", target.name);
            Box::pin(async move { Err(ApiError::not_yet(feature, tried)) })
        };
        Self { name, run: Box::new(run) }
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }
}

/// The one handler of all actions of a noun.
pub(super) fn dispatch(noun: &'static str, actions: Arc<Vec<Handled>>) -> MethodRouter<App> {
    let handle = move |State(app): State<App>,
                       url: RequestUrl,
                       user: User,
                       Path(name): Path<String>,
                       Query(query): Query<ActionQuery>,
                       request: Request| {
        let actions = actions.clone();
        async move {
            let found = actions.iter().find(|action| action.name == query.action);
            let found = found.ok_or_else(|| unknown_action(noun, &query.action))?;
            (found.run)(Target { app, url, name, user: user.name }, request).await
        }
    };
    on(MethodFilter::POST, handle)
}

/// Nothing can be done by this name.
pub fn unknown_action(noun: &str, action: &str) -> ApiError {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    let message = if action.is_empty() {
        format!("a POST to {article} {noun} needs an action")
    } else {
        format!("{article} {noun} has no action {action:?}")
    };
    let next_step = format!("The {noun}'s own `actions` are the possible ones: POST to the URL that stands there.");
    ApiError::new(ErrorKind::MethodNotAllowed, message, next_step)
}
