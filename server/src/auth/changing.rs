//! A change on its way: into the audit log, to its handler, and back with its end noted.

use axum::body::Body;
use axum::extract::Request;
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Map, Value};

use super::User;
use super::client::Client;
use crate::audit::{Act, Audit, input};
use crate::error::{ApiError, ErrorKind};
use crate::nouns::access::Asked;
use crate::routes::backing_image::upload;
use crate::routes::body;

/// Lets a change be done that is in the log; one that can't get there is refused. The body is read here: what was sent is
/// a part of who did what. Only an upload is left to its handler, being larger than memory; of it the query is kept.
pub(super) async fn run(
    audit: &Audit,
    user: User,
    client: &Client,
    asked: &Asked,
    request: Request,
    next: Next,
) -> Response {
    let (mut request, sent, refusal) = if upload::is_one(&request) {
        let query = query_fields(request.uri().query().unwrap_or_default());
        (request, Bytes::from(query), None)
    } else {
        let (parts, body) = request.into_parts();
        let whole = body::whole(Request::from_parts(parts.clone(), body)).await;
        let (sent, refusal) = match whole {
            Ok(sent) => (sent, None),
            Err(error) => (Bytes::new(), Some(error)),
        };
        (Request::from_parts(parts, Body::from(sent.clone())), sent, refusal)
    };
    let act = act(&user, client, &request, Some(asked), &sent);
    let pending = match audit.begin(act).await {
        Ok(pending) => pending,
        Err(error) => return unwritten(&error).into_response(),
    };
    request.extensions_mut().insert(user);
    let response = match refusal {
        Some(error) => error.into_response(),
        None => next.run(request).await,
    };
    pending.end(response.status(), &reason(&response)).await;
    response
}

/// Why it was not done. What could not even be understood is not repeated: it may be a secret in the wrong place.
fn reason(response: &Response) -> String {
    match response.extensions().get::<ApiError>() {
        Some(error) if error.kind == ErrorKind::BadRequest => "the request could not be understood".to_owned(),
        Some(error) => error.message.clone(),
        None => String::new(),
    }
}

fn unwritten(error: &crate::audit::AuditError) -> ApiError {
    ApiError::new(
        ErrorKind::Unavailable,
        format_args!("nothing is changed: {error}"),
        "Look at the disk that holds the manager's data, then try again.",
    )
}

/// What is known of a change before it is done.
pub(super) fn act(user: &User, client: &Client, request: &Request, asked: Option<&Asked>, body: &[u8]) -> Act {
    let (noun, action) = asked.map_or(("", ""), |asked| (asked.noun, asked.action));
    let path = request.uri().path();
    let object = object(path).or_else(|| input::name(body)).unwrap_or_default();
    let input = match request.uri().query().filter(|_| request.method() == Method::GET && body.is_empty()) {
        // Of a read that is in the log all the same, what was read is the point.
        Some(query) => input::kept(&query_fields(query), &object),
        None => input::kept(body, &object),
    };
    Act::of_client(action, client).by(user).on(noun, &object).request(request.method().as_str(), path, input)
}

/// The thing at an address: what stands last in it, below its collection. A download is one of what stands before it, and
/// so are the files inside of it.
fn object(path: &str) -> Option<String> {
    let below = path.strip_prefix("/v1/")?.split_once('/')?.1;
    let below = ["/download", "/files/content", "/files"]
        .into_iter()
        .find_map(|part| below.strip_suffix(part))
        .unwrap_or(below);
    let last = below.rsplit('/').next().filter(|last| !last.is_empty())?;
    let bytes = percent_decoded(last.as_bytes());
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A query as the body would be that says the same.
fn query_fields(query: &str) -> Vec<u8> {
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        String::from_utf8_lossy(&percent_decoded(text.as_bytes())).into_owned()
    };
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let fields: Map<String, Value> = pairs.map(|(name, value)| (decoded(name), decoded(value).into())).collect();
    Value::from(fields).to_string().into_bytes()
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_thing_of_an_address() {
        for (path, object) in [
            ("/v1/volumes", None),
            ("/v1/volumes/data", Some("data")),
            ("/v1/volumes/da%20t%C3%A4", Some("da tä")),
            ("/v1/volumes/100%", Some("100%")),
            ("/v1/supportbundles/node-1/bundle-2/download", Some("bundle-2")),
            ("/v1/supportbundles/node-1/bundle-2", Some("bundle-2")),
            ("/v1/volumes/data/files/content", Some("data")),
            ("/v1/volumes/files/files", Some("files")),
            ("/v1/volumes/files", Some("files")),
            ("/logout", None),
        ] {
            assert_eq!(super::object(path).as_deref(), object, "{path}");
        }
    }
}
