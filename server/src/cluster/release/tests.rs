use std::sync::Arc;

use aurochs_e2e::ControlPlane;
use serde_json::json;

use super::super::NAMESPACE;
use super::super::tests as planes;
use super::*;
use crate::resources::{BackupTarget, Setting};
use crate::settings::Name;

#[test]
fn entries_are_texts() {
    let entries = |text: &str| Said { version: "1".to_owned(), text: text.to_owned() }.entries("x");
    let found = entries("a: \"3\"\nb: 3\nc: true\nd:\ne: {\"v1\": \"true\"}\n");
    let expected = [("a", "3"), ("b", "3"), ("c", "true"), ("d", ""), ("e", "{\"v1\":\"true\"}")];
    assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    for nothing in ["", "- a", "a: [", "words"] {
        assert!(entries(nothing).is_empty(), "{nothing}");
    }
}

/// The file of a rendering that is checked in, as the API server would have it.
#[test]
fn what_the_chart_renders_is_understood() {
    let rendered = include_str!("../../../../deploy/tests/w13-default-settings.diff");
    assert!(rendered.contains("backup-target:"), "{rendered}");
    let default = include_str!("../../../../deploy/tests/default.yaml");
    let mut maps = default.split("---\n").filter(|document| document.contains("\nkind: ConfigMap\n")).map(|document| {
        let map: ConfigMap = serde_json::from_value(yaml::read(document).unwrap()).unwrap();
        said(ConfigMap { metadata: versioned(map.metadata), ..map }).unwrap()
    });
    let (_, target) = maps.next().unwrap();
    assert!(target.entries(BACKUP_TARGET).is_empty());
    let (name, settings) = maps.next().unwrap();
    assert_eq!(name, SETTINGS);
    for (name, value) in settings.entries(SETTINGS) {
        assert!(crate::settings::check(&name, &value).is_ok(), "{name} {value}");
    }
    let (name, class) = maps.next().unwrap();
    assert_eq!(name, STORAGE_CLASS);
    let class = storage_class::wanted(&class.text).unwrap();
    assert_eq!(class.parameters.unwrap()["numberOfReplicas"], "3");
}

fn versioned(mut metadata: kube::api::ObjectMeta) -> kube::api::ObjectMeta {
    metadata.resource_version = Some("1".to_owned());
    metadata
}

fn config_map(plane: &ControlPlane, name: &str, text: &str) {
    let key = format!("{}.yaml", name.strip_prefix("longhorn-").unwrap());
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE},
        "data": {key: text}});
    plane.kubectl(&["apply", "-f", "-"], &map.to_string()).unwrap();
}

fn class_text(replicas: u32) -> String {
    format!(
        "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata:\n  name: longhorn\n  annotations:\n    \
         storageclass.kubernetes.io/is-default-class: \"true\"\nprovisioner: driver.longhorn.io\nparameters:\n  \
         numberOfReplicas: \"{replicas}\"\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes API server: make test-k8s"]
async fn a_release_says_what_is_so_until_a_person_says_otherwise() {
    let plane = planes::plane().await;
    let cluster = planes::as_account(&plane, "longhorn-service-account").await;
    let store = Store::new(Arc::new(cluster.store().await.unwrap()));
    let settings = Settings::default();
    let taken = async || take(&cluster, &store, &settings).await;
    let value = async |name: &str| store.get::<Setting>(name).await.unwrap().spec.value;
    let class = |path: &str| plane.kubectl(&["get", "storageclass", "longhorn", "-o", path], "").unwrap();
    let (replicas, is_default) = (
        "jsonpath={.parameters.numberOfReplicas}",
        r"jsonpath={.metadata.annotations.storageclass\.kubernetes\.io/is-default-class}",
    );

    // Nothing is said, nothing is made.
    taken().await;
    assert!(store.list::<Setting>().await.unwrap().is_empty());

    config_map(
        &plane,
        SETTINGS,
        "default-replica-count: \"2\"\nno-such: \"1\"\nstorage-over-provisioning-percentage: much\n",
    );
    config_map(&plane, BACKUP_TARGET, "backup-target: s3://b@r/\nbackupstore-poll-interval: \"60\"\n");
    config_map(&plane, STORAGE_CLASS, &class_text(3));
    taken().await;
    assert_eq!(settings.number(Name::DefaultReplicaCount), 2);
    assert!(store.find::<Setting>("storage-over-provisioning-percentage").await.unwrap().is_none());
    let target = store.get::<BackupTarget>("default").await.unwrap().spec;
    assert_eq!((target.backup_target_url.as_str(), target.poll_interval.as_str()), ("s3://b@r/", "1m0s"));
    assert_eq!((class(replicas).as_str(), class(is_default).as_str()), ("3", "true"));

    // A person's word counts until the release says something else.
    crate::routes::setting::update::put(&store, &settings, "default-replica-count", "1").await.unwrap();
    let not_default = r#"{"metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "false"}}}"#;
    plane.kubectl(&["patch", "storageclass", "longhorn", "-p", not_default], "").unwrap();
    taken().await;
    assert!(value("default-replica-count").await.contains("\"1\""));
    assert_eq!(class(is_default), "false");
    config_map(&plane, SETTINGS, "default-replica-count: \"3\"\n");
    config_map(&plane, STORAGE_CLASS, &class_text(2));
    taken().await;
    assert!(value("default-replica-count").await.contains("\"3\""));
    assert_eq!((class(replicas).as_str(), class(is_default).as_str()), ("2", "true"));
}
