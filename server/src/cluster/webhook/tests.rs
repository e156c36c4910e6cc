use serde_json::json;
use time::OffsetDateTime;

use super::super::tests as planes;
use super::certificate::Certificate;
use super::*;

#[test]
fn api_servers_ask_about_our_kinds_in_our_namespace_alone() {
    let [mutating, validating] = registration::objects("ns", "PEM");
    for object in [&mutating, &validating] {
        let webhook = &object["webhooks"][0];
        assert_eq!(webhook["clientConfig"]["caBundle"], "UEVN");
        assert_eq!(webhook["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], "ns");
        let resources = webhook["rules"][0]["resources"].as_array().unwrap();
        assert!(
            resources.contains(&json!("volumes")) && !resources.iter().any(|one| one.as_str().unwrap().contains('/'))
        );
    }
    assert_eq!(mutating["webhooks"][0]["rules"][0]["operations"], json!(["CREATE", "UPDATE"]));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes API server: make test-k8s"]
async fn the_manager_that_acts_keeps_the_certificate() {
    let plane = planes::plane().await;
    let cluster = planes::as_account(&plane, "longhorn-service-account").await;
    let now = OffsetDateTime::now_utc();
    let certificate = async || Certificate::read(&read(&cluster).await.unwrap().0.unwrap()).unwrap();
    let bundles = || {
        let path = "jsonpath={.items[*].webhooks[*].clientConfig.caBundle}";
        ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"]
            .map(|kind| plane.kubectl(&["get", kind, "-o", path], "").unwrap())
    };
    let encoded = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
    keeper::once(&cluster, now).await.unwrap();
    let first = certificate().await;
    assert_eq!(bundles(), [encoded(&first.trusted), encoded(&first.trusted)]);
    // Nothing changes while it is good; what somebody changes of a configuration does not stay.
    plane.kubectl(&["delete", "validatingwebhookconfigurations", "longhorn-webhook-validator"], "").unwrap();
    keeper::once(&cluster, now).await.unwrap();
    assert_eq!((certificate().await, bundles()[0].clone()), (first.clone(), encoded(&first.trusted)));
    // The one that follows is trusted beside it.
    keeper::once(&cluster, first.not_after).await.unwrap();
    let second = certificate().await;
    assert!(second != first && second.trusted.ends_with(&first.certificate));
    assert_eq!(bundles()[1], encoded(&second.trusted));
}
