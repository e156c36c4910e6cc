//! W14: programs are replaced, and volumes go on.

use aurochs_e2e_k8s::product::{MANAGER, NAMESPACE};
use aurochs_e2e_k8s::{Namespace, Pod, Product, kubectl};

use crate::instance_manager;

/// Writes and syncs without a pause, and counts; ends at the first failure, with a mark.
const WRITER: &str = "rm -f /tmp/failed; (i=0; while i=$((i+1)) && echo $i >/data/next && sync && mv /data/next /data/count; do :; done; \
                      touch /tmp/failed) >/dev/null 2>&1 &";

fn count(pod: &Pod<'_>) -> u64 {
    pod.run("until [ -s /data/count ] || [ -e /tmp/failed ]; do sleep 0.1; done; cat /data/count").parse().unwrap()
}

#[test]
#[ignore = "needs a Kubernetes with a node: make test-k8s"]
fn w14_the_manager_is_replaced_and_io_goes_on() {
    let namespace = Namespace::new("w14");
    namespace.claim("it", "64Mi");
    let pod = namespace.pod_with("user", "it");
    let instances = instance_manager();
    pod.run(WRITER);
    let before = count(&pod);
    let daemonset = format!("daemonset/{MANAGER}");
    kubectl::run(&["-n", NAMESPACE, "rollout", "restart", &daemonset]);
    kubectl::run(&["-n", NAMESPACE, "rollout", "status", &daemonset, "--timeout=240s"]);
    Product::get().wait_for_manager();
    assert_eq!(instance_manager(), instances, "engines and replicas are not the manager's");
    let then = count(&pod);
    assert!(then > before);
    let goes_on = format!("until [ -e /tmp/failed ] || [ $(cat /data/count) -gt {then} ]; do sleep 0.1; done");
    pod.run(&format!("{goes_on}; [ ! -e /tmp/failed ]"));
    // The new manager acts.
    let volume = namespace.volume_of("it");
    assert_eq!(Product::get().api(&format!("volumes/{volume}"))["state"], "attached");
}

/// A setting about all pods: an instance manager that nobody uses is replaced.
#[test]
#[ignore = "needs a Kubernetes with a node: make test-k8s"]
fn an_empty_instance_manager_follows_the_settings() {
    let product = Product::get();
    product.wait_until_ready();
    let (name, before) = instance_manager();
    let pod = format!("pod/{name}");
    for word in ["never", "if-not-present"] {
        product.set("system-managed-pods-image-pull-policy", word);
        let policy = if word == "never" { "Never" } else { "IfNotPresent" };
        let path = format!("--for=jsonpath={{.spec.containers[0].imagePullPolicy}}={policy}");
        // It is away for a moment.
        let is_so = || {
            kubectl::wait(&["-n", NAMESPACE, "--for=create", &pod]);
            kubectl::attempt(&["-n", NAMESPACE, "wait", "--timeout=60s", &path, &pod], "").is_ok()
        };
        assert!((0..4).any(|_| is_so()), "the pull policy does not become {policy}");
    }
    let (name_after, after) = instance_manager();
    assert_eq!(name_after, name);
    assert_ne!(after, before);
    product.wait_until_ready();
}
