//! The installation's `/v1`, as a client with the first user's password meets it.

use aurochs_server::router;
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tower::ServiceExt;

use super::Installation;

pub(super) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

impl Installation {
    pub(crate) async fn answer(&self, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let (status, bytes) = self.bytes(method, path, body).await;
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// What has to work, and is no JSON.
    pub(crate) async fn text(&self, path: &str) -> String {
        let (status, bytes) = self.bytes("GET", path, Value::Null).await;
        assert_eq!(status, StatusCode::OK, "GET {path}");
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    /// The whole answer to a GET.
    pub(crate) async fn response(&self, path: &str, range: Option<&str>) -> Response {
        let service = router::service(self.manager.as_ref().unwrap().app.clone());
        let request = Request::builder().uri(path).header(header::HOST, "manager");
        let request =
            request.header(header::AUTHORIZATION, &self.authorization).header(header::ACCEPT_ENCODING, "gzip");
        let request = range.into_iter().fold(request, |request, range| request.header(header::RANGE, range));
        service.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn bytes(&self, method: &str, path: &str, body: Value) -> (StatusCode, Bytes) {
        let service = router::service(self.manager.as_ref().unwrap().app.clone());
        let request = Request::builder().method(method).uri(path).header(header::HOST, "manager");
        let request = request.header(header::AUTHORIZATION, &self.authorization);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let response = service.oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let status = response.status();
        (status, axum::body::to_bytes(response.into_body(), 4 << 20).await.unwrap())
    }

    /// A POST of something that is no JSON; the message of a refusal, nothing otherwise.
    pub(crate) async fn send(&self, path: &str, kind: &str, body: Vec<u8>) -> (StatusCode, String) {
        let service = router::service(self.manager.as_ref().unwrap().app.clone());
        let request = Request::builder().method("POST").uri(path).header(header::HOST, "manager");
        let request = request.header(header::AUTHORIZATION, &self.authorization).header(header::CONTENT_TYPE, kind);
        let response = service.oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        (status, answer["message"].as_str().unwrap_or_default().to_owned())
    }

    /// All that were told of until now, those of this moment among them.
    pub(crate) async fn events(&self) -> Vec<Value> {
        self.manager.as_ref().unwrap().app.events.settle().await;
        self.call("GET", "/v1/events", Value::Null).await["data"].as_array().unwrap().clone()
    }

    /// What has to work.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.answer(method, path, body).await;
        assert_eq!(status, StatusCode::OK, "{method} {path}: {answer}");
        answer
    }
}
