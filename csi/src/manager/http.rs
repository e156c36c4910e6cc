//! Requests to the manager, and what their answers mean.
//!
//! A request takes [`ANSWER_TIMEOUT`] at most. One that did not reach the manager, or that it put off (429, 503), is sent
//! again, [`ATTEMPTS`] times in all; one that was lost on its way is not, since nobody knows whether it was done: the caller's
//! caller repeats the whole, and finds what there is.

use std::time::Duration;

use aurochs_api::schema::ErrorBody;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Method, Response, StatusCode, Url, header};
use serde_json::Value;

use super::login::Login;
use crate::failure::{Failure, Kind};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A little longer than the manager itself takes for an answer at most.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(70);
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// However long the manager asks us to stay away.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// All nodes or all backup volumes of a very large installation are less.
const ANSWER_LIMIT_BYTES: usize = 64 << 20;
/// What an answer that is not the manager's shows of itself.
const EXCERPT_CHARACTERS: usize = 200;

/// One manager.
#[derive(Debug)]
pub struct Http {
    client: Client,
    /// Without a slash at the end, and without `/v1`.
    server: String,
    login: Login,
}

impl Http {
    /// `url` as Longhorn's driver takes it: with `/v1` or without.
    pub fn new(url: &str, authority: Option<&[u8]>, login: Login) -> Result<Self, Failure> {
        let wrong = |why: &dyn std::fmt::Display| {
            Failure::invalid(
                format_args!("the manager's URL can't be used: {why}"),
                "Give one such as http://longhorn-backend:9500/v1.",
            )
        };
        let parsed = Url::parse(url).map_err(|error| wrong(&error))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(wrong(&"only http and https are spoken"));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(wrong(&"a password does not belong there, where others can read it"));
        }
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(wrong(&"there is more behind the path"));
        }
        let server = parsed.as_str().trim_end_matches('/');
        let server = server.strip_suffix("/v1").unwrap_or(server).to_owned();
        // No redirects and no proxies of the environment: the secret goes to the manager and nowhere else.
        let mut builder = ClientBuilder::new().connect_timeout(CONNECT_TIMEOUT).redirect(Policy::none()).no_proxy();
        if let Some(pem) = authority {
            let found = Certificate::from_pem_bundle(pem);
            let found = found.map_err(|error| wrong(&format_args!("its certificate authority: {error}")))?;
            builder = found.into_iter().fold(builder, ClientBuilder::add_root_certificate);
        }
        let client = builder.build().map_err(|error| wrong(&error))?;
        Ok(Self { client, server, login })
    }

    /// Asks, and reads the JSON that comes back; null for an empty answer. `path` begins with a slash and is encoded.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..ATTEMPTS {
            match self.attempt(&method, path, body).await {
                Err(Trouble::Later(wait, failure)) => {
                    tracing::debug!(%method, path, %failure, "asked again");
                    tokio::time::sleep(wait.unwrap_or(pause).min(LONGEST_PAUSE)).await;
                    pause *= 2;
                }
                Err(Trouble::Is(failure)) => return Err(failure),
                Ok(answer) => return Ok(answer),
            }
        }
        self.attempt(&method, path, body).await.map_err(Trouble::failure)
    }

    async fn attempt(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<Value, Trouble> {
        let request = self.client.request(method.clone(), format!("{}{path}", self.server)).timeout(ANSWER_TIMEOUT);
        let request = request.header(header::ACCEPT, "application/json");
        let request = self.login.sign(request).await.map_err(Trouble::Is)?;
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let retry_after = response.headers().get(header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
        let text = self.text(response).await.map_err(Trouble::Is)?;
        if status.is_success() {
            return self.json(&text).map_err(Trouble::Is);
        }
        let failure = self.refusal(status, &text);
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                Err(Trouble::Later(retry_after, failure))
            }
            _ => Err(Trouble::Is(failure)),
        }
    }

    fn json(&self, text: &str) -> Result<Value, Failure> {
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(text).map_err(|error| self.strange(&format!("what it says is no JSON ({error})"), text))
    }

    async fn text(&self, mut response: Response) -> Result<String, Failure> {
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| self.unreachable(&error).failure())? {
            if bytes.len() + piece.len() > ANSWER_LIMIT_BYTES {
                return Err(self.strange("its answer has no end", ""));
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// What the manager says of a request that it does not fulfil.
    fn refusal(&self, status: StatusCode, text: &str) -> Failure {
        let Ok(error) = serde_json::from_str::<ErrorBody>(text) else {
            // Longhorn's answer for a volume that is not there has no body.
            if status == StatusCode::NOT_FOUND && text.is_empty() {
                return Failure::new(Kind::NotFound, "there is no such thing", "");
            }
            return self.strange(&format!("it answers {status}"), text);
        };
        if status == StatusCode::UNAUTHORIZED {
            let message = format_args!("the manager {} does not let the driver in: {}", self.server, error.message);
            return Failure::new(Kind::Unauthenticated, message, self.login.remedy());
        }
        Failure::new(kind(status), error.message, error.detail)
    }

    /// Whatever answers there does not speak as a manager.
    fn strange(&self, what: &str, text: &str) -> Failure {
        let excerpt: String = text.trim().chars().take(EXCERPT_CHARACTERS).collect();
        let excerpt = if excerpt.is_empty() { excerpt } else { format!(": {excerpt}") };
        let message = format_args!("{} does not answer as a manager: {what}{excerpt}", self.server);
        Failure::new(Kind::Unavailable, message, "Is --manager-url the right address?")
    }

    fn unreachable(&self, error: &reqwest::Error) -> Trouble {
        let mut reason: &dyn std::error::Error = error;
        while let Some(source) = reason.source() {
            reason = source;
        }
        let server = &self.server;
        if error.is_connect() {
            let message = format_args!("the manager {server} can't be reached: {reason}");
            return Trouble::Later(None, Failure::new(Kind::Unavailable, message, "Does the manager run?"));
        }
        let kind = if error.is_timeout() { Kind::TimedOut } else { Kind::Unavailable };
        let message = format_args!("the manager {server} did not answer: {reason}");
        Trouble::Is(Failure::new(kind, message, "Look into the manager's log."))
    }
}

/// Why an attempt brought nothing.
enum Trouble {
    /// Nothing was done; another attempt may help, after so long.
    Later(Option<Duration>, Failure),
    Is(Failure),
}

impl Trouble {
    fn failure(self) -> Failure {
        match self {
            Self::Later(_, failure) | Self::Is(failure) => failure,
        }
    }
}

/// The one table of HTTP statuses.
const fn kind(status: StatusCode) -> Kind {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Kind::Invalid,
        StatusCode::UNAUTHORIZED => Kind::Unauthenticated,
        StatusCode::FORBIDDEN => Kind::Forbidden,
        StatusCode::NOT_FOUND => Kind::NotFound,
        StatusCode::CONFLICT => Kind::WrongState,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Kind::Unavailable,
        StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => Kind::TimedOut,
        _ => Kind::Internal,
    }
}

