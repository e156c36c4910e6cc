//! W02: the dashboard at a port of every node.

use aurochs_e2e_k8s::product::NAMESPACE;
use aurochs_e2e_k8s::{Product, Visitor, kubectl, variable};

/// The service as it was, whatever happens.
struct AsItWas;

impl Drop for AsItWas {
    fn drop(&mut self) {
        let change = r#"{"spec": {"type": "ClusterIP", "ports": [{"port": 80, "nodePort": null}]}}"#;
        let _ = kubectl::attempt(&["-n", NAMESPACE, "patch", "service", "longhorn-frontend", "-p", change], "");
    }
}

#[test]
#[ignore = "needs a Kubernetes with a node: make test-k8s"]
fn w02_the_dashboard_opens_at_a_port_of_the_node() {
    Product::get().wait_until_ready();
    let _as_it_was = AsItWas;
    let change = r#"{"spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30809}]}}"#;
    kubectl::run(&["-n", NAMESPACE, "patch", "service", "longhorn-frontend", "-p", change]);
    let root = format!("http://{}:30809/", variable("NODE_ADDRESS"));
    let page = Visitor::log_in("w02", &root, &[]).open("");
    assert!(page.contains("<title>Aurochs</title>"), "{page}");
}
