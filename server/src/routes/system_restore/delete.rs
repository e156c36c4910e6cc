//! `DELETE /v1/systemrestores/{name}`

use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::error::{ApiError, ErrorKind};
use crate::resources::SystemRestore;
use crate::routes::shown;
use crate::store::Store;

/// What it brought back stays. One that is under way comes to its end first: half a system is of use to nobody.
pub async fn handle(State(store): State<Store>, Path(name): Path<String>) -> Result<StatusCode, ApiError> {
    let found = store.get::<SystemRestore>(&name).await;
    let found = found.map_err(|error| shown::unknown::<SystemRestore>(error, &name))?;
    if !found.has_ended() {
        let message = format_args!("system restore {name} is under way");
        return Err(ApiError::new(ErrorKind::Conflict, message, "Let it end, then delete it."));
    }
    shown::delete::<SystemRestore>(State(store), Path(name)).await
}
