//! The volume that a new one is a copy of.

use super::action::invalid;
use crate::error::ApiError;
use crate::resources::Volume;
use crate::resources::data_source::DataSource;
use crate::resources::volume::VolumeSpec;
use crate::store::Store;

/// Reads the text of a `dataSource` that is not empty.
pub(crate) fn parse(text: &str) -> Result<DataSource, ApiError> {
    text.parse().map_err(|error| invalid(error, "Give vol://<volume> or snap://<volume>/<snapshot>."))
}

/// The source has to be there, and to fit into its copy.
pub(super) async fn check(store: &Store, spec: &VolumeSpec) -> Result<(), ApiError> {
    if spec.data_source.is_empty() {
        return Ok(());
    }
    let name = parse(&spec.data_source)?.volume;
    let source = store.find::<Volume>(name.as_str()).await?.filter(|source| !source.is_deleting());
    let Some(source) = source else {
        let message = format_args!("there is no volume {name} to make a copy of (dataSource {})", spec.data_source);
        return Err(invalid(message, "GET /v1/volumes lists the volumes."));
    };
    if spec.size < source.spec.size {
        let message = format_args!("a copy of volume {name} can't have {}: it has {}", spec.size, source.spec.size);
        return Err(invalid(message, format_args!("Give size {} or more.", source.spec.size.bytes())));
    }
    Ok(())
}
