//! W29: a volume made of another one.

use aurochs_e2e_k8s::Namespace;

#[test]
#[ignore = "needs a Kubernetes with a node: make test-k8s"]
fn w29_a_clone_is_independent() {
    let namespace = Namespace::new("w29");
    namespace.claim("mysql-pvc", "1Gi");
    let source = namespace.pod_with("source", "mysql-pvc");
    source.run("echo source >/data/file && sync");
    namespace.apply("w29-clone.yaml");
    namespace.volume_of("cloned");
    let clone = namespace.pod_with("clone", "cloned");
    assert_eq!(clone.run("cat /data/file"), "source");
    clone.run("echo clone >/data/file && sync");
    source.run("echo changed >/data/other && sync");
    assert_eq!(source.run("cat /data/file"), "source");
    clone.run("test ! -e /data/other");
}
