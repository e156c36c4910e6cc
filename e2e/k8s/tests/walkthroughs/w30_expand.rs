//! W30: a claim grows, in use and not.

use aurochs_e2e_k8s::product::NAMESPACE;
use aurochs_e2e_k8s::{Namespace, kubectl};

const TWO: &str = r#"{"spec": {"resources": {"requests": {"storage": "2Gi"}}}}"#;
const THREE: &str = r#"{"spec": {"resources": {"requests": {"storage": "3Gi"}}}}"#;

#[test]
#[ignore = "needs a Kubernetes with a node: make test-k8s"]
fn w30_a_volume_grows() {
    let namespace = Namespace::new("w30");
    namespace.claim("grows", "1Gi");
    let volume = namespace.volume_of("grows");
    namespace.run(&["patch", "pvc", "grows", "-p", TWO]);
    kubectl::wait(&["--for=jsonpath={.spec.capacity.storage}=2Gi", &format!("pv/{volume}")]);
    // The file system of a volume that is not in use grows when it is mounted.
    let pod = namespace.pod_with("user", "grows");
    namespace.wait(&["--for=jsonpath={.status.capacity.storage}=2Gi", "pvc/grows"]);
    assert!(mebibytes(&pod.run("df -P -m /data | tail -n 1")) > 1900);
    let events = namespace.object(&["events"]).to_string();
    assert!(events.contains("\"Resizing\""), "{events}");

    pod.run("echo before >/data/file && sync");
    namespace.run(&["patch", "pvc", "grows", "-p", THREE]);
    kubectl::wait(&["--for=jsonpath={.spec.capacity.storage}=3Gi", &format!("pv/{volume}")]);
    let size = (3_u64 << 30).to_string();
    let is = format!("--for=jsonpath={{.spec.size}}={size}");
    kubectl::wait(&["-n", NAMESPACE, &is, &format!("volumes.longhorn.io/{volume}")]);
    if can_grow_mounted() {
        namespace.wait(&["--for=jsonpath={.status.capacity.storage}=3Gi", "pvc/grows"]);
        assert!(mebibytes(&pod.run("df -P -m /data | tail -n 1")) > 2900);
    }
    pod.delete();
    let pod = namespace.pod_with("user", "grows");
    namespace.wait(&["--for=jsonpath={.status.capacity.storage}=3Gi", "pvc/grows"]);
    assert!(mebibytes(&pod.run("df -P -m /data | tail -n 1")) > 2900);
    assert_eq!(pod.run("cat /data/file"), "before");
}

/// The kernel lets nobody grow a mounted ext4 without `CAP_SYS_RESOURCE`, which root of a container may lack.
fn can_grow_mounted() -> bool {
    const CAP_SYS_RESOURCE: u32 = 24;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let bounding = status.lines().find_map(|line| line.strip_prefix("CapBnd:")).unwrap();
    u64::from_str_radix(bounding.trim(), 16).unwrap() & (1 << CAP_SYS_RESOURCE) != 0
}

/// The second word of a line of `df`.
fn mebibytes(line: &str) -> u64 {
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
