//! The guard in front of every route.
//!
//! Only [`OPEN_PATHS`] pass without login: a route that is added later is closed by default. A browser that opens a page
//! is sent to the login page, everything else gets 401 in JSON. Who is logged in needs the role that the route asks for
//! ([`Rules`]); a change is in the audit log before it is done.

use std::sync::Arc;

use aurochs_api::session::Role;
use axum::body::Body;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::changing;
use super::client::{self, Client, Sender};
use super::session::Token;
use super::{Auth, LoginError, User, page_proof};
use crate::audit::{Act, Ended};
use crate::error::{ApiError, ErrorKind};
use crate::nouns::access::{Access, Asked, Rules};
use crate::web::login_page;

/// All that can be reached without login; metrics too, where whoever started the manager said so.
pub const OPEN_PATHS: [&str; 2] = ["/healthz", "/login"];
/// Whoever watches over the manager asks it as often as they like.
const UNCOUNTED_PATH: &str = "/healthz";

/// What the guard works with. Clones share it.
#[derive(Clone)]
pub struct Guard {
    auth: Auth,
    rules: Arc<Rules>,
}

impl Guard {
    #[must_use]
    pub fn new(auth: Auth, rules: Rules) -> Self {
        Self { auth, rules: Arc::new(rules) }
    }

    /// What the request asks for; none where no route takes it.
    fn asked(&self, parts: &Parts) -> Option<Asked> {
        let pattern = parts.extensions.get::<MatchedPath>()?;
        self.rules.asked(&parts.method, pattern.as_str(), &parts.uri)
    }
}

/// Middleware: lets a request through with its [`Client`] and its [`User`], or answers it.
pub async fn require(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let auth = &guard.auth;
    let (mut parts, body) = request.into_parts();
    let client = Client::of(&parts, |peer| auth.trusts(peer));
    parts.extensions.insert(client.clone());
    let user = if auth.is_open(parts.uri.path()) { Ok(None) } else { identify(auth, &parts, &client).await };
    let name = user.as_ref().ok().and_then(Option::as_ref).map(|user| user.name.as_str());
    if parts.uri.path() != UNCOUNTED_PATH
        && let Err(wait) = auth.take_request(name, &client)
    {
        return too_many().retry_after(wait).into_response();
    }
    match user {
        Ok(Some(user)) => admit(&guard, user, &client, Request::from_parts(parts, body), next).await,
        Ok(None) if auth.is_open(parts.uri.path()) => next.run(Request::from_parts(parts, body)).await,
        Ok(None) if wants_page(&parts) => login_page::send_there(&parts),
        Ok(None) => refuse(not_logged_in(), &parts.headers),
        // A password that is not one of ours may be the one of a proxy before us.
        Err(error) if error.kind == ErrorKind::Unauthorized && wants_page(&parts) => login_page::send_there(&parts),
        Err(error) if error.kind == ErrorKind::Unauthorized => refuse(error, &parts.headers),
        Err(error) => error.into_response(),
    }
}

/// Looks at the role, and at what a change has to leave behind. Where no route takes a request the method alone decides.
async fn admit(guard: &Guard, user: User, client: &Client, mut request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let asked = guard.asked(&parts);
    let access = asked.as_ref().map_or_else(|| Access::of_method(&parts.method), |asked| asked.access);
    request = Request::from_parts(parts, body);
    if access != Access::Read && user.role != Role::Admin {
        let refusal = forbidden(&user, &request);
        let act = changing::act(&user, client, &request, asked.as_ref(), &[]);
        guard.auth.audit().note_refusal(act, Ended::of(refusal.kind.status(), &refusal.message));
        return refusal.into_response();
    }
    match asked.filter(|asked| asked.access == Access::Change) {
        Some(asked) => changing::run(guard.auth.audit(), user, client, &asked, request, next).await,
        None => {
            request.extensions_mut().insert(user);
            next.run(request).await
        }
    }
}

fn forbidden(user: &User, request: &Request<Body>) -> ApiError {
    let (method, path, name) = (request.method(), request.uri().path(), &user.name);
    ApiError::new(
        ErrorKind::Forbidden,
        format_args!("{method} {path} is not done: {name} has the role viewer, which may look and change nothing"),
        format_args!("Ask an admin to do it, or to make you one: aurochs user role {name} admin --data DIR."),
    )
}

fn too_many() -> ApiError {
    ApiError::new(
        ErrorKind::TooManyRequests,
        "there were more requests from here than anybody needs",
        "Wait as long as Retry-After says, then ask less often; a WebSocket under /v1/ws tells of changes by itself.",
    )
}

