//! `GET /v1/supportbundles/{node}/{name}/download`

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::get;
use crate::auth::client::Client;
use crate::auth::require;
use crate::error::{ApiError, ErrorKind};
use crate::resources::SupportBundle;
use crate::resources::support_bundle::SupportBundleState;
use crate::store::Store;
use crate::support_bundle::{Bundles, file_name};

const CHUNK_BYTES: usize = 64 << 10;

/// The archive. When all of it was taken, the bundle is deleted; a download that breaks can be repeated.
pub(crate) async fn handle(
    State(store): State<Store>,
    State(bundles): State<Bundles>,
    Path((node, name)): Path<(String, String)>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    require::refuse_foreign(&headers, &client)?;
    let bundle = get::find(&store, &node, &name).await?;
    let archive = bundles.archive(&name).filter(|_| bundle.status.state == SupportBundleState::ReadyForDownload);
    let path = archive.ok_or_else(|| {
        let message = format_args!("support bundle {name} is not there to be downloaded");
        ApiError::new(ErrorKind::Conflict, message, "Wait until its state is ReadyForDownload.")
    })?;
    let opened = async {
        let file = File::open(&path).await?;
        let length = file.metadata().await?.len();
        Ok::<_, std::io::Error>((file, length))
    };
    let (file, length) = opened.await.map_err(|error| ApiError::internal("opening a support bundle", error))?;
    let headers = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename={}", file_name(&name))),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, body(file, length, store, name)).into_response())
}

/// What is left to be sent.
struct Download {
    file: File,
    left: u64,
    store: Store,
    name: String,
}

fn body(file: File, length: u64, store: Store, name: String) -> Body {
    let download = Download { file, left: length, store, name };
    Body::from_stream(futures::stream::try_unfold(download, |mut download| async move {
        let mut chunk = vec![0; CHUNK_BYTES];
        let read = download.file.read(&mut chunk).await?;
        if read == 0 {
            return Ok::<_, std::io::Error>(None);
        }
        chunk.truncate(read);
        download.left = download.left.saturating_sub(read as u64);
        if download.left == 0 {
            // The client has all but this last piece, and the file that is open stays readable.
            if let Err(error) = download.store.delete::<SupportBundle>(&download.name).await {
                tracing::warn!(%error, bundle = download.name, "a downloaded support bundle could not be deleted");
            }
        }
        Ok(Some((Bytes::from(chunk), download)))
    }))
}
