//! A file, or a folder as a tar, as the body of an answer: read while it is sent, never more than a little ahead.

use std::io::{self, Read, Write};

use aurochs_engine::backup::browse::{BrowseError, Browser, Cancel, ImagePath, Kind, ReadAt};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::{CancelOnDrop, Disk, Place, refusal};
use crate::error::{ApiError, ErrorKind};

/// Bytes of one piece, and pieces that wait for the network.
const PIECE: usize = 128 << 10;
const PIECES_WAITING: usize = 4;

/// What is known before the first byte.
struct Head {
    name: String,
    content: Content,
}

enum Content {
    /// Bytes `from` to before `end`, of `size`.
    File {
        from: u64,
        end: u64,
        size: u64,
        is_part: bool,
    },
    Tar,
    /// A part that the file does not have.
    Outside {
        size: u64,
    },
}

/// What is wanted of a file, as the header `Range` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Whole,
    From(u64),
    Within(u64, u64),
    Last(u64),
}

impl Wanted {
    /// One range of bytes; whatever else stands there is a wish for everything, as HTTP allows. So is `If-Range`: nothing
    /// here tells versions apart.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let said = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
        let range =
            said.filter(|_| !headers.contains_key(header::IF_RANGE)).and_then(|said| said.strip_prefix("bytes="));
        let Some((first, last)) = range.and_then(|range| range.split_once('-')) else { return Self::Whole };
        match (first.parse().ok(), last.parse().ok()) {
            (Some(first), Some(last)) if first <= last => Self::Within(first, last),
            (Some(first), None) if last.is_empty() => Self::From(first),
            (None, Some(last)) if first.is_empty() => Self::Last(last),
            _ => Self::Whole,
        }
    }

    /// First byte, and the one behind the last; none where the file has nothing of it.
    fn place(self, size: u64) -> Option<(u64, u64)> {
        let (from, end) = match self {
            Self::Whole => return Some((0, size)),
            Self::From(from) => (from, size),
            Self::Within(first, last) => (first, last.saturating_add(1).min(size)),
            Self::Last(count) => (size.saturating_sub(count), size),
        };
        (from < end).then_some((from, end))
    }
}

/// Opens the file and answers with it. The reading goes on while the answer is sent.
pub(crate) async fn answer(
    place: Place,
    disk: Disk,
    partition: Option<u32>,
    path: ImagePath,
    wanted: Wanted,
) -> Result<Response, ApiError> {
    let cancel = Cancel::default();
    let guard = CancelOnDrop(cancel.clone());
    let (pieces, sent) = mpsc::channel(PIECES_WAITING);
    let (tell, told) = oneshot::channel();
    let Disk { origin, content } = disk;
    tokio::task::spawn_blocking(move || {
        let _place = place;
        let sending = Sending { pieces, piece: Vec::with_capacity(PIECE) };
        send(content, partition, &path, wanted, &cancel, tell, sending);
    });
    let head = told.await.map_err(|error| ApiError::internal("opening a file", error))?;
    let head = head.map_err(|error| refusal(&error, origin))?;
    let body = Body::from_stream(futures::stream::unfold((sent, guard), |(mut sent, guard)| async move {
        sent.recv().await.map(|piece: io::Result<Bytes>| (piece, (sent, guard)))
    }));
    respond(&head, body)
}

fn send(
    disk: Box<dyn ReadAt>,
    partition: Option<u32>,
    path: &ImagePath,
    wanted: Wanted,
    cancel: &Cancel,
    tell: oneshot::Sender<Result<Head, BrowseError>>,
    mut sending: Sending,
) {
    let opened =
        Browser::open(disk, partition, cancel).and_then(|browser| Ok((head(&browser, path, wanted)?, browser)));
    let (head, browser) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let _ = tell.send(Err(error));
            return;
        }
    };
    let content = match head.content {
        Content::File { from, end, .. } => Some((from, end - from)),
        Content::Tar => None,
        Content::Outside { .. } => Some((0, 0)),
    };
    if tell.send(Ok(head)).is_err() {
        return;
    }
    let done = match content {
        Some((from, length)) => browser.read(path, from, length).and_then(|reader| sending.copy(reader)),
        None => browser.tar(path, &mut sending).map(drop),
    };
    sending.end(done);
}

