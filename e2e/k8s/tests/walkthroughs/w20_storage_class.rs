//! W20: `kubectl get sc longhorn`.

use aurochs_e2e_k8s::{Product, kubectl};
use serde_json::json;

#[test]
#[ignore = "needs a Kubernetes with a node: make test-k8s"]
fn w20_the_default_class() {
    Product::get();
    let class = kubectl::object(&["storageclass", "longhorn"]);
    assert_eq!(class["provisioner"], "driver.longhorn.io");
    assert_eq!(class["reclaimPolicy"], "Delete");
    assert_eq!(class["volumeBindingMode"], "Immediate");
    assert_eq!(class["allowVolumeExpansion"], true);
    assert_eq!(class["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"], "true");
    for (parameter, value) in
        [("numberOfReplicas", "3"), ("staleReplicaTimeout", "30"), ("fromBackup", ""), ("fsType", "ext4")]
    {
        assert_eq!(class["parameters"][parameter], json!(value), "{parameter}");
    }
}
