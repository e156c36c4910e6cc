//! The file inside of a body that comes in pieces (RFC 7578). Its length is known: nothing has to be searched in it.
//!
//! ```text
//!   --boundary CRLF headers CRLF CRLF   announced bytes   CRLF --boundary-- CRLF
//!   └──────────── Head ────────────┘    └──── File ────┘  └────── Tail ────────┘
//! ```

use axum::http::HeaderMap;
use bytes::{Bytes, BytesMut};

use super::{boundary, invalid};
use crate::error::ApiError;

/// Headers of a part are a line or two.
const HEAD_MAXIMUM: usize = 16 << 10;
/// The end of the form; more than that is another field.
const TAIL_MAXIMUM: usize = 1 << 10;
/// The one field of the form.
const FIELD: &[u8] = b"name=\"chunk\"";
const NEXT_STEP: &str = "Send a form with the one field chunk, which is the file, and its size in the address.";

/// How far it was read.
#[derive(Debug)]
pub(super) struct Content {
    size: u64,
    /// Bytes of the file that are still to come.
    left: u64,
    /// Empty: the body is the file.
    boundary: Vec<u8>,
    at: At,
    /// Of the head or the tail.
    gathered: BytesMut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Head,
    File,
    Tail,
}

impl Content {
    pub(super) fn of(headers: &HeaderMap, size: u64) -> Result<Self, ApiError> {
        let is_form = headers
            .get(axum::http::header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("multipart/"));
        let boundary = match boundary(headers) {
            Some(boundary) => format!("--{boundary}").into_bytes(),
            None if is_form => return Err(invalid("the form of the upload has no boundary", NEXT_STEP)),
            None => Vec::new(),
        };
        let at = if boundary.is_empty() { At::File } else { At::Head };
        Ok(Self { size, left: size, boundary, at, gathered: BytesMut::new() })
    }

    /// What of the file is in this piece of the body.
    pub(super) fn take(&mut self, mut piece: Bytes) -> Result<Bytes, ApiError> {
        if self.at == At::Head {
            self.gathered.extend_from_slice(&piece);
            let Some(end) = find(&self.gathered, b"\r\n\r\n") else {
                if self.gathered.len() > HEAD_MAXIMUM {
                    return Err(invalid("the form of the upload does not begin with a file", NEXT_STEP));
                }
                return Ok(Bytes::new());
            };
            let head = self.gathered.split_to(end + 4);
            if !head.starts_with(&self.boundary) || find(&head, FIELD).is_none() {
                return Err(invalid("the first field of the form is not chunk", NEXT_STEP));
            }
            piece = self.gathered.split().freeze();
            self.at = At::File;
        }
        let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(piece.len());
        let data = piece.split_to(length);
        self.left -= length as u64;
        if self.left == 0 && !piece.is_empty() {
            self.at = At::Tail;
            self.gathered.extend_from_slice(&piece);
            if self.boundary.is_empty() || self.gathered.len() > TAIL_MAXIMUM {
                return Err(self.longer());
            }
        }
        Ok(data)
    }

    /// All of the file has come. What comes after it may still be wrong.
    pub(super) const fn is_whole(&self) -> bool {
        self.left == 0
    }

    /// The body has ended.
    pub(super) fn end(&self) -> Result<(), ApiError> {
        if self.left > 0 {
            let came = self.size - self.left;
            let message = format_args!("the upload ended after {came} of {} bytes", self.size);
            return Err(invalid(message, "Give the size of the file in &size=, and send all of it."));
        }
        let end = [b"\r\n".as_slice(), &self.boundary, b"--"].concat();
        if self.boundary.is_empty() || self.gathered.starts_with(&end) { Ok(()) } else { Err(self.longer()) }
    }

    fn longer(&self) -> ApiError {
        invalid(format_args!("the upload does not end after the {} bytes that were announced", self.size), NEXT_STEP)
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, header};

    use super::*;

    fn headers(kind: &'static str) -> HeaderMap {
        [(header::CONTENT_TYPE, HeaderValue::from_static(kind))].into_iter().collect()
    }

    /// In pieces of several lengths.
    fn read(kind: &'static str, size: u64, body: &[u8]) -> Vec<Result<Vec<u8>, String>> {
        let read = |length: usize| {
            let mut content = Content::of(&headers(kind), size).map_err(|error| error.message)?;
            let mut file = Vec::new();
            for piece in body.chunks(length) {
                file.extend(content.take(Bytes::copy_from_slice(piece)).map_err(|error| error.message)?);
            }
            content.end().map_err(|error| error.message)?;
            Ok(file)
        };
        [1, 2, 3, 7, 61, 4096, body.len()].into_iter().map(read).collect()
    }

    const FORM: &str = "multipart/form-data; boundary=----x9";

    fn form(field: &str, file: &[u8], end: &str) -> Vec<u8> {
        let head = format!(
            "------x9\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"a.img\"\r\nContent-Type: \
             application/octet-stream\r\n\r\n"
        );
        [head.as_bytes(), file, end.as_bytes()].concat()
    }

    #[test]
    fn the_file_is_what_was_announced_whatever_it_holds() {
        // Also what looks like the end of the form.
        let file = b"\r\n------x9--\r\n\r\n\0data";
        let whole = form("chunk", file, "\r\n------x9--\r\n");
        assert!(read(FORM, file.len() as u64, &whole).iter().all(|read| read.as_deref() == Ok(file)));
        assert!(read("application/octet-stream", 3, b"abc").iter().all(|read| read.as_deref() == Ok(b"abc")));
    }

    #[test]
    fn what_is_not_as_announced_is_refused() {
        let end = "\r\n------x9--\r\n";
        for (size, body, expected) in [
            (5, form("chunk", b"data", end), "does not end after the 5"),
            (50, form("chunk", b"data", end), "ended after"),
            (3, form("chunk", b"data", end), "does not end after the 3"),
            (4, form("chunk", b"data", "\r\n------x9\r\nmore"), "does not end after the 4"),
            (4, form("file", b"data", end), "first field"),
            (4, b"x".repeat(HEAD_MAXIMUM + 10), "does not begin"),
        ] {
            for read in read(FORM, size, &body) {
                assert!(read.as_ref().unwrap_err().contains(expected), "{read:?} {expected}");
            }
        }
        assert!(read("application/octet-stream", 2, b"abc").iter().all(Result::is_err));
        assert!(Content::of(&headers("multipart/form-data"), 1).is_err());
    }
}
