//! `POST /v1/volumes`: a new volume. What is wrong with the wish is said at once; where its replicas go is found later.

use std::collections::BTreeMap;

use aurochs_api::ids::VolumeName;
use aurochs_api::volume::{RecurringJobRef, VolumeCreateInput};
use axum::Json;
use axum::extract::State;

use super::action::invalid;
use super::from_backup::Origin;
use super::{backing_image, backup_target, data_source, from_backup, get, new_volume, recurring_job, room, rules};
use crate::auth::User;
use crate::backups::Backups;
use crate::controllers::job::keys;
use crate::controllers::volume::default_group;
use crate::error::ApiError;
use crate::jobs::{Jobs, StartedBy};
use crate::resources::volume::{LABEL_BACKUP_TARGET, LABEL_ENABLED, VolumeSpec};
use crate::resources::{Object, Volume};
use crate::routes::body::Body;
use crate::settings::Settings;
use crate::store::Store;
use crate::web::request_url::RequestUrl;

/// Answers with the new volume.
pub async fn handle(
    State(store): State<Store>,
    State(settings): State<Settings>,
    State(jobs): State<Jobs>,
    State(backups): State<Backups>,
    url: RequestUrl,
    user: User,
    Body(mut input): Body<VolumeCreateInput>,
) -> Result<get::Answer, ApiError> {
    let (name, spec, origin) = prepare(&store, &settings, &backups, &mut input).await?;
    let mut volume = Object::<Volume>::new(name.as_str(), spec);
    volume.metadata.labels = labels(&volume.spec.backup_target_name, &input.recurring_job_selector)?;
    default_group::join(&mut volume);
    if !volume.spec.data_source.is_empty() {
        jobs.expect(keys::clone(name.as_str()), StartedBy::User(user.name.clone()));
    }
    if let Some(origin) = &origin {
        jobs.expect(keys::restore(name.as_str()), StartedBy::User(user.name));
        origin.bring_jobs(&store, &settings, &mut volume).await?;
    }
    store.create(&volume).await?;
    tracing::info!(volume = %name, "created");
    get::view(&store, &url, name.as_str()).await.map(Json)
}

/// The spec that a wish becomes, complete and judged; nothing is written.
pub(crate) async fn spec(
    store: &Store,
    settings: &Settings,
    backups: &Backups,
    mut input: VolumeCreateInput,
) -> Result<VolumeSpec, ApiError> {
    prepare(store, settings, backups, &mut input).await.map(|(_, spec, _)| spec)
}

async fn prepare(
    store: &Store,
    settings: &Settings,
    backups: &Backups,
    input: &mut VolumeCreateInput,
) -> Result<(VolumeName, VolumeSpec, Option<Origin>), ApiError> {
    let name: VolumeName = input.name.parse().map_err(|error| invalid(error, "Choose another name."))?;
    rules::engine_on(settings, format_args!("volume {name} is not created"))?;
    let origin = from_backup::of(store, backups, input).await?;
    if input.backing_image.is_empty() && !input.data_source.is_empty() {
        input.backing_image = backing_image::of_source(store, &input.data_source).await?;
    }
    let spec = new_volume::spec(input, settings)?;
    if let Some(origin) = &origin {
        origin.check(&spec)?;
        backing_image::check_origin(store, &spec, &origin.volume).await?;
    }
    backup_target::check(store, &spec.backup_target_name).await?;
    data_source::check(store, &spec).await?;
    backing_image::check(store, &spec).await?;
    room::check_size(store, settings, &name, spec.size).await?;
    room::check_selectors(store, &spec).await?;
    Ok((name, spec, origin))
}

fn labels(backup_target: &str, jobs: &[RecurringJobRef]) -> Result<BTreeMap<String, String>, ApiError> {
    recurring_job::check_number(jobs.len())?;
    let mut labels = BTreeMap::from([(LABEL_BACKUP_TARGET.to_owned(), backup_target.to_owned())]);
    for job in jobs {
        labels.insert(recurring_job::label(&job.name, job.is_group)?, LABEL_ENABLED.to_owned());
    }
    Ok(labels)
}
