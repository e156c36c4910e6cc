//! Settings over REST, and what clients learn the API from.

use std::sync::Arc;
use std::time::Duration;

use aurochs_api::volume::VolumeState;
use aurochs_server::controllers::{self, Context};
use aurochs_server::events::Events;
use aurochs_server::instance::{Clients, Instances, Network};
use aurochs_server::jobs::Jobs;
use aurochs_server::resources::engine::{EngineSpec, InstanceState};
use aurochs_server::resources::setting::SettingSpec;
use aurochs_server::resources::volume::VolumeSpec;
use aurochs_server::resources::{Engine, Object, Replica, Setting, Volume};
use aurochs_server::samples::Samples;
use aurochs_server::settings;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Answer, Manager};

async fn put(manager: &Manager, name: &str, value: &str) -> Answer {
    manager.call("PUT", &format!("/v1/settings/{name}"), &json!({"value": value}).to_string()).await
}

/// What the controllers of a manager without nodes work with.
pub(crate) fn context(manager: &Manager) -> Context {
    Context {
        store: manager.store().clone(),
        settings: manager.app.settings.clone(),
        clients: Clients::new([].into(), Network::default()),
        instances: Instances::default(),
        events: Events::default(),
        jobs: Jobs::default(),
        samples: Samples::default(),
        backups: aurochs_server::backups::Backups::default(),
        giving_up: Arc::default(),
        owner: "node-1".into(),
        default_disks: Arc::default(),
        node_labels: Arc::default(),
        first_settings: &[],
    }
}

