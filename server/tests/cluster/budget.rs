//! What an API server has to bear while nothing happens.

use std::time::Duration;

use aurochs_e2e::ControlPlane;

use crate::member::{Member, plane, until};

/// A glance at what it writes.
const GLANCE: Duration = Duration::from_secs(30);
/// Objects of ours that may be written within it, whatever their number is.
const WRITES_MOST: u64 = 10;

/// Requests so far that could have changed something of ours.
fn writes(plane: &ControlPlane) -> u64 {
    let metrics = plane.kubectl(&["get", "--raw", "/metrics"], "").unwrap();
    let ours = metrics.lines().filter(|line| {
        let is_write = ["POST", "PUT", "PATCH", "APPLY", "DELETE"].map(|verb| format!("verb=\"{verb}\""));
        line.starts_with("apiserver_request_total{")
            && line.contains("group=\"longhorn.io\"")
            && is_write.iter().any(|verb| line.contains(verb))
    });
    ours.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes API server: make test-k8s"]
async fn while_nothing_happens_next_to_nothing_is_written() {
    let plane = plane().await;
    let mut manager = Member::start(&plane, "machine-a").await;
    until("it acts", async || manager.nodes().await == [("machine-a".to_owned(), true)]).await;
    manager.make_room().await;
    for number in 0..20 {
        let name = format!("idle-{number}");
        manager.create_volume(&name).await;
        until("it is placed", async || manager.places(&name).await == ["machine-a"]).await;
    }
    // What follows from the creation is written first.
    let mut before = 0;
    until("all is told", async || {
        let last = std::mem::replace(&mut before, writes(&plane));
        tokio::time::sleep(Duration::from_secs(2)).await;
        last == before
    })
    .await;
    tokio::time::sleep(GLANCE).await;
    let written = writes(&plane) - before;
    assert!(written <= WRITES_MOST, "{written} writes within {GLANCE:?}");
    manager.stop().await;
}