fn head(browser: &Browser, path: &ImagePath, wanted: Wanted) -> Result<Head, BrowseError> {
    let node = browser.find(path)?;
    let name = path.name().map_or_else(|| "files".to_owned(), |name| String::from_utf8_lossy(name).into_owned());
    match node.kind {
        Kind::Directory => Ok(Head { name: format!("{name}.tar"), content: Content::Tar }),
        Kind::File => {
            let size = node.size;
            let content = match wanted.place(size) {
                Some((from, end)) => Content::File { from, end, size, is_part: wanted != Wanted::Whole },
                None => Content::Outside { size },
            };
            Ok(Head { name, content })
        }
        kind => Err(BrowseError::NotAFile { path: path.to_string(), kind: kind.word() }),
    }
}

/// The way from the thread that reads to the one that sends.
struct Sending {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Sending {
    fn copy(&mut self, mut reader: impl Read) -> Result<(), BrowseError> {
        io::copy(&mut reader, self).map(drop).map_err(BrowseError::from)
    }

    /// What failed on the way ends the connection, so that nobody takes half of it for all.
    fn end(mut self, done: Result<(), BrowseError>) {
        let done = done.and_then(|()| self.flush().map_err(BrowseError::Sink));
        let Err(error) = done else { return };
        if !self.pieces.is_closed() {
            tracing::warn!(%error, "a file out of a snapshot or backup could not be sent to its end");
            let _ = self.pieces.blocking_send(Err(io::Error::other(error)));
        }
    }
}

impl Write for Sending {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let length = buffer.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&buffer[..length]);
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.pieces.blocking_send(Ok(piece.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

fn respond(head: &Head, body: Body) -> Result<Response, ApiError> {
    let mut headers = HeaderMap::new();
    // Whatever a file says it is: a page out of a volume must not run as one of the manager's.
    let kind = if matches!(head.content, Content::Tar) { "application/x-tar" } else { "application/octet-stream" };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Packing it on the way would cost more than it saves, and take away its length.
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(header::CONTENT_DISPOSITION, disposition(&head.name)?);
    let status = match head.content {
        Content::Tar => StatusCode::OK,
        Content::File { from, end, size, is_part } => {
            headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(end - from));
            if is_part {
                let range = format!("bytes {from}-{}/{size}", end - 1);
                headers.insert(header::CONTENT_RANGE, header_of(&range)?);
            }
            if is_part { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK }
        }
        Content::Outside { size } => {
            let message = format_args!("the file has {size} bytes, and none of the range that is asked for");
            return Err(ApiError::new(ErrorKind::Invalid, message, "Ask for bytes that it has, or leave out Range."));
        }
    };
    Ok((status, headers, body).into_response())
}

/// The name in ASCII for old clients, and as it is for all others (RFC 6266, RFC 8187).
fn disposition(name: &str) -> Result<HeaderValue, ApiError> {
    let plain: String = name
        .chars()
        .map(|letter| {
            if letter.is_ascii_graphic() && !matches!(letter, '"' | '\\' | '/') || letter == ' ' { letter } else { '_' }
        })
        .collect();
    let keeps = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let encode = |byte: u8| if keeps(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    let whole: String = name.bytes().map(encode).collect();
    header_of(&format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{whole}"))
}

fn header_of(text: &str) -> Result<HeaderValue, ApiError> {
    HeaderValue::from_str(text).map_err(|error| ApiError::internal("naming a file in an answer", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(range: &str) -> Wanted {
        Wanted::of(&[(header::RANGE, HeaderValue::from_str(range).unwrap())].into_iter().collect())
    }

    #[test]
    fn ranges() {
        assert_eq!(wanted("bytes=0-99").place(1000), Some((0, 100)));
        assert_eq!(wanted("bytes=900-5000").place(1000), Some((900, 1000)));
        assert_eq!(wanted("bytes=5-").place(1000), Some((5, 1000)));
        assert_eq!(wanted("bytes=-10").place(1000), Some((990, 1000)));
        assert_eq!(wanted("bytes=-5000").place(1000), Some((0, 1000)));
        assert_eq!(wanted("bytes=1000-").place(1000), None);
        assert_eq!(wanted("bytes=0-0").place(0), None);
        for odd in ["bytes=9-5", "bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=a-b", "bytes=0-18446744073709551616"] {
            assert_eq!(wanted(odd), Wanted::Whole, "{odd}");
        }
        assert_eq!(Wanted::Whole.place(0), Some((0, 0)));
    }

    #[test]
    fn names_in_headers() {
        let header = disposition("a \"b\"\n名.txt").unwrap();
        assert_eq!(header, "attachment; filename=\"a _b___.txt\"; filename*=UTF-8''a%20%22b%22%0A%E5%90%8D.txt");
    }
}
