//! The resources of this installation as files.

use serde_json::{Value, json};

use super::archive::File;
use crate::resources::{
    BackingImage, BackupTarget, EngineImage, GROUP, Kind, Metadata, Object, RecurringJob, Setting, Volume, timestamp,
};
use crate::store::{Store, StoreError};
use crate::yaml;

/// Where Longhorn is in Kubernetes; its resources name it.
const NAMESPACE: &str = "longhorn-system";

/// Everything that a restore brings back, as it is now.
pub async fn files(store: &Store, name: &str) -> Result<Vec<File>, StoreError> {
    let metadata = json!({
        "longhornVersion": super::version(),
        "longhornGitCommit": "",
        "kubernetesVersion": "",
        // As Longhorn spells it.
        "longhornNamspaceUUID": "",
        "systemBackupCreatedAt": timestamp::now(),
        "managerImage": super::manager_image(),
    });
    Ok(vec![
        File { path: format!("{name}/metadata.yaml"), text: yaml::write(&metadata) },
        // One file is called by one of its kind, as in Longhorn.
        list::<Setting>(store, name, "setting").await?,
        list::<EngineImage>(store, name, "engineimages").await?,
        list::<Volume>(store, name, "volumes").await?,
        list::<RecurringJob>(store, name, "recurringjobs").await?,
        list::<BackingImage>(store, name, "backingimages").await?,
        list::<BackupTarget>(store, name, "backuptargets").await?,
    ])
}

async fn list<K: Kind>(store: &Store, name: &str, file: &str) -> Result<File, StoreError> {
    let found = store.list_shared::<K>().await?;
    let stays = found.iter().filter(|object| !object.is_deleting());
    let items: Result<Vec<Value>, serde_json::Error> = stays.map(|object| item(object)).collect();
    let items = items.map_err(|source| StoreError::Decode { kind: K::KIND, name: String::new(), source })?;
    let list = json!({
        "apiVersion": api_version(),
        "kind": format!("{}List", K::KIND),
        "metadata": {"resourceVersion": ""},
        "items": items,
    });
    Ok(File { path: format!("{name}/yamls/longhorn/{file}.yaml"), text: yaml::write(&list) })
}

fn api_version() -> String {
    format!("{GROUP}/v1beta2")
}

/// As Kubernetes would answer it.
fn item<K: Kind>(object: &Object<K>) -> Result<Value, serde_json::Error> {
    let spec = serde_json::to_value(&object.spec)?;
    let mut item = json!({
        "apiVersion": api_version(),
        "kind": K::KIND,
        "metadata": metadata(&object.metadata)?,
        "status": serde_json::to_value(&object.status)?,
    });
    match spec {
        // A setting's value stands beside its metadata.
        Value::Object(fields) if K::KIND == Setting::KIND => {
            if let Some(item) = item.as_object_mut() {
                item.extend(fields);
            }
        }
        spec => item["spec"] = spec,
    }
    Ok(item)
}

fn metadata(metadata: &Metadata) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(metadata)?;
    value["namespace"] = NAMESPACE.into();
    Ok(value)
}

#[cfg(test)]
mod tests {
    use aurochs_api::size::ByteSize;

    use super::*;
    use crate::resources::setting::SettingSpec;
    use crate::resources::volume::VolumeSpec;

    #[test]
    fn resources_have_kubernetes_form() {
        let spec = VolumeSpec { size: ByteSize(1 << 30), from_backup: "x".into(), ..VolumeSpec::default() };
        let mut volume = Object::<Volume>::new("data", spec);
        volume.status.last_backup = "backup-1".into();
        let item = item(&volume).unwrap();
        assert_eq!((&item["kind"], &item["apiVersion"]), (&json!("Volume"), &json!("longhorn.io/v1beta2")));
        assert_eq!(item["metadata"]["namespace"], "longhorn-system");
        assert_eq!((&item["spec"]["size"], &item["status"]["lastBackup"]), (&json!("1073741824"), &json!("backup-1")));
    }

    #[test]
    fn a_settings_value_stands_alone() {
        let setting = Object::<Setting>::new("default-replica-count", SettingSpec { value: "2".into() });
        let item = item(&setting).unwrap();
        assert_eq!((&item["value"], item.get("spec")), (&json!("2"), None));
    }
}
