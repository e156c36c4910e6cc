//! What a volume is a copy of: `vol://<volume>` or `snap://<volume>/<snapshot>`.

use std::str::FromStr;

use aurochs_api::ids::{VolumeName, check_snapshot_name};

/// A source, read from its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSource {
    pub volume: VolumeName,
    /// None for what the volume holds now.
    pub snapshot: Option<String>,
}

/// Why a text is no source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("dataSource can't be {text:?}: {why}")]
pub struct NoDataSource {
    text: String,
    why: String,
}

impl FromStr for DataSource {
    type Err = NoDataSource;

    fn from_str(text: &str) -> Result<Self, NoDataSource> {
        let wrong = |why: &dyn std::fmt::Display| NoDataSource { text: text.to_owned(), why: why.to_string() };
        let volume = |name: &str| name.parse::<VolumeName>().map_err(|error| wrong(&error));
        if let Some(name) = text.strip_prefix("vol://") {
            return Ok(Self { volume: volume(name)?, snapshot: None });
        }
        let Some((name, snapshot)) = text.strip_prefix("snap://").and_then(|rest| rest.split_once('/')) else {
            return Err(wrong(&"it names neither a volume nor a snapshot"));
        };
        check_snapshot_name(snapshot).map_err(|error| wrong(&error))?;
        Ok(Self { volume: volume(name)?, snapshot: Some(snapshot.to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_sources() {
        let source =
            |text: &str| text.parse::<DataSource>().map(|source| (source.volume.to_string(), source.snapshot)).ok();
        assert_eq!(source("vol://a"), Some(("a".to_owned(), None)));
        assert_eq!(source("snap://a/s1"), Some(("a".to_owned(), Some("s1".to_owned()))));
        for bad in
            ["a", "vol://", "vol://A", "vol://a/s", "snap://a", "snap://a/", "snap://a/b/c", "snap:///s", "bi://a"]
        {
            assert_eq!(source(bad), None, "{bad}");
        }
    }
}
