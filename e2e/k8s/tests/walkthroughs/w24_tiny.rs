//! W24: a claim below the smallest size.

use aurochs_e2e_k8s::Namespace;

#[test]
#[ignore = "needs a Kubernetes with a node: make test-k8s"]
fn w24_full_and_nothing_else_breaks() {
    let namespace = Namespace::new("w24");
    namespace.apply("w24-tiny.yaml");
    namespace.volume_of("tiny");
    assert_eq!(namespace.object(&["pvc", "tiny"])["status"]["capacity"]["storage"], "10Mi");
    let pod = namespace.pod_with("writer", "tiny");
    pod.run("echo before >/data/before && sync");
    let refused = pod.attempt("dd if=/dev/zero of=/data/file bs=1M count=11").unwrap_err();
    assert!(refused.contains("No space left on device"), "{refused}");
    assert_eq!(
        pod.run("rm /data/file && echo after >/data/after && sync && cat /data/before /data/after"),
        "before\nafter"
    );
}
