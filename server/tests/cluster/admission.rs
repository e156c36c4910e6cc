//! What people write with kubectl, on an API server that asks about it.

use serde_json::json;

use crate::member::{Member, NAMESPACED, plane, until};

fn volume(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: longhorn.io/v1beta2\nkind: Volume\nmetadata:\n  name: {name}\n  namespace: longhorn-system\nspec: {spec}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes API server: make test-k8s"]
async fn what_kubectl_writes_is_completed_and_judged() {
    let plane = plane().await;
    let mut manager = Member::start_with_webhook(&plane, "machine-a").await;
    until("it acts", async || manager.nodes().await == [("machine-a".to_owned(), true)]).await;
    manager.make_room().await;

    plane.kubectl(&["apply", "-f", "-"], &volume("few-words", "{size: '16777216', numberOfReplicas: 1}")).unwrap();
    let path = "jsonpath={.spec.accessMode} {.spec.snapshotMaxCount} {.metadata.labels.backup-target} {.metadata.finalizers[0]}";
    let told = plane.kubectl(&[NAMESPACED, "get", "lhv", "few-words", "-o", path], "").unwrap();
    assert_eq!(told, "rwo 250 default longhorn.io");
    until("the volume is placed", async || manager.places("few-words").await == ["machine-a"]).await;
    // Applied again it is the same.
    let again = plane.kubectl(&["apply", "-f", "-"], &volume("few-words", "{size: '16777216', numberOfReplicas: 1}"));
    assert!(again.as_ref().is_ok_and(|said| said.contains("unchanged")), "{again:?}");

    for (arguments, input, reason) in [
        (
            &["apply", "-f", "-"][..],
            volume("many", "{size: '16777216', numberOfReplicas: 21}"),
            "can't have 21 replicas",
        ),
        (&["apply", "-f", "-"], volume("few-words", "{size: '14680064', numberOfReplicas: 1}"), "never shrinks"),
        (
            &[NAMESPACED, "patch", "lhv", "few-words", "--type=merge", "-p", r#"{"spec": {"encrypted": true}}"#],
            String::new(),
            "encrypted of volume few-words can't be changed",
        ),
        (&[NAMESPACED, "delete", "lhs", "default-replica-count"], String::new(), "can't be deleted"),
    ] {
        let refused = plane.kubectl(arguments, &input).unwrap_err();
        assert!(refused.contains("denied the request") && refused.contains(reason), "{refused}");
    }
    // What the API refuses by its own rules it may do by them, too: nobody asks about the manager.
    let setting = json!({"value": "2"});
    manager.call("PUT", "/v1/settings/default-replica-count", setting).await;
    plane.kubectl(&[NAMESPACED, "delete", "lhv", "few-words", "--timeout=60s"], "").unwrap();

    manager.stop().await;
    let unjudged = plane.kubectl(&["apply", "-f", "-"], &volume("later", "{size: '16777216'}")).unwrap_err();
    assert!(unjudged.contains("failed calling webhook"), "{unjudged}");
}
