//! What a new volume is a copy of: `vol://<volume>` or `snap://<volume>/<snapshot>`.

use aurochs_api::ids::{VolumeName, check_snapshot_name};

use super::action::invalid;
use crate::error::ApiError;
use crate::resources::Volume;
use crate::resources::volume::VolumeSpec;
use crate::store::Store;

/// A source, read from its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataSource {
    pub(crate) volume: VolumeName,
    /// None for what the volume holds now.
    pub(crate) snapshot: Option<String>,
}

/// Reads the text of a `dataSource` that is not empty.
pub(crate) fn parse(text: &str) -> Result<DataSource, ApiError> {
    const NEXT_STEP: &str = "Give vol://<volume> or snap://<volume>/<snapshot>.";
    let wrong = |why: &dyn std::fmt::Display| invalid(format_args!("dataSource can't be {text:?}: {why}"), NEXT_STEP);
    let volume = |name: &str| name.parse::<VolumeName>().map_err(|error| wrong(&error));
    if let Some(name) = text.strip_prefix("vol://") {
        return Ok(DataSource { volume: volume(name)?, snapshot: None });
    }
    let Some((name, snapshot)) = text.strip_prefix("snap://").and_then(|rest| rest.split_once('/')) else {
        return Err(wrong(&"it names neither a volume nor a snapshot"));
    };
    check_snapshot_name(snapshot).map_err(|error| wrong(&error))?;
    Ok(DataSource { volume: volume(name)?, snapshot: Some(snapshot.to_owned()) })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_sources() {
        let source = |text| parse(text).map(|source| (source.volume.to_string(), source.snapshot));
        assert_eq!(source("vol://a").unwrap(), ("a".to_owned(), None));
        assert_eq!(source("snap://a/s1").unwrap(), ("a".to_owned(), Some("s1".to_owned())));
        for bad in
            ["a", "vol://", "vol://A", "vol://a/s", "snap://a", "snap://a/", "snap://a/b/c", "snap:///s", "bi://a"]
        {
            assert!(parse(bad).unwrap_err().next_step.contains("vol://"), "{bad}");
        }
    }
}
