//! W22: a volume with a file system.

use aurochs_e2e_k8s::Namespace;

#[test]
#[ignore = "needs a Kubernetes with a node: make test-k8s"]
fn w22_data_survives_the_pod() {
    let namespace = Namespace::new("w22");
    namespace.apply("w22-filesystem.yaml");
    let pod = namespace.pod("volume-test");
    pod.wait_until_ready();
    pod.run("ls -d /data/lost+found && echo kept >/data/file");
    pod.delete();
    namespace.apply("w22-filesystem.yaml");
    pod.wait_until_ready();
    assert_eq!(pod.run("cat /data/file"), "kept");
}
