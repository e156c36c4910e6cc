//! `GET /v1/backingimages/{name}/download`

use std::collections::VecDeque;

use aurochs_engine::grpc::instance_v1::image_read_part::Part;
use aurochs_engine::grpc::instance_v1::{ImagePlace, ImageReadPart, ImageReadRequest};
use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tonic::Streaming;

use crate::app::App;
use crate::auth::client::Client;
use crate::auth::require;
use crate::error::{ApiError, ErrorKind};
use crate::resources::{BackingImage, Node, Object};
use crate::routes::shown;

/// Zeros are sent in pieces of this many bytes.
const ZERO_BYTES: u64 = 256 << 10;
static ZEROS: [u8; ZERO_BYTES as usize] = [0; ZERO_BYTES as usize];

/// The file as it is, from a disk that has all of it.
pub(crate) async fn handle(
    State(app): State<App>,
    Path(name): Path<String>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    require::refuse_foreign(&headers, &client)?;
    let image =
        app.store.get::<BackingImage>(&name).await.map_err(|error| shown::unknown::<BackingImage>(error, &name))?;
    let (node, place) = copy_of(&app, &image).await?.ok_or_else(|| {
        let message = format_args!("backing image {name} is ready on no disk whose node answers");
        ApiError::new(ErrorKind::Conflict, message, "Wait until one of its copies is ready.")
    })?;
    let unavailable = |why: &dyn std::fmt::Display| {
        let message = format_args!("backing image {name} can't be read on {node}: {why}");
        ApiError::new(ErrorKind::Unavailable, message, "Try again in a moment.")
    };
    let mut client = app.clients.manager(&node).map_err(|error| unavailable(&error))?;
    let request = ImageReadRequest { place: Some(place), from: 0 };
    let stream = client.image_read(request).await.map_err(|status| unavailable(&status.message()))?.into_inner();
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename={name}.img")),
        (header::CONTENT_LENGTH, image.status.size.bytes().to_string()),
        // It is large, and mostly compressed or sparse already: it is sent as it is.
        (header::CONTENT_ENCODING, "identity".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    let sending = Sending { stream, at: 0, size: image.status.size.bytes(), zeros: 0, waiting: VecDeque::new() };
    Ok((headers, body(sending)).into_response())
}

async fn copy_of(app: &App, image: &Object<BackingImage>) -> Result<Option<(String, ImagePlace)>, ApiError> {
    for node in app.store.list_shared::<Node>().await? {
        if !app.instances.answers(node.name()) {
            continue;
        }
        for (disk, spec) in &node.spec.disks {
            let uuid = node.status.disk_status.get(disk).map(|status| status.disk_uuid.clone()).unwrap_or_default();
            if image.is_ready_on(&uuid) {
                let (name, image_uuid) = (image.name().to_owned(), image.status.uuid.clone());
                let place = ImagePlace { disk_path: spec.path.clone(), disk_uuid: uuid, name, uuid: image_uuid };
                return Ok(Some((node.name().to_owned(), place)));
            }
        }
    }
    Ok(None)
}

struct Sending {
    stream: Streaming<ImageReadPart>,
    /// Behind what was sent or waits.
    at: u64,
    size: u64,
    /// Zeros that come before what waits.
    zeros: u64,
    waiting: VecDeque<Bytes>,
}

/// A stream that ends early is an error: the client must not take a part for the whole.
fn body(sending: Sending) -> Body {
    Body::from_stream(futures::stream::try_unfold(sending, |mut sending| async move {
        loop {
            if sending.zeros > 0 {
                let length = sending.zeros.min(ZERO_BYTES);
                sending.zeros -= length;
                return Ok(Some((Bytes::from_static(&ZEROS[..length as usize]), sending)));
            }
            if let Some(data) = sending.waiting.pop_front() {
                return Ok(Some((data, sending)));
            }
            if sending.at == sending.size {
                return Ok::<_, std::io::Error>(None);
            }
            let part =
                sending.stream.message().await.map_err(|status| std::io::Error::other(status.message().to_owned()))?;
            match part.and_then(|part| part.part) {
                Some(Part::Start(_)) => {}
                Some(Part::Piece(piece)) => {
                    sending.zeros = piece.offset.saturating_sub(sending.at);
                    sending.at = piece.offset + piece.data.len() as u64;
                    sending.waiting.push_back(piece.data.into());
                }
                Some(Part::End(_)) => (sending.zeros, sending.at) = (sending.size - sending.at, sending.size),
                None => return Err(std::io::Error::other("the node ended before all was read")),
            }
        }
    }))
}
