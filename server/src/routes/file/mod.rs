//! Files in the file system inside a snapshot.
//!
//! For admins alone, and in the audit log: who may look at volumes may not therefore read what is in them.

pub mod content;
pub mod list;

use aurochs_api::file::{File, FileContentQuestion, FilesQuestion};
use aurochs_engine::backup::browse::source::SnapshotSource;
use aurochs_engine::backup::browse::{ImagePath, name_text};

use crate::app::App;
use crate::error::{ApiError, ErrorKind};
use crate::files::refusal;
use crate::nouns::Noun;
use crate::resources::Volume;
use crate::routes::volume::engine::{RunningEngine, refused};

/// They are of their volume, and nowhere else.
pub fn noun() -> Noun {
    Noun::of::<File>()
        .list_at("/v1/volumes/{name}/files", list::handle)
        .asking::<FilesQuestion>()
        .that_changes()
        .send_at("/v1/volumes/{name}/files/content", content::handle)
        .asking::<FileContentQuestion>()
        .that_changes()
        .done()
}

fn path(text: &str) -> Result<ImagePath, ApiError> {
    ImagePath::parse(&name_text::meant(text)).map_err(|error| refusal(&error))
}

/// The disk as the snapshot has it.
async fn disk(app: &App, volume: &str, snapshot: &str) -> Result<SnapshotSource, ApiError> {
    if snapshot.is_empty() {
        let next_step = "Name one with ?snapshot=; the action snapshotList tells their names.";
        let message = "files are read out of a snapshot, and none is named";
        return Err(ApiError::new(ErrorKind::Invalid, message, next_step));
    }
    let volume = app.store.get::<Volume>(volume).await?;
    let volume = volume.name();
    let engine = RunningEngine::find(&app.store, volume).await?.ok_or_else(|| {
        let message = format_args!("volume {volume} is not attached, so its snapshots can't be read");
        ApiError::new(ErrorKind::Conflict, message, "Attach it, then try again.")
    })?;
    engine.snapshot(snapshot).await?;
    let opened = SnapshotSource::open(engine.client(), volume, snapshot).await;
    opened.map_err(|status| refused(&format!("reading snapshot {snapshot} of volume {volume}"), &status))
}
