//! Requests to the manager, and what their answers mean for the one who asked.

use std::time::Duration;

use aurochs_api::schema::ErrorBody;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

use super::failure::{Failure, Kind};
use super::upload::Pieces;

/// A little longer than the manager itself takes for an answer at most.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(70);
/// What an answer that is not the manager's shows of itself.
const EXCERPT_CHARS: usize = 200;

/// One server, asked as one user.
pub(super) struct Http {
    client: Client,
    server: String,
    user: String,
    password: String,
}

impl Http {
    pub(super) const fn new(client: Client, server: String, user: String, password: String) -> Self {
        Self { client, server, user, password }
    }

    /// Asks, and reads the JSON that comes back; null for an empty answer. `path` begins with a slash and is encoded already.
    pub(super) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let text = self.text(method, path, body).await?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|error| self.strange(&format!("what it says is no JSON ({error})"), &text))
    }

    /// The same without looking at what comes back.
    pub(super) async fn text(&self, method: Method, path: &str, body: Option<&Value>) -> Result<String, Failure> {
        let request = self.request(method, path).timeout(ANSWER_TIMEOUT);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let response = self.answer(request).await?;
        response.text().await.map_err(|error| self.unreachable(&error))
    }

    /// A body that can be long; it takes as long as it takes.
    pub(super) async fn upload(&self, path: &str, pieces: Pieces) -> Result<(), Failure> {
        let request = self.request(Method::POST, path).header("content-type", "application/octet-stream");
        self.answer(request.body(reqwest::Body::wrap(pieces))).await.map(drop)
    }

    /// An answer that can be long, such as a file.
    pub(super) async fn download(&self, path: &str) -> Result<Response, Failure> {
        self.answer(self.request(Method::GET, path)).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.server));
        request.basic_auth(&self.user, Some(&self.password)).header("accept", "application/json")
    }

    /// A good answer; everything else is a failure.
    async fn answer(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        if status.is_redirection() {
            let to = response.headers().get("location").and_then(|to| to.to_str().ok()).unwrap_or("somewhere else");
            return Err(self.strange(&format!("it sends everybody to {to}"), ""));
        }
        let text = response.text().await.map_err(|error| self.unreachable(&error))?;
        Err(self.refusal(status, &text))
    }

    /// What the manager says of a request that it does not answer.
    fn refusal(&self, status: StatusCode, text: &str) -> Failure {
        let kind = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Kind::NotAllowed,
            StatusCode::NOT_FOUND => Kind::NotFound,
            _ => Kind::Refused,
        };
        let Ok(error) = serde_json::from_str::<ErrorBody>(text) else {
            return self.strange(&format!("it answers {status}"), text);
        };
        if kind == Kind::NotAllowed && status == StatusCode::UNAUTHORIZED {
            let message = format!("{} does not let {} in: {}", self.server, self.user, error.message);
            return Failure::new(kind, message, "Look at --user and the password (AUROCHS_PASSWORD, --password-file).");
        }
        Failure::new(kind, error.message, error.detail)
    }

    /// Whatever answers there does not speak as a manager.
    fn strange(&self, what: &str, text: &str) -> Failure {
        let excerpt: String = text.trim().chars().take(EXCERPT_CHARS).collect();
        let excerpt = if excerpt.is_empty() { excerpt } else { format!(": {excerpt}") };
        let message = format!("{} does not answer as a manager of Aurochs: {what}{excerpt}", self.server);
        Failure::new(Kind::Unreachable, message, "Is --server (AUROCHS_SERVER) the right address?")
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let mut reason: &dyn std::error::Error = error;
        while let Some(source) = reason.source() {
            reason = source;
        }
        let (reason, server) = (reason.to_string(), &self.server);
        if error.is_timeout() {
            let message = format!("{server} does not answer in time");
            return Failure::new(Kind::Unreachable, message, "Try again; if it stays so, look at the manager's log.");
        }
        let next_step = if reason.contains("certificate") {
            "If the certificate is your own, name its authority's with --ca-file FILE."
        } else {
            "Is `aurochs serve` running there? Another address is named with --server or AUROCHS_SERVER."
        };
        Failure::new(Kind::Unreachable, format!("{server} can't be reached: {reason}"), next_step)
    }
}

/// A name as a part of a path.
pub(super) fn segment(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let encode = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    name.bytes().map(encode).collect()
}

/// A query with the parts that were asked for; nothing when there are none.
pub(super) fn query<'a>(parts: impl IntoIterator<Item = (&'a str, Option<String>)>) -> String {
    let said = parts.into_iter().filter_map(|(name, value)| value.map(|value| format!("{name}={}", segment(&value))));
    let all: Vec<String> = said.collect();
    if all.is_empty() { String::new() } else { format!("?{}", all.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_their_part_of_a_path() {
        assert_eq!(segment("vol-1.a_b~"), "vol-1.a_b~");
        assert_eq!(segment("../a b?c#ü"), "..%2Fa%20b%3Fc%23%C3%BC");
    }

    #[test]
    fn queries() {
        assert_eq!(query([("a", None)]), "");
        assert_eq!(query([("a", Some("x&y".to_owned())), ("b", None), ("c", Some("1".to_owned()))]), "?a=x%26y&c=1");
    }
}
