//! A node is taken out of service: what it serves keeps it, and what it does not serve lets it go.

use aurochs_e2e_k8s::product::{INSTANCE_MANAGER, NAMESPACE};
use aurochs_e2e_k8s::{Namespace, Product, kubectl, variable};
use serde_json::json;

use crate::instance_manager;

/// Open to pods again, whatever happens.
struct Uncordon;

impl Drop for Uncordon {
    fn drop(&mut self) {
        let _ = kubectl::attempt(&["uncordon", &variable("NODE_NAME")], "");
    }
}

/// As `kubectl drain` does with each pod.
fn evict(pod: &str) -> Result<String, String> {
    let eviction =
        json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": NAMESPACE}});
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}/eviction");
    kubectl::attempt(&["create", "--raw", &path, "-f", "-"], &eviction.to_string())
}

fn wait_until_cordoned(is: bool) {
    let node = variable("NODE_NAME");
    let path = format!("--for=jsonpath={{.spec.cordoned}}={is}");
    kubectl::wait(&["-n", NAMESPACE, &path, &format!("nodes.longhorn.io/{node}")]);
}

#[test]
#[ignore = "needs a Kubernetes with a node: make test-k8s"]
fn a_node_may_go_when_no_volume_needs_it() {
    let namespace = Namespace::new("drain");
    namespace.claim("it", "64Mi");
    let pod = namespace.pod_with("user", "it");
    let (name, before) = instance_manager();
    let budget = format!("poddisruptionbudget/{name}");
    kubectl::wait(&["-n", NAMESPACE, "--for=create", &budget]);
    let uncordon = Uncordon;
    kubectl::run(&["cordon", &variable("NODE_NAME")]);
    wait_until_cordoned(true);
    let schedulable = "--for=condition=Schedulable=False";
    kubectl::wait(&["-n", NAMESPACE, schedulable, &format!("nodes.longhorn.io/{}", variable("NODE_NAME"))]);
    let refused = evict(&name).unwrap_err();
    assert!(refused.contains("disruption budget"), "{refused}");
    pod.run("echo still >/data/file && sync");
    pod.delete();
    // Detached, and still the only node with the data.
    let volume = namespace.volume_of("it");
    let detached = format!("volumes.longhorn.io/{volume}");
    kubectl::wait(&["-n", NAMESPACE, "--for=jsonpath={.status.state}=detached", &detached]);
    let refused = evict(&name).unwrap_err();
    assert!(refused.contains("disruption budget"), "{refused}");
    drop(namespace);
    kubectl::wait(&["-n", NAMESPACE, "--for=delete", &budget]);
    // As people do, without any force.
    let only = format!("--pod-selector={INSTANCE_MANAGER}");
    kubectl::run(&["drain", &variable("NODE_NAME"), "--ignore-daemonsets", "--timeout=120s", &only]);
    kubectl::until("another one is there", &["-n", NAMESPACE, "pods", "-l", INSTANCE_MANAGER], |pod| {
        pod["metadata"]["uid"] != before.as_str()
    });
    drop(uncordon);
    wait_until_cordoned(false);
    kubectl::wait(&["-n", NAMESPACE, "--for=create", &budget]);
    assert_ne!(instance_manager().1, before);
    Product::get().wait_until_ready();
}
