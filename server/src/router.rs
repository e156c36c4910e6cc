//! Table of contents of the API.

use std::collections::HashMap;

use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::{HeaderName, Method};
use axum::routing::{MethodFilter, MethodRouter, on};
use axum::{Router, middleware};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};

use crate::app::App;
use crate::auth::{self, Guard};
use crate::error;
use crate::nouns;
use crate::nouns::access::{Access, Rule, Rules};
use crate::routes::{assets, body, fallback, health, live, metrics, recurring_job, root, session};
use crate::web::connections::tls::Tls;
use crate::web::connections::{self, Door, Limits};
use crate::web::{html, limits, request_url, schemas_header, security_headers};

/// Every route: those of the page and of the API as a whole, then those of its nouns. What is not here is answered by [`fallback`]: the dashboard's pages, slashes too many, unknown paths.
#[must_use]
pub fn table() -> Table {
    let table = Table::default()
        .get("/healthz", health::handle)
        .get("/metrics", metrics::handle)
        .get("/login", session::log_in::show)
        .session("/login", session::log_in::submit)
        .session("/logout", session::log_out::handle)
        .get("/", root::versions::start)
        .get("/v1", root::versions::v1)
        .get("/v1/apiversions", root::versions::list)
        .get("/v1/apiversions/v1", root::versions::v1)
        .get("/v1/openapi.json", root::openapi::handle)
        .get("/v1/schedule", recurring_job::schedule::handle)
        .get("/v1/session", session::get::handle)
        .get("/assets/{*path}", assets::handle)
        .get("/v1/ws/live", live::changes::handle)
        .get("/v1/ws/{resource}", live::lists::handle)
        .get("/v1/ws/{period}/{resource}", live::lists::handle_paced);
    let routes = nouns::all().iter().flat_map(|noun| noun.routes().iter().map(move |route| (noun, route)));
    routes.fold(table, |table, (noun, route)| {
        table.add(route.method.clone(), &route.path, noun.rule(route), route.handler.clone())
    })
}

/// The whole service. Layers from the outside in: request id and log, compression, security headers, pages of
/// JSON for browsers, form of errors, panics, time,
/// size of bodies, login with roles and the audit log.
pub fn service(app: App) -> Router {
    let Table { router, rules, .. } = table();
    let guard = Guard::new(app.auth.clone(), rules);
    let request_id = HeaderName::from_static(limits::REQUEST_ID);
    let layers = ServiceBuilder::new()
        .layer(SetRequestIdLayer::new(request_id.clone(), MakeRequestUuid))
        .layer(PropagateRequestIdLayer::new(request_id))
        .layer(middleware::from_fn_with_state(app.settings.clone(), request_url::configure))
        .layer(middleware::from_fn(limits::trace))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(middleware::from_fn(security_headers::add))
        .layer(middleware::from_fn(schemas_header::add))
        .layer(middleware::from_fn(html::render))
        .layer(middleware::from_fn(error::render))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(middleware::from_fn(limits::time))
        .layer(DefaultBodyLimit::max(body::LIMIT_BYTES))
        .layer(middleware::from_fn_with_state(guard, auth::require::require));
    let routes = router.method_not_allowed_fallback(error::method_not_allowed).fallback(fallback::handle);
    routes.layer(layers).with_state(app)
}

/// Answers connections until `stop` is done, then finishes what is under way.
pub async fn serve(listener: TcpListener, app: App, stop: impl Future<Output = ()>) {
    serve_over(listener, None, app, stop).await;
}

/// The same over TLS, if there is any.
pub async fn serve_over(listener: TcpListener, tls: Option<Tls>, app: App, stop: impl Future<Output = ()>) {
    let auth = app.auth.clone();
    let door = Door { listener, tls, limits: Limits::default() };
    connections::serve(door, service(app), move |peer| auth.trusts(peer), stop).await;
}

fn reading() -> Rule {
    Rule { access: Access::Read, noun: "", actions: HashMap::new() }
}

/// The routes with their list, which tests walk through so that a new route can't be forgotten.
#[derive(Default)]
pub struct Table {
    router: Router<App>,
    entries: Vec<(Method, String)>,
    rules: Rules,
}

impl Table {
    fn get<T: 'static>(self, path: &'static str, handler: impl Handler<T, App>) -> Self {
        self.add(Method::GET, path, reading(), on(MethodFilter::GET, handler))
    }

    /// A form of the page about the session, which changes nothing else.
    fn session<T: 'static>(self, path: &'static str, handler: impl Handler<T, App>) -> Self {
        self.add(Method::POST, path, reading(), on(MethodFilter::POST, handler))
    }

    fn add(mut self, method: Method, path: &str, rule: Rule, handler: MethodRouter<App>) -> Self {
        self.rules.add(method.clone(), path, rule);
        self.router = self.router.route(path, handler);
        self.entries.push((method, path.to_owned()));
        self
    }

    /// Method and path pattern of each route.
    #[must_use]
    pub fn entries(&self) -> &[(Method, String)] {
        &self.entries
    }
}
