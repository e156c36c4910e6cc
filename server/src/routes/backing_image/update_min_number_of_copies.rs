//! `updateMinNumberOfCopies`

use aurochs_api::backing_image::{BackingImage as BackingImageView, UpdateMinNumberOfCopiesInput};
use aurochs_api::schema::Resource;

use super::create;
use crate::error::ApiError;
use crate::nouns::action::Target;
use crate::resources::{BackingImage, Object};
use crate::routes::shown;
use crate::view::envelope::Links;
use crate::view::shown as view;

/// Copies that are too many go when nobody has needed them for a while.
pub(crate) async fn handle(
    target: Target,
    input: UpdateMinNumberOfCopiesInput,
) -> Result<Resource<BackingImageView>, ApiError> {
    let copies = create::copies(input.min_number_of_copies, &target.app.settings)?;
    let change = |image: &mut Object<BackingImage>| image.spec.min_number_of_copies = copies;
    let changed = target.app.store.modify::<BackingImage>(&target.name, change).await;
    let changed = changed.map_err(|error| shown::unknown::<BackingImage>(error, &target.name))?;
    Ok(view::resource(&changed, Links::of(&target.url)))
}