/// A name as a part of a path or a query.
#[must_use]
pub fn segment(name: &str) -> String {
    // A part of only dots would be taken for a way up.
    let only_dots = name.bytes().all(|byte| byte == b'.');
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') || (byte == b'.' && !only_dots);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn names_stay_within_their_part() {
        assert_eq!(segment("pvc-1.a"), "pvc-1.a");
        assert_eq!(segment("../a b?c"), "..%2Fa%20b%3Fc");
        assert_eq!(segment(".."), "%2E%2E");
    }

    #[test]
    fn urls() {
        let server = |url: &str| Http::new(url, None, Login::None).map(|http| http.server);
        assert_eq!(server("http://longhorn-backend:9500/v1").unwrap(), "http://longhorn-backend:9500");
        assert_eq!(server("https://a.example/prefix/").unwrap(), "https://a.example/prefix");
        for wrong in ["ftp://a", "a:9500", "http://u:p@a", "http://a/?x=1", ""] {
            assert!(server(wrong).is_err(), "{wrong}");
        }
        let refused = server("http://u:secret@a").unwrap_err();
        assert!(!refused.to_string().contains("secret"), "{refused}");
    }

    /// A server that gives these answers, one a connection.
    fn answering(answers: Vec<&'static str>) -> (String, std::thread::JoinHandle<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let mut served = 0;
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 4096]).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
                served += 1;
            }
            served
        });
        (address, thread)
    }

    #[tokio::test]
    async fn what_was_put_off_is_asked_again() {
        let later = "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let good = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 9\r\n\r\n{\"a\": 12}";
        let (address, served) = answering(vec![later, good]);
        let http = Http::new(&address, None, Login::None).unwrap();
        assert_eq!(http.call(Method::GET, "/v1/x", None).await.unwrap()["a"], 12);
        assert_eq!(served.join().unwrap(), 2);
    }

    #[tokio::test]
    async fn a_refusal_is_told_with_its_next_step_and_not_repeated() {
        let refused = "HTTP/1.1 409 Conflict\r\nconnection: close\r\ncontent-length: 46\r\n\r\n\
                       {\"message\":\"it is in use\",\"detail\":\"Unmount\"}\n";
        let (address, served) = answering(vec![refused]);
        let http = Http::new(&address, None, Login::None).unwrap();
        let failure = http.call(Method::POST, "/v1/x", None).await.unwrap_err();
        assert_eq!(failure, Failure::wrong_state("it is in use", "Unmount"));
        assert_eq!(served.join().unwrap(), 1);
    }
}
