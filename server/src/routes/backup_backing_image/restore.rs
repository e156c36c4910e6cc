//! `backupBackingImageRestore`: a backing image of the same name, made of the backup.

use aurochs_api::backup_backing_image::BackingImageRestoreInput;

use crate::controllers::backing_image::source;
use crate::controllers::job::keys;
use crate::error::{ApiError, ErrorKind};
use crate::feature::Feature;
use crate::jobs::StartedBy;
use crate::nouns::action::Target;
use crate::resources::backing_image::{BackingImageSpec, SourceType};
use crate::resources::backup::BackupState;
use crate::resources::{BackingImage, BackupBackingImage, Object};
use crate::routes::{backing_image, shown};
use crate::settings::Name;

pub(crate) async fn handle(target: Target, input: BackingImageRestoreInput) -> Result<(), ApiError> {
    let (app, name) = (&target.app, &target.name);
    let found = app.store.get::<BackupBackingImage>(name).await;
    let backup = found.map_err(|error| shown::unknown::<BackupBackingImage>(error, name))?;
    let image = &backup.spec.backing_image;
    if !matches!(input.data_engine.as_str(), "" | "v1") {
        let tried = format_args!("restoring backing image {image} with dataEngine v2");
        return Err(ApiError::not_yet(Feature::SecondEngine, tried));
    }
    if backup.status.state != BackupState::Completed || backup.is_deleting() {
        let message = format_args!("backup {name} of backing image {image} is not complete, so it can't be restored");
        return Err(ApiError::new(ErrorKind::Conflict, message, "Wait until it is, or choose another one."));
    }
    if app.store.find::<BackingImage>(image).await?.is_some() {
        let message = format_args!("there is a backing image {image} already");
        return Err(ApiError::new(ErrorKind::Conflict, message, "Delete that one first, if nothing stands on it."));
    }
    let concurrency = app.settings.number(Name::RestoreConcurrentLimit).to_string();
    let parameters = [(source::BACKUP_URL, backup.status.url.clone()), (source::CONCURRENT_LIMIT, concurrency)];
    let spec = BackingImageSpec {
        source_type: SourceType::Restore,
        source_parameters: parameters.map(|(key, value)| (key.to_owned(), value)).into(),
        checksum: backup.status.checksum.clone(),
        data_engine: "v1".to_owned(),
        min_number_of_copies: backing_image::create::copies(0, &app.settings)?,
        secret: input.secret,
        secret_namespace: input.secret_namespace,
        ..BackingImageSpec::default()
    };
    app.jobs.expect(keys::backing_image(image), StartedBy::User(target.user.clone()));
    app.store.create(&Object::<BackingImage>::new(image.clone(), spec)).await?;
    tracing::info!(image, backup = name, "restoring a backing image is asked for");
    Ok(())
}
