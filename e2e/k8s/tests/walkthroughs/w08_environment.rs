//! W07, W08: what the node has and lacks is told on its resource, and nothing loops for it.

use aurochs_e2e_k8s::product::NAMESPACE;
use aurochs_e2e_k8s::{Product, kubectl, variable};

#[test]
#[ignore = "needs a Kubernetes with a node: make test-k8s"]
fn w08_a_node_without_drivers_serves_volumes_and_says_what_it_lacks() {
    Product::get().wait_until_ready();
    let node = variable("NODE_NAME");
    let node = kubectl::until("the node was looked at", &["-n", NAMESPACE, "nodes.longhorn.io", &node], |node| {
        node["status"]["environment"].as_array().is_some_and(|items| !items.is_empty())
    });
    let frontends = node["status"]["frontends"].as_array().unwrap();
    assert!(frontends.iter().any(|frontend| frontend["available"] == true), "{frontends:?}");
    for frontend in frontends.iter().filter(|frontend| frontend["available"] == false) {
        assert_ne!(frontend["reason"], "", "{frontend}");
    }
    let items = node["status"]["environment"].as_array().unwrap();
    for item in items.iter().filter(|item| item["ok"] == false && item["severity"] != "info") {
        assert_ne!(item["remedy"], "", "{item}");
    }
}
