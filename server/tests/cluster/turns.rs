//! Every manager of a cluster serves; the one whose turn it is acts.

use aurochs_server::cluster::NAMESPACE;
use serde_json::Value;

use crate::member::{Member, holder, plane, until};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes API server: make test-k8s"]
async fn all_serve_and_one_acts() {
    let plane = plane().await;
    let mut first = Member::start(&plane, "machine-a").await;
    until("the first acts", async || first.nodes().await == [("machine-a".to_owned(), true)]).await;
    first.make_room().await;
    let acting = holder(&plane);

    // It serves before its turn, and what it is asked for is done by the first.
    let mut second = Member::start(&plane, "machine-b").await;
    let settings = second.call("GET", "/v1/settings/default-replica-count", Value::Null).await;
    assert_eq!(settings["name"], "default-replica-count");
    second.create_volume("asked-of-the-second").await;
    until("the volume is placed", async || second.places("asked-of-the-second").await == ["machine-a"]).await;
    assert_eq!(first.places("asked-of-the-second").await, ["machine-a"]);
    assert_eq!(second.nodes().await, [("machine-a".to_owned(), true)], "the second has not acted");
    assert_eq!(holder(&plane), acting);

    // Told to end, the first hands over at once, and its node is not the second's to use.
    first.stop().await;
    let after = [("machine-a".to_owned(), false), ("machine-b".to_owned(), true)];
    until("the second acts", async || second.nodes().await == after).await;
    second.create_volume("after-that").await;
    until("that volume is placed", async || second.places("after-that").await == ["machine-b"]).await;
    assert_ne!(holder(&plane), acting);
    second.stop().await;
    assert_eq!(holder(&plane), "", "the turn is given back");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes API server: make test-k8s"]
async fn a_manager_that_lost_its_turn_serves_on_and_acts_again() {
    let plane = plane().await;
    let mut manager = Member::start(&plane, "machine-a").await;
    until("it acts", async || manager.nodes().await == [("machine-a".to_owned(), true)]).await;
    manager.make_room().await;
    let acting = holder(&plane);

    // Somebody takes the lease and is never heard of again.
    let taken = r#"{"spec": {"holderIdentity": "nobody"}}"#;
    plane.kubectl(&["-n", NAMESPACE, "patch", "lease", "aurochs-manager", "--type=merge", "-p", taken], "").unwrap();
    until("it is its turn again", async || {
        assert_eq!(manager.nodes().await.len(), 1, "it serves all the time");
        holder(&plane) == acting
    })
    .await;
    manager.create_volume("later").await;
    until("the volume is placed", async || manager.places("later").await == ["machine-a"]).await;
    manager.stop().await;
}
