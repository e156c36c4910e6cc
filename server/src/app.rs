//! What a request handler may touch.

use std::path::PathBuf;
use std::sync::Arc;

use sqlx::SqlitePool;

use crate::instance::Clients;
use crate::settings::Settings;
use crate::store::Store;

/// Everything the API works with; cheap to clone.
#[derive(Clone)]
pub struct App {
    pub store: Store,
    /// Typed values of the settings.
    pub settings: Settings,
    /// Instance managers and engines.
    pub clients: Clients,
    pub data_dir: Arc<PathBuf>,
    /// For tables beside the resources: sessions, audit, jobs.
    pub pool: SqlitePool,
    /// Of the manager, such as `0.1.0`.
    pub version: &'static str,
}