/// Who sent the request; none without (or with outdated) credentials.
///
/// A session goes before a password: behind a proxy that asks for a password of its own, the browser sends that one along with
/// each request.
async fn identify(auth: &Auth, parts: &Parts, client: &Client) -> Result<Option<User>, ApiError> {
    let own_header = client::has_own_header(&parts.headers);
    let sender = client::sender(&parts.headers, client);
    let own = |user: &User| own_header || auth.page_proof().is_said(user, parts);
    let in_session = match Token::from_cookies(&parts.headers) {
        Some(token) => auth.check_session(token.hash()).await?,
        None => None,
    };
    let refused = match in_session {
        Some(user) if !changes_something(parts) || sender == Sender::SameOrigin || own(&user) => return Ok(Some(user)),
        other => other,
    };
    // No browser sends one by itself, so that no other site's page can.
    if let Some(token) = bearer_token(&parts.headers).filter(|_| auth.accepts_tokens()) {
        return match auth.check_token(token).await {
            // A proxy's own, which it sends along with what its users ask for.
            Err(LoginError::BadToken) if wants_page(parts) => Ok(None),
            found => Ok(Some(found?)),
        };
    }
    let Some((name, password)) = basic_credentials(&parts.headers) else {
        return refused.map_or(Ok(None), |user| Err(foreign(auth, parts, client, Some(&user))));
    };
    // A browser that was once given a password sends it along with other sites' requests, too.
    let is_foreign = changes_something(parts) && sender == Sender::Foreign && !own_header;
    if is_foreign && !page_proof::is_tried(parts) {
        return Err(foreign(auth, parts, client, None));
    }
    // The proxy's password is a wrong one here. The login page comes each time, and the page's many openings are one guess.
    if wants_page(parts) && auth.was_wrong(&name, &password) {
        return Ok(None);
    }
    let user = auth.check_password(&name, &password, client.address).await.map_err(|error| {
        if matches!(error, LoginError::Wrong) {
            auth.note_wrong(&name, client);
        }
        ApiError::from(error)
    })?;
    if is_foreign && !own(&user) {
        return Err(foreign(auth, parts, client, Some(&user)));
    }
    Ok(Some(user))
}

fn foreign(auth: &Auth, parts: &Parts, client: &Client, user: Option<&User>) -> ApiError {
    let error = foreign_request();
    let act = Act::of_client("", client).request(parts.method.as_str(), parts.uri.path(), String::new());
    let act = user.map_or_else(|| act.clone(), |user| act.clone().by(user));
    auth.audit().note_refusal(act, Ended::of(error.kind.status(), &error.message));
    error
}

/// Everything but a plain read; a WebSocket counts, since another site's page could read from it.
fn changes_something(parts: &Parts) -> bool {
    !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) || parts.headers.contains_key(header::UPGRADE)
}

/// For a read that changes something all the same: 403 when another site's page sent it, which a browser does with the
/// user's password.
pub(crate) fn refuse_foreign(headers: &HeaderMap, client: &Client) -> Result<(), ApiError> {
    let foreign = client::sender(headers, client) == Sender::Foreign && !client::has_own_header(headers);
    if foreign { Err(foreign_request()) } else { Ok(()) }
}

fn foreign_request() -> ApiError {
    ApiError::new(
        ErrorKind::Forbidden,
        "the request was sent by another site's page, so it is not done in your name",
        "Do it from the dashboard. A script that uses a session cookie adds the header X-Requested-With: XMLHttpRequest.",
    )
}

/// A browser that opens one of the dashboard's pages.
fn wants_page(parts: &Parts) -> bool {
    let path = parts.uri.path();
    let accepts_html = parts
        .headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("text/html"));
    let is_page = path != "/v1" && !path.starts_with("/v1/") && !path.starts_with("/assets/");
    matches!(parts.method, Method::GET | Method::HEAD) && accepts_html && is_page
}

fn not_logged_in() -> ApiError {
    ApiError::new(
        ErrorKind::Unauthorized,
        "nobody is logged in",
        "Log in on the dashboard, or send a user name and password by HTTP Basic (curl -u admin …).",
    )
}

/// Answers 401. The challenge makes a browser ask for a password by itself, which nobody wants to see over the
/// dashboard: only who opens an address by hand, and what is no browser, gets it.
fn refuse(error: ApiError, headers: &HeaderMap) -> Response {
    let mut response = error.into_response();
    let from_page = headers.get("sec-fetch-mode").is_some_and(|mode| mode != "navigate");
    if !client::has_own_header(headers) && !from_page {
        let challenge = HeaderValue::from_static("Basic realm=\"Aurochs\", charset=\"UTF-8\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// What stands behind `Authorization: Bearer`.
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Name and password of `Authorization: Basic`.
fn basic_credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    // Longhorn's Python client sends an empty pair when it was given nothing.
    (!name.is_empty()).then(|| (name.to_owned(), password.to_owned()))
}

// === impl User ===

impl<S: Sync> FromRequestParts<S> for User {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| ApiError::new(ErrorKind::Unauthorized, "nobody is logged in", "Log in and try again."))
    }
}

// === impl LoginError ===

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Wrong => Self::new(ErrorKind::Unauthorized, &error, "Check both and try again."),
            LoginError::BadToken => Self::new(
                ErrorKind::Unauthorized,
                &error,
                "Send the token of a service account, or a name and a password.",
            ),
            LoginError::NoRole(_) => Self::new(
                ErrorKind::Forbidden,
                &error,
                "Give it a role in the manager's namespace: get on longhorn.io/api to look, update to do everything.",
            ),
            LoginError::TooMany(wait) => {
                Self::new(ErrorKind::TooManyRequests, &error, "Wait, then log in with the right password.")
                    .retry_after(wait)
            }
            LoginError::Busy => Self::new(ErrorKind::Unavailable, &error, "Try again in a moment.")
                .retry_after(std::time::Duration::from_secs(5)),
            LoginError::Failed(reason) => Self::internal("cannot check the login", reason),
        }
    }
}
