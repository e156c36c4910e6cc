//! Request bodies: JSON as Longhorn's server takes it, with errors that name the place.
//!
//! `Content-Type` is not looked at, unknown fields are ignored, an empty body has all defaults, and `null` is as good as
//! absent: clients send back what they were given. Names of fields are taken in any case ([`names`]).

mod names;

use std::time::Duration;

use aurochs_api::describe::Described;
use axum::body::HttpBody;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::response::IntoResponse;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{ApiError, ErrorKind};

/// Larger bodies are refused: the largest honest one, the disks of a node, has a few kilobytes.
pub const LIMIT_BYTES: usize = 1 << 20;
/// A mebibyte over the slowest line that anybody administers storage by.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The body of a request. The last extractor of a handler.
#[derive(Clone, Copy, Debug)]
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Described> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        parse(&read(request, state, READ_TIMEOUT).await?).map(Self)
    }
}

/// All of a body that is not too large and comes in time.
pub(crate) async fn whole(request: Request) -> Result<Bytes, ApiError> {
    read(request, &(), READ_TIMEOUT).await
}

async fn read<S: Send + Sync>(request: Request, state: &S, patience: Duration) -> Result<Bytes, ApiError> {
    // What is announced to be too large is not waited for.
    if request.body().size_hint().lower() > LIMIT_BYTES as u64 {
        return Err(too_large());
    }
    match tokio::time::timeout(patience, Bytes::from_request(request, state)).await {
        Ok(read) => read.map_err(unreadable),
        Err(_) => {
            let message = format_args!("the body did not come to its end within {} s", patience.as_secs());
            Err(ApiError::new(ErrorKind::SlowRequest, message, "Look whether Content-Length is right; send it again."))
        }
    }
}

fn unreadable(rejection: BytesRejection) -> ApiError {
    if rejection.into_response().status() == ErrorKind::TooLarge.status() {
        return too_large();
    }
    ApiError::new(ErrorKind::BadRequest, "the body could not be read to its end", "Send the request again.")
}

fn too_large() -> ApiError {
    let message = format_args!("the body is larger than {} KiB", LIMIT_BYTES >> 10);
    ApiError::new(ErrorKind::TooLarge, message, "Send only the fields that the action takes.")
}

/// Reads a body of JSON.
pub(crate) fn parse<T: DeserializeOwned + Described>(bytes: &[u8]) -> Result<T, ApiError> {
    let text: &[u8] = if bytes.trim_ascii().is_empty() { b"{}" } else { bytes };
    let mut value: Value = serde_json::from_slice(text).map_err(|error| malformed(&error))?;
    if !value.is_object() {
        let message = format_args!("the body is {}, where a JSON object is expected", kind_of(&value));
        return Err(ApiError::new(ErrorKind::BadRequest, message, "Send an object such as {\"name\": \"data\"}."));
    }
    remove_nulls(&mut value);
    names::correct(&mut value, T::WIRE);
    serde_path_to_error::deserialize(value).map_err(|error| {
        let message = format_args!("the field {} can't be used: {}", error.path(), error.inner());
        ApiError::new(ErrorKind::BadRequest, message, "GET /v1/schemas describes the fields of every type.")
    })
}

/// serde_json's message says what was expected and where: "expected `,` or `}` at line 3 column 5".
fn malformed(error: &serde_json::Error) -> ApiError {
    ApiError::new(
        ErrorKind::BadRequest,
        format_args!("the body is not valid JSON: {error}"),
        "Correct the body at that line and column.",
    )
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn remove_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(remove_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use aurochs_api::volume::VolumeCreateInput;

    use super::*;

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let silent = axum::body::Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        let error = read(Request::new(silent), &(), Duration::from_millis(20)).await.unwrap_err();
        assert_eq!((error.kind, error.kind.status().as_u16()), (ErrorKind::SlowRequest, 408));
    }

    fn message(text: &str) -> String {
        parse::<VolumeCreateInput>(text.as_bytes()).unwrap_err().message
    }

    #[test]
    fn errors_name_the_place() {
        assert!(message("{\"name\": \"a\",\n \"size\" 1}").contains("line 2 column 9"));
        assert!(message("[1]").contains("an array"));
        let wrong_type = message("{\"numberOfReplicas\": \"three\"}");
        assert!(wrong_type.contains("numberOfReplicas") && wrong_type.contains("expected u32"), "{wrong_type}");
        assert!(message("{\"diskSelector\": [\"ssd\", 5]}").contains("diskSelector[1]"));
    }

    #[test]
    fn what_clients_send_is_taken() {
        let input: VolumeCreateInput =
            parse(br#"{"name": "a", "size": 10, "nodeSelector": null, "links": {}, "whatever": [null]}"#).unwrap();
        assert_eq!((input.name.as_str(), input.size.0.as_str(), input.node_selector.len()), ("a", "10", 0));
        assert_eq!(parse::<VolumeCreateInput>(b" \n").unwrap().name, "");
    }
}