#[tokio::test]
async fn settings_are_checked_and_stored() {
    let manager = Manager::start().await;
    let list = manager.get("/v1/settings").await.json();
    let all = list["data"].as_array().unwrap();
    let row = all.iter().find(|row| row["id"] == "storage-over-provisioning-percentage").unwrap();
    assert_eq!(
        (&row["value"], &row["definition"]["type"], &row["actions"]),
        (&json!("100"), &json!("int"), &json!({}))
    );

    let put = |name: &str, value: serde_json::Value| {
        let (path, body) = (format!("/v1/settings/{name}"), json!({"value": value}).to_string());
        let manager = &manager;
        async move { manager.call("PUT", &path, &body).await }
    };
    let answer = put("storage-over-provisioning-percentage", json!(" 150 ")).await;
    assert_eq!((answer.status, &answer.json()["value"]), (StatusCode::OK, &json!("150")));
    assert_eq!(manager.get("/v1/settings/storage-over-provisioning-percentage").await.json()["value"], "150");

    for (name, value, status) in [
        ("storage-over-provisioning-percentage", json!("-1"), 422),
        ("storage-over-provisioning-percentage", json!("lots"), 422),
        ("storage-over-provisioning-percentage", json!(""), 422),
        ("storage-over-provisioning-percentage", json!(150), 400),
        ("current-longhorn-version", json!("9"), 409),
        ("no-such-setting", json!("1"), 404),
    ] {
        let answer = put(name, value).await;
        assert_eq!(answer.status.as_u16(), status, "{name}: {answer:?}");
        assert!(!answer.json()["detail"].as_str().unwrap().is_empty(), "{name}: {answer:?}");
    }
    assert_eq!(manager.get("/v1/settings/storage-over-provisioning-percentage").await.json()["value"], "150");
    assert_eq!(manager.get("/v1/settings/no-such-setting").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn every_setting_is_there_with_its_definition() {
    let manager = Manager::start().await;
    controllers::setting::ensure_defaults(&context(&manager)).await.unwrap();
    let list = manager.get("/v1/settings").await.json();
    let all = list["data"].as_array().unwrap();
    assert_eq!(all.len(), settings::all().len());
    let row = |id: &str| all.iter().find(|row| row["id"] == id).unwrap();
    for setting in all {
        assert_eq!(setting["applied"], true, "{setting}");
        let read_only = setting["definition"]["readOnly"] == true;
        assert!(read_only || setting["value"] == setting["definition"]["default"], "{setting}");
    }
    let count = &row("default-replica-count")["definition"];
    assert_eq!((&count["range"], &count["dataEngineSpecific"]), (&json!({"minimum": 1, "maximum": 20}), &json!(true)));
    let cpu = &row("guaranteed-instance-manager-cpu")["definition"];
    assert_eq!((&cpu["floatRange"], &cpu["type"]), (&json!({"minimum": 0.0, "maximum": 40.0}), &json!("float")));
    assert_eq!(cpu["category"], "danger Zone");
    let balance = &row("replica-auto-balance")["definition"];
    assert_eq!(balance["options"], json!(["disabled", "least-effort", "best-effort"]));
    assert!(balance.get("range").is_none() && balance.get("dataEngineSpecific").is_none(), "{balance}");
    assert_eq!(row("crd-api-version")["value"], "longhorn.io/v1beta2");
    assert_ne!(row("default-engine-image")["value"], "");
}

#[tokio::test]
async fn what_no_version_has_any_more_goes_and_what_the_system_tells_is_brought_up_to_date() {
    let manager = Manager::start().await;
    for (name, value) in
        [("orphan-auto-deletion", "true"), ("current-longhorn-version", "0.0.1"), ("auto-salvage", "false")]
    {
        let setting = Object::<Setting>::new(name, SettingSpec { value: value.into() });
        manager.store().create(&setting).await.unwrap();
    }
    for _ in 0..2 {
        controllers::setting::ensure_defaults(&context(&manager)).await.unwrap();
        assert!(manager.store().find::<Setting>("orphan-auto-deletion").await.unwrap().is_none());
        let value = |name: &'static str| {
            let store = manager.store();
            async move { store.get::<Setting>(name).await.unwrap().spec.value }
        };
        assert_eq!(value("current-longhorn-version").await, env!("CARGO_PKG_VERSION"));
        assert_eq!(value("auto-salvage").await, "false", "what a user wrote stays");
        assert_eq!(manager.store().list::<Setting>().await.unwrap().len(), settings::all().len());
    }
}

#[tokio::test]
async fn what_can_not_be_done_yet_is_refused_by_name() {
    let manager = Manager::start().await;
    for (name, value, words) in
        [("storage-network", "kube-system/fast", "Kubernetes"), ("v2-data-engine", "true", "v2 data engine")]
    {
        let answer = put(&manager, name, value).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{answer:?}");
        let (message, definition) = (answer.json(), manager.get(&format!("/v1/settings/{name}")).await.json());
        assert!(message["message"].as_str().unwrap().contains(words), "{answer:?}");
        assert!(definition["definition"]["description"].as_str().unwrap().contains(words), "{definition}");
        let default = definition["definition"]["default"].as_str().unwrap();
        assert_eq!(put(&manager, name, default).await.status, StatusCode::OK, "{name}");
    }
    assert_eq!(manager.call("DELETE", "/v1/settings/auto-salvage", "").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn settings_that_exclude_each_other_are_refused() {
    let manager = Manager::start().await;
    let answer = put(&manager, "disable-snapshot-purge", "true").await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert!(answer.json()["detail"].as_str().unwrap().contains("auto-cleanup-system-generated-snapshot"), "{answer:?}");
    assert_eq!(put(&manager, "auto-cleanup-system-generated-snapshot", "false").await.status, StatusCode::OK);
    // Two at once: one of them comes first, and the other sees it.
    let (purge, cleanup) = tokio::join!(
        put(&manager, "disable-snapshot-purge", "true"),
        put(&manager, "auto-cleanup-system-generated-snapshot", "true"),
    );
    let mut statuses = [purge.status.as_u16(), cleanup.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
}

#[tokio::test]
async fn a_data_engine_in_use_stays_on() {
    let manager = Manager::start().await;
    manager.add_node("node-1", 10 << 30).await;
    let spec = EngineSpec { volume_name: "data".into(), desire_state: InstanceState::Running, ..EngineSpec::default() };
    manager.store().create(&Object::<Engine>::new("data-e-0", spec)).await.unwrap();
    let answer = put(&manager, "v1-data-engine", "false").await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{answer:?}");
    assert!(answer.json()["message"].as_str().unwrap().contains("data"), "{answer:?}");
    let stop = |engine: &mut Object<Engine>| engine.spec.desire_state = InstanceState::Stopped;
    manager.store().modify::<Engine>("data-e-0", stop).await.unwrap();
    assert_eq!(put(&manager, "v1-data-engine", "false").await.status, StatusCode::OK);
    let create = || manager.post("/v1/volumes", json!({"name": "other", "size": "1Gi"}));
    let answer = create().await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{answer:?}");
    assert!(answer.json()["detail"].as_str().unwrap().contains("v1-data-engine"), "{answer:?}");
    // Volumes that there are can't be attached either.
    let there = Object::<Volume>::new("there", VolumeSpec::default());
    manager.store().create(&there).await.unwrap();
    let answer = manager.post("/v1/volumes/there?action=attach", json!({"hostId": "node-1"})).await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{answer:?}");
    assert!(answer.json()["detail"].as_str().unwrap().contains("v1-data-engine"), "{answer:?}");
    put(&manager, "v1-data-engine", "true").await;
    assert_eq!(create().await.status, StatusCode::OK);
}

#[tokio::test]
async fn links_have_the_url_of_the_setting() {
    let manager = Manager::start().await;
    for bad in ["storage.example.org", "https://storage.example.org/longhorn", "https://a?x=1"] {
        assert_eq!(put(&manager, "manager-url", bad).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
    let answer = put(&manager, "manager-url", "https://storage.example.org:8443").await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let answer = manager.get("/v1").await;
    assert_eq!(answer.json()["links"]["volumes"], "https://storage.example.org:8443/v1/volumes");
    assert_eq!(answer.header("x-api-schemas"), "https://storage.example.org:8443/v1/schemas");
    let missing = manager.get("/v1/volumes/none").await.json();
    assert_eq!(missing["links"]["self"], "https://storage.example.org:8443/v1/volumes/none");
    assert_eq!(put(&manager, "manager-url", "").await.status, StatusCode::OK);
    assert_eq!(manager.get("/v1").await.json()["links"]["volumes"], "http://manager:9500/v1/volumes");
}

/// W45: the settings page. What is saved is checked, kept, and in force without a restart: a volume that waited for space
/// is placed as soon as the setting allows it, well before it would have been tried again.
#[tokio::test]
async fn the_settings_page() {
    let manager = Manager::start().await;
    manager.add_node("node-1", 10 << 30).await;
    let context = context(&manager);
    controllers::setting::ensure_defaults(&context).await.unwrap();
    let follower = controllers::setting::follow(&context);
    let tasks: Vec<_> = [follower].into_iter().chain(controllers::volume::start(&context)).collect();
    for (name, value, stored) in [
        ("replica-soft-anti-affinity", "true", "true"),
        ("orphan-resource-auto-deletion", "replica-data;instance", "replica-data;instance"),
        ("default-replica-count", "1", r#"{"v1":"1","v2":"1"}"#),
        ("storage-over-provisioning-percentage", "200", "200"),
    ] {
        let answer = put(&manager, name, value).await;
        assert_eq!((answer.status, &answer.json()["value"]), (StatusCode::OK, &json!(stored)), "{answer:?}");
    }
    assert_eq!(
        put(&manager, "storage-over-provisioning-percentage", "-1").await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );

    let answer = manager.post("/v1/volumes", json!({"name": "data", "size": "5Gi"})).await;
    assert_eq!((answer.status, &answer.json()["numberOfReplicas"]), (StatusCode::OK, &json!(1)), "{answer:?}");
    put(&manager, "storage-over-provisioning-percentage", "20").await;
    let answer = manager.post("/v1/volumes", json!({"name": "late", "size": "6Gi"})).await;
    // The room is looked at when a volume is created, too; so it comes as a resource, as kubectl would make it.
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{answer:?}");
    let mut late: Object<aurochs_server::resources::Volume> = manager.store().get("data").await.unwrap();
    late = Object::new("late", late.spec);
    manager.store().create(&late).await.unwrap();
    until(&manager, "it waits for space", |volume, _| volume["conditions"]["Scheduled"]["status"] == "False").await;
    put(&manager, "storage-over-provisioning-percentage", "200").await;
    until(&manager, "it has a place", |_, replica| replica.is_some_and(|replica| !replica.spec.node_id.is_empty()))
        .await;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    let state = manager.store().get::<aurochs_server::resources::Volume>("late").await.unwrap().status.state;
    assert_ne!(state, VolumeState::Attached);
}

/// Long enough for a busy machine, shorter than any pause after which the volume would be tried without being woken.
const SOON: Duration = Duration::from_secs(20);

async fn until(manager: &Manager, what: &str, holds: impl Fn(&Value, Option<&Object<Replica>>) -> bool) {
    let wait = async {
        loop {
            let volume = manager.get("/v1/volumes/late").await.json();
            let replicas = manager.store().list::<Replica>().await.unwrap();
            if holds(&volume, replicas.iter().find(|replica| replica.spec.volume_name == "late")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(SOON, wait).await;
    assert!(waited.is_ok(), "waited in vain until {what}: {:?}", manager.get("/v1/volumes/late").await.text);
}

/// The way of Longhorn's Python client: base, header, schemas, collection links.
#[tokio::test]
async fn a_client_finds_everything_from_the_base() {
    let manager = Manager::start().await;
    let base = manager.get("/v1").await;
    assert_eq!(base.json()["links"]["volumes"], "http://manager:9500/v1/volumes");
    let schemas_at = base.header("x-api-schemas").strip_prefix("http://manager:9500").unwrap().to_owned();
    let schemas = manager.get(&schemas_at).await.json();
    assert_eq!(schemas["resourceType"], "schema");
    for schema in schemas["data"].as_array().unwrap() {
        let methods = schema["collectionMethods"].as_array().unwrap();
        let id = schema["id"].as_str().unwrap();
        if ["volume", "node", "setting", "instanceManager", "volumeAttachment"].contains(&id) {
            assert!(methods.contains(&json!("GET")));
            let collection = schema["links"]["collection"].as_str().unwrap();
            let path = collection.strip_prefix("http://manager:9500").unwrap();
            assert_eq!(manager.get(path).await.status, StatusCode::OK, "{path}");
        }
    }
    assert_eq!(manager.get("/v1/schemas/VOLUME").await.json()["id"], "volume");
    assert_eq!(manager.get("/").await.json()["data"][0]["id"], "v1");
}
