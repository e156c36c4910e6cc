//! What a system backup holds, whoever made it: read as far as it can be, and nothing believed.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::archive::{self, ArchiveError, File};
use crate::resources::{
    BackingImage, BackupTarget, EngineImage, Kind, RecurringJob, Setting, Volume, metadata::Metadata,
};
use crate::yaml;

/// The directory of the resources that are brought back; the other ones hold what is Kubernetes' own.
const OURS: &str = "/yamls/longhorn/";

/// A resource as a file has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Item {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// Of a setting, its value.
    pub spec: Value,
    pub status: Value,
}

/// Everything in it that means something here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    pub settings: Vec<Item>,
    pub engine_images: Vec<Item>,
    pub backup_targets: Vec<Item>,
    pub backing_images: Vec<Item>,
    pub recurring_jobs: Vec<Item>,
    pub volumes: Vec<Item>,
    /// Sentences about what could not be read.
    pub unread: Vec<String>,
}

impl Item {
    /// The spec as one of its kind has it.
    pub fn spec<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(&self.spec)
    }

    /// A text in the status; empty where there is none.
    #[must_use]
    pub fn told(&self, field: &str) -> &str {
        self.status.get(field).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Reads the zip. A file that can't be read is told of, and the others are read.
pub fn read(zip: &[u8]) -> Result<Found, ArchiveError> {
    let files = archive::unpack(zip, |path| path.contains(OURS))?;
    let mut found = Found::default();
    for File { path, text } in files {
        match yaml::read(&text) {
            Ok(list) => found.take(&path, list),
            Err(error) => found.unread.push(format!("{path} is not read: {error}")),
        }
    }
    Ok(found)
}

impl Found {
    fn take(&mut self, path: &str, mut list: Value) {
        let kind = list.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        let place = match kind.strip_suffix("List").unwrap_or(&kind) {
            Setting::KIND => &mut self.settings,
            EngineImage::KIND => &mut self.engine_images,
            BackupTarget::KIND => &mut self.backup_targets,
            BackingImage::KIND => &mut self.backing_images,
            RecurringJob::KIND => &mut self.recurring_jobs,
            Volume::KIND => &mut self.volumes,
            _ => {
                self.unread.push(format!("{path} is not read: a list of kind {kind:?} is not known here"));
                return;
            }
        };
        let items = match list.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => items,
            None | Some(Value::Null) => Vec::new(),
            Some(_) => {
                self.unread.push(format!("{path} is not read: its items are no list"));
                return;
            }
        };
        for (number, item) in items.into_iter().enumerate() {
            match one(item) {
                Ok(item) => place.push(item),
                Err(why) => self.unread.push(format!("{path}: number {number} is not read: {why}")),
            }
        }
    }
}

fn one(mut item: Value) -> Result<Item, String> {
    let metadata = item.get("metadata").cloned().unwrap_or_default();
    let fields = ["name", "labels", "annotations"].into_iter();
    // The others are the cluster's that it was in.
    let own: serde_json::Map<String, Value> =
        fields.filter_map(|field| Some((field.to_owned(), metadata.get(field)?.clone()))).collect();
    let own = own.into_iter().filter(|(_, value)| !value.is_null()).collect();
    let metadata: Metadata = serde_json::from_value(Value::Object(own)).map_err(|error| error.to_string())?;
    if metadata.name.is_empty() {
        return Err("it has no name".to_owned());
    }
    let mut part = |field: &str| item.get_mut(field).map(|part| without_nulls(part.take()));
    let spec = part("spec").or_else(|| part("value")).unwrap_or_default();
    let status = part("status").unwrap_or_default();
    let Metadata { name, labels, annotations, .. } = metadata;
    Ok(Item { name, labels, annotations, spec, status })
}

/// What Go writes for an empty list or map is the same as nothing.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let stays = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(stays.map(|(field, value)| (field, without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        leaf => leaf,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::resources::Object;
    use crate::resources::setting::SettingSpec;
    use crate::resources::volume::VolumeSpec;
    use crate::store::Store;
    use crate::store::sqlite::Sqlite;
    use crate::system::contents;

    fn zip(files: &[(&str, &str)]) -> bytes::Bytes {
        let file = |(path, text): &(&str, &str)| File { path: (*path).to_owned(), text: (*text).to_owned() };
        archive::pack(&files.iter().map(file).collect::<Vec<_>>()).unwrap()
    }

    #[tokio::test]
    async fn what_is_written_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(Arc::new(Sqlite::open(&directory.path().join("db")).await.unwrap()));
        store
            .create(&Object::<Setting>::new("default-replica-count", SettingSpec { value: "2".into() }))
            .await
            .unwrap();
        let spec = VolumeSpec { node_selector: vec!["ssd".into()], ..VolumeSpec::default() };
        let mut volume = Object::<Volume>::new("data", spec.clone());
        volume.metadata.labels.insert("recurring-job.longhorn.io/nightly".into(), "enabled".into());
        store.create(&volume).await.unwrap();
        store.modify_status::<Volume>("data", |status| status.last_backup = "b".into()).await.unwrap();
        let files = contents::files(&store, "nightly").await.unwrap();
        let found = read(&archive::pack(&files).unwrap()).unwrap();
        assert_eq!(found.unread, Vec::<String>::new());
        assert_eq!((found.settings.len(), &found.settings[0].spec), (1, &Value::from("2")));
        let volume = &found.volumes[0];
        assert_eq!((volume.name.as_str(), volume.told("lastBackup")), ("data", "b"));
        assert_eq!(volume.spec::<VolumeSpec>().unwrap(), spec);
        assert_eq!(volume.labels.len(), 1);
    }

    #[test]
    fn what_is_strange_is_told_and_the_rest_is_read() {
        let found = read(&zip(&[
            ("b/yamls/kubernetes/deployments.yaml", "{nonsense"),
            (
                "b/yamls/longhorn/setting.yaml",
                "kind: SettingList\nitems:\n- metadata: {name: a}\n  value: x\n- metadata: {}\n",
            ),
            ("b/yamls/longhorn/volumes.yaml", "{nonsense"),
            ("b/yamls/longhorn/others.yaml", "kind: ThingList\nitems: []\n"),
            ("b/yamls/longhorn/recurringjobs.yaml", "kind: RecurringJobList\nitems:\n"),
            ("b/yamls/longhorn/engineimages.yaml", "kind: EngineImageList\nitems: 5\n"),
        ]))
        .unwrap();
        assert_eq!((found.settings.len(), found.settings[0].name.as_str()), (1, "a"));
        assert_eq!(found.unread.len(), 4, "{:?}", found.unread);
        assert!(read(b"no zip").is_err());
    }
}
