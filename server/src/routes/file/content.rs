//! `GET /v1/volumes/{name}/files/content?snapshot=…&path=…`, `GET /v1/backupvolumes/{name}/files/content?backup=…&path=…`

use aurochs_api::file::{BackupFileContentQuestion, FileContentQuestion};
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;

use crate::app::App;
use crate::auth::client::Client;
use crate::auth::require;
use crate::error::ApiError;
use crate::files::download::{self, Wanted};

/// A file in a snapshot as it is, or a part of it; a directory with everything in it as a tar.
pub(crate) async fn of_snapshot(
    State(app): State<App>,
    Path(volume): Path<String>,
    Query(question): Query<FileContentQuestion>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    require::refuse_foreign(&headers, &client)?;
    let path = super::path(&question.path)?;
    let disk = super::snapshot(&app, &volume, &question.snapshot).await?;
    let place = app.files.place().await?;
    download::answer(place, disk, question.partition, path, Wanted::of(&headers)).await
}

/// The same of a backup.
pub(crate) async fn of_backup(
    State(app): State<App>,
    Path(volume): Path<String>,
    Query(question): Query<BackupFileContentQuestion>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    require::refuse_foreign(&headers, &client)?;
    let path = super::path(&question.path)?;
    let disk = super::backup(&app, &volume, &question.backup).await?;
    let place = app.files.place().await?;
    download::answer(place, disk, question.partition, path, Wanted::of(&headers)).await
}
