//! W26: a class of one's own, with jobs and another file system, whose volumes stay.

use aurochs_e2e_k8s::product::NAMESPACE;
use aurochs_e2e_k8s::{Namespace, kubectl};
use serde_json::json;

#[test]
#[ignore = "needs a Kubernetes with a node: make test-k8s"]
fn w26_volumes_have_the_jobs_of_their_class() {
    let namespace = Namespace::new("w26");
    // In no namespace.
    namespace.apply("w26-own-class.yaml");
    for (claim, class) in [("own", "longhorn-own"), ("former", "longhorn-own-former")] {
        namespace.apply_object(&json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": claim},
            "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": class,
                "resources": {"requests": {"storage": "400Mi"}},
            },
        }));
    }
    let (own, former) = (namespace.volume_of("own"), namespace.volume_of("former"));
    let labels =
        |volume: &str| kubectl::object(&["-n", NAMESPACE, "volumes.longhorn.io", volume])["metadata"]["labels"].clone();
    for label in ["recurring-job.longhorn.io/snap", "recurring-job-group.longhorn.io/backup"] {
        assert_eq!(labels(&own)[label], "enabled", "{label}: {}", labels(&own));
    }
    let text = labels(&former).to_string();
    assert_eq!(text.matches("recurring-job.longhorn.io/").count(), 2, "{text}");

    let pod = namespace.pod_with("writer", "own");
    assert!(pod.run("grep ' /data ' /proc/mounts").contains(" xfs "));
    pod.run("echo kept >/data/file && sync");
    pod.delete();
    namespace.run(&["delete", "pvc", "own"]);
    kubectl::wait(&["--for=jsonpath={.status.phase}=Released", &format!("pv/{own}")]);
    assert_eq!(kubectl::object(&["-n", NAMESPACE, "volumes.longhorn.io", &own])["metadata"]["name"], own.as_str());
    // Now it may go.
    kubectl::run(&["patch", "pv", &own, "-p", r#"{"spec": {"persistentVolumeReclaimPolicy": "Delete"}}"#]);
    kubectl::wait(&["--for=delete", &format!("pv/{own}")]);
    kubectl::run(&["delete", "storageclass", "longhorn-own", "longhorn-own-former"]);
}
