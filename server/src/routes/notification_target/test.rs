//! `POST /v1/notificationtargets/{name}?action=test`

use aurochs_api::action::NoInput;
use aurochs_api::notification::NotificationTarget;
use aurochs_api::schema::Resource;

use crate::error::ApiError;
use crate::nouns::action::Target;
use crate::view::envelope::Links;
use crate::view::notification_target::resource;

/// Answers with the target when it took the notice.
pub async fn handle(target: Target, _: NoInput) -> Result<Resource<NotificationTarget>, ApiError> {
    let tested = target.app.notifications.test(&target.name).await?;
    Ok(resource(tested, Links::of(&target.url)))
}
