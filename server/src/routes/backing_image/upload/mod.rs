//! `POST /v1/backingimages/{name}?action=upload&size=…`: the content of an image whose source is an upload.
//!
//! The body is a form whose only field is `chunk` (as Longhorn's dashboard sends it), or the content alone
//! (`application/octet-stream`). It is passed on while it comes: memory does not depend on its size.
//!
//! A body that ends early leaves nothing: the instance manager takes exactly as many bytes as were announced.

mod content;

use std::time::Duration;

use aurochs_engine::grpc::instance_v1::image_upload_part::Part;
use aurochs_engine::grpc::instance_v1::{ImagePlace, ImageUploadBegin, ImageUploadPart};
use axum::body::BodyDataStream;
use axum::extract::{MatchedPath, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use bytes::Bytes;
use futures::StreamExt;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use self::content::Content;
use crate::app::App;
use crate::error::{ApiError, ErrorKind};
use crate::nouns::action::{ActionQuery, Target};
use crate::resources::backing_image::{FileState, SourceType};
use crate::resources::{BackingImage, BackingImageDataSource, Node, Object};
use crate::routes::shown;

/// A client that sends nothing for so long is gone.
const SILENCE_MAXIMUM: Duration = Duration::from_secs(60);
/// What comes of an upload that was refused is read for so long.
const FAREWELL: Duration = Duration::from_secs(10);
/// A disk is chosen within a second or two; clients upload right after they created the image.
const PLACE_PATIENCE: Duration = Duration::from_secs(15);
const PLACE_PAUSE: Duration = Duration::from_millis(250);
/// Pieces that wait for the node, and the most bytes of one.
const PIECES_WAITING: usize = 8;
const PIECE_BYTES: usize = 256 << 10;

/// Whether the request is an upload: its body is not read before its handler does, and it takes as long as it takes.
pub(crate) fn is_one(request: &Request) -> bool {
    let pattern = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let is_action =
        || Query::<ActionQuery>::try_from_uri(request.uri()).is_ok_and(|Query(query)| query.action == "upload");
    request.method() == Method::POST && pattern == Some("/v1/backingimages/{name}") && is_action()
}

#[derive(Debug, Deserialize)]
struct Announced {
    size: u64,
}

/// Answers when the image is on its first disk, whole and with the right checksum.
pub(crate) async fn handle(target: Target, request: Request) -> Result<(), ApiError> {
    let (parts, body) = request.into_parts();
    let mut body = body.into_data_stream();
    let done = upload(&target.app, &target.name, &parts, &mut body).await;
    if done.is_err() {
        // Who still sends does not listen: without this many clients see a broken connection and not the reason.
        let _ = tokio::time::timeout(FAREWELL, async { while let Some(Ok(_)) = body.next().await {} }).await;
    }
    done
}

async fn upload(app: &App, name: &str, parts: &Parts, body: &mut BodyDataStream) -> Result<(), ApiError> {
    let size = match Query::<Announced>::try_from_uri(&parts.uri) {
        Ok(Query(Announced { size })) if size > 0 => size,
        _ => return Err(invalid("an upload has to say how large the file is", "Add &size=<bytes> to the address.")),
    };
    let content = Content::of(&parts.headers, size)?;
    let (node, place, checksum) = place(app, name).await?;
    let begin = ImageUploadBegin { place: Some(place), size_bytes: size, expected_checksum: checksum };
    let mut client = app.clients.manager(&node).map_err(|error| ApiError::internal("finding a node", error))?;
    tracing::info!(image = name, node, size, "an upload begins");
    let (pieces, taken) = mpsc::channel(PIECES_WAITING);
    let sending = send(body, content, begin, pieces);
    let taking = client.image_upload(ReceiverStream::new(taken));
    let (sent, answer) = tokio::join!(sending, taking);
    // What is wrong with what was sent explains why the node did not take it.
    sent?;
    answer.map_err(|status| refused(name, &node, &status))?;
    tracing::info!(image = name, node, "an upload is there");
    Ok(())
}

/// Passes the body on. It ends early, without an error of its own, where the node takes no more.
async fn send(
    body: &mut BodyDataStream,
    mut content: Content,
    begin: ImageUploadBegin,
    parts: mpsc::Sender<ImageUploadPart>,
) -> Result<(), ApiError> {
    if parts.send(ImageUploadPart { part: Some(Part::Begin(begin)) }).await.is_err() {
        return Ok(());
    }
    // The end of the file. It is kept back until the body was as announced to its last byte: without it the node has less
    // than it was told, and makes no image of that.
    let mut end = Bytes::new();
    loop {
        let piece = match tokio::time::timeout(SILENCE_MAXIMUM, body.next()).await {
            Ok(Some(Ok(piece))) => piece,
            Ok(None) => {
                content.end()?;
                pass_on(&parts, end).await;
                return Ok(());
            }
            Ok(Some(Err(_))) => {
                return Err(ApiError::new(ErrorKind::BadRequest, "the upload broke off", "Upload all of it again."));
            }
            Err(_) => {
                let message = format_args!("nothing of the upload came for {} s", SILENCE_MAXIMUM.as_secs());
                return Err(ApiError::new(ErrorKind::SlowRequest, message, "Upload all of it again."));
            }
        };
        let data = content.take(piece)?;
        if content.is_whole() && !data.is_empty() {
            end = data;
        } else if !pass_on(&parts, data).await {
            return Ok(());
        }
    }
}

/// Whether the node takes more.
async fn pass_on(parts: &mpsc::Sender<ImageUploadPart>, mut data: Bytes) -> bool {
    while !data.is_empty() {
        let piece = data.split_to(data.len().min(PIECE_BYTES));
        if parts.send(ImageUploadPart { part: Some(Part::Data(piece.into())) }).await.is_err() {
            return false;
        }
    }
    true
}

/// Node, place and wished checksum of an image that waits for its content.
async fn place(app: &App, name: &str) -> Result<(String, ImagePlace, String), ApiError> {
    let begun = tokio::time::Instant::now();
    loop {
        let image =
            app.store.get::<BackingImage>(name).await.map_err(|error| shown::unknown::<BackingImage>(error, name))?;
        if image.spec.source_type != SourceType::Upload {
            let message = format_args!("backing image {name} does not come from an upload");
            return Err(ApiError::new(ErrorKind::Conflict, message, "Create one with sourceType upload."));
        }
        let source = app.store.find::<BackingImageDataSource>(name).await?;
        let disk = source.map(|source| source.spec.disk_uuid).unwrap_or_default();
        let state = image.status.disk_file_status_map.get(&disk).map(|copy| copy.state);
        if state == Some(FileState::Pending)
            && let Some(found) = on_disk(app, &image, &disk).await?
        {
            return Ok(found);
        }
        let is_underway = image.is_deleting()
            || matches!(state, Some(FileState::InProgress | FileState::Starting | FileState::Ready));
        if is_underway || begun.elapsed() > PLACE_PATIENCE {
            let word = state.map_or("waiting for a disk", FileState::word);
            let message = format_args!("backing image {name} takes no upload now: it is {word}");
            return Err(ApiError::new(
                ErrorKind::Conflict,
                message,
                "Upload to an image that is pending; its causes say what it waits for.",
            ));
        }
        tokio::time::sleep(PLACE_PAUSE).await;
    }
}

async fn on_disk(
    app: &App,
    image: &Object<BackingImage>,
    uuid: &str,
) -> Result<Option<(String, ImagePlace, String)>, ApiError> {
    for node in app.store.list_shared::<Node>().await? {
        let path = node.spec.disks.iter().find_map(|(name, spec)| {
            node.status.disk_status.get(name).filter(|status| status.disk_uuid == uuid).map(|_| spec.path.clone())
        });
        if let Some(disk_path) = path {
            let (name, image_uuid) = (image.name().to_owned(), image.status.uuid.clone());
            let place = ImagePlace { disk_path, disk_uuid: uuid.to_owned(), name, uuid: image_uuid };
            return Ok(Some((node.name().to_owned(), place, image.wished_checksum().to_owned())));
        }
    }
    Ok(None)
}

fn refused(name: &str, node: &str, status: &Status) -> ApiError {
    let message = format_args!("the upload of backing image {name} to {node} failed: {}", status.message());
    match status.code() {
        Code::InvalidArgument => ApiError::new(ErrorKind::Invalid, message, "Upload the whole file, with its size."),
        Code::FailedPrecondition => {
            ApiError::new(ErrorKind::Invalid, message, "Mend what it says, then upload all of it again.")
        }
        Code::ResourceExhausted => ApiError::new(ErrorKind::Conflict, message, "Make room on that disk, then upload."),
        Code::AlreadyExists => ApiError::new(ErrorKind::Conflict, message, "One upload at a time."),
        _ => ApiError::new(ErrorKind::Unavailable, message, "Look at that node and disk, then upload all of it again."),
    }
}

fn invalid(message: impl std::fmt::Display, next_step: &str) -> ApiError {
    ApiError::new(ErrorKind::Invalid, message, next_step)
}

/// Type and boundary of a form's body.
fn boundary(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (form, parameters) = kind.split_once(';')?;
    if !form.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters.split(';').find_map(|one| one.trim().strip_prefix("boundary="))?;
    Some(boundary.trim_matches('"').to_owned()).filter(|boundary| !boundary.is_empty() && boundary.len() <= 70)
}
