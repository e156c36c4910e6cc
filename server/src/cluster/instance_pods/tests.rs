use serde_json::json;

use super::*;

fn pod(value: serde_json::Value) -> Pod {
    serde_json::from_value(value).unwrap()
}

#[test]
fn one_that_is_in_use_stays() {
    let made = |mark: &str, phase: &str, state: serde_json::Value| {
        let containers = json!([{"name": object::CONTAINER, "state": state, "image": "", "imageID": "", "ready": false, "restartCount": 1}]);
        pod(json!({
            "metadata": {"annotations": {object::MADE_BY: mark}},
            "status": {"phase": phase, "containerStatuses": if state.is_null() { json!([]) } else { containers }},
        }))
    };
    let running = || json!({"running": {}});
    let waiting = || json!({"waiting": {"reason": "CrashLoopBackOff"}});
    assert_eq!(step(None, "1"), Step::Make);
    assert_eq!(step(Some(&made("1", "Running", running())), "1"), Step::Nothing);
    assert_eq!(step(Some(&made("1", "Pending", json!(null))), "1"), Step::Nothing);
    assert_eq!(step(Some(&made("1", "Running", waiting())), "1"), Step::Nothing, "kubelet starts it again");
    assert_eq!(step(Some(&made("1", "Running", running())), "2"), Step::ReplaceOnceEmpty);
    // Nobody has told of its container yet.
    assert_eq!(step(Some(&made("1", "Pending", json!(null))), "2"), Step::ReplaceOnceEmpty);
    assert_eq!(step(Some(&pod(json!({"metadata": {}}))), "2"), Step::ReplaceOnceEmpty);
    // Nothing of it runs.
    assert_eq!(step(Some(&made("1", "Running", waiting())), "2"), Step::TakeAway);
    assert_eq!(step(Some(&made("1", "Failed", json!(null))), "1"), Step::TakeAway);
    let going = pod(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": {"phase": "Running"}}));
    assert_eq!(step(Some(&going), "1"), Step::Wait);
}

#[tokio::test]
async fn one_that_says_nothing_may_be_in_use() {
    let nowhere = [("a".to_owned(), "unix:/nowhere/im.sock".to_owned())].into();
    let clients = Clients::new(nowhere, crate::instance::Network::default());
    assert!(!is_empty(&clients, "a").await && !is_empty(&clients, "b").await);
}

#[test]
fn the_data_directory_on_the_node() {
    let of = |volume: serde_json::Value, mount: serde_json::Value| {
        let pod = pod(json!({"spec": {
            "containers": [{"name": "c", "volumeMounts": [{"name": "root", "mountPath": "/"}, mount]}],
            "volumes": [{"name": "root", "emptyDir": {}}, volume],
        }}));
        on_the_node(&pod, Path::new("/var/lib/aurochs"))
    };
    let host = json!({"name": "d", "hostPath": {"path": "/data/aurochs/"}});
    let at = |path: &str| json!({"name": "d", "mountPath": path});
    assert_eq!(of(host.clone(), at("/var/lib/aurochs")).as_deref(), Some("/data/aurochs"));
    assert_eq!(of(host.clone(), at("/var/lib")).as_deref(), Some("/data/aurochs/aurochs"));
    assert_eq!(of(host.clone(), at("/var/lib/other")), None);
    assert_eq!(of(json!({"name": "d", "emptyDir": {}}), at("/var/lib/aurochs")), None);
    let inside = json!({"name": "d", "mountPath": "/var/lib/aurochs", "subPath": "x"});
    assert_eq!(of(host, inside).as_deref(), Some("/data/aurochs/x"));
}
