//! `POST /v1/supportbundles`

use aurochs_api::schema::Resource;
use aurochs_api::support_bundle::{SupportBundle as SupportBundleView, SupportBundleInitiateInput};
use axum::Json;
use axum::extract::State;

use crate::auth::User;
use crate::error::{ApiError, ErrorKind};
use crate::jobs::{Jobs, StartedBy};
use crate::resources::support_bundle::{SupportBundleSpec, SupportBundleState};
use crate::resources::{Object, SupportBundle, timestamp};
use crate::routes::body::Body;
use crate::store::Store;
use crate::support_bundle::{self, Bundles, Redactor};
use crate::view;
use crate::view::envelope::Links;
use crate::web::request_url::RequestUrl;

/// More is no description.
const TEXT_LIMIT_BYTES: usize = 4096;

/// Answers with the bundle; its state tells how far it is. One that is ready gives way to the new one.
pub async fn handle(
    State(store): State<Store>,
    State(bundles): State<Bundles>,
    State(jobs): State<Jobs>,
    url: RequestUrl,
    user: User,
    Body(input): Body<SupportBundleInitiateInput>,
) -> Result<Json<Resource<SupportBundleView>>, ApiError> {
    let spec = spec(input)?;
    let place = bundles.place().ok_or_else(|| {
        ApiError::new(ErrorKind::Conflict, "this manager has no directory for support bundles", "Ask another manager.")
    })?;
    let _one_at_a_time = place.creating().await;
    make_room(&store).await?;
    let name = format!("support-bundle-{}", timestamp::now().to_lowercase().replace(':', "-"));
    jobs.expect(support_bundle::job_key(&name), StartedBy::User(user.name));
    store
        .create(&Object::<SupportBundle>::new(&name, SupportBundleSpec { node_id: place.owner.clone(), ..spec }))
        .await?;
    let stored = store
        .modify_status::<SupportBundle>(&name, |status| {
            // The controller may have been quicker.
            if status.state == SupportBundleState::New {
                status.state = SupportBundleState::Started;
            }
            status.owner_id.clone_from(&place.owner);
        })
        .await?;
    tracing::info!(bundle = name, "a support bundle was asked for");
    Ok(Json(view::support_bundle::resource(&stored, Links::of(&url))))
}

fn spec(input: SupportBundleInitiateInput) -> Result<SupportBundleSpec, ApiError> {
    for (field, text) in [("issueURL", &input.issue_url), ("description", &input.description)] {
        if text.len() > TEXT_LIMIT_BYTES {
            let message = format_args!("{field} has {} bytes, more than {TEXT_LIMIT_BYTES}", text.len());
            return Err(ApiError::new(ErrorKind::Invalid, message, "Give a shorter one."));
        }
    }
    // People paste what they see, and everybody who may look sees this.
    let redactor = Redactor::default();
    let (description, issue_url) = (redactor.text(&input.description), redactor.text(&input.issue_url));
    Ok(SupportBundleSpec { description, issue_url, ..SupportBundleSpec::default() })
}

/// One is made at a time, and one is kept.
async fn make_room(store: &Store) -> Result<(), ApiError> {
    for bundle in store.list::<SupportBundle>().await?.iter().filter(|bundle| !bundle.is_deleting()) {
        match bundle.status.state {
            SupportBundleState::New | SupportBundleState::Started | SupportBundleState::Generating => {
                let message = format_args!("no support bundle is begun: {} is being made", bundle.name());
                return Err(ApiError::new(ErrorKind::Conflict, message, "Wait for it, or delete it."));
            }
            SupportBundleState::ReadyForDownload => {
                let replaced = SupportBundleState::Replaced;
                store.modify_status::<SupportBundle>(bundle.name(), |status| status.state = replaced).await?;
            }
            _ => {}
        }
    }
    Ok(())
}
