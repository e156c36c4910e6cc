//! A manager without controllers: the store holds what a test puts there.

use aurochs_server::auth::Auth;
use aurochs_server::router::{self, Api};
use aurochs_server::store::Store;
use aurochs_server::store::sqlite::Sqlite;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::sync::Arc;
use tempfile::TempDir;
use tower::ServiceExt;

pub(crate) const USER: &str = "ann";
pub(crate) const PASSWORD: &str = "correct horse";

pub(crate) struct Manager {
    pub(crate) api: Api,
    service: Router,
    pub(crate) directory: TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {:?}", self.text))
    }

    pub(crate) fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Manager {
    /// With the users `ann` and `bob`.
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // The cheapest bcrypt: the tests are not about its cost.
        let line = |name, password| format!("{name}:{}\n", bcrypt::hash(password, 4).unwrap());
        let users = line(USER, PASSWORD) + &line("bob", "bob's password");
        std::fs::write(directory.path().join("users"), users).unwrap();
        let sqlite = Sqlite::open(&directory.path().join("aurochs.db")).await.unwrap();
        let (auth, first) = Auth::open(directory.path(), sqlite.pool()).unwrap();
        assert!(first.is_none());
        let api = Api::new(Store::new(Arc::new(sqlite)), auth, "test", None);
        Self { service: router::service(api.clone()), api, directory }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.service.clone().oneshot(request).await.unwrap();
        read(response).await
    }

    /// A request with HTTP Basic.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        let request = Request::builder().method(method).uri(path).header(header::HOST, "manager:9500");
        let request = request.header(header::AUTHORIZATION, basic(USER, PASSWORD));
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, "").await
    }

    pub(crate) fn store(&self) -> &Store {
        &self.api.store
    }
}

pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

async fn read(response: Response<Body>) -> Answer {
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, 64 << 20).await.unwrap();
    Answer { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}
