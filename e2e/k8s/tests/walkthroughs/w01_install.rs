//! W01, W06, W10: what one `kubectl apply` of the manifest brings up.

use aurochs_e2e_k8s::product::{INSTANCE_MANAGER, NAMESPACE};
use aurochs_e2e_k8s::{Product, directory, kubectl, variable};

/// All pods of the table run, and none was started twice.
#[test]
#[ignore = "needs a Kubernetes with a node: make test-k8s"]
fn w01_programs_come_up() {
    Product::get().wait_until_ready();
    let pods = kubectl::object(&["-n", NAMESPACE, "pods"]);
    for app in [
        "longhorn-manager",
        "longhorn-driver-deployer",
        "longhorn-csi-plugin",
        "csi-attacher",
        "csi-provisioner",
        "csi-resizer",
        "csi-snapshotter",
    ] {
        let pod = pods["items"].as_array().unwrap().iter().find(|pod| pod["metadata"]["labels"]["app"] == app);
        let status = &pod.unwrap_or_else(|| panic!("no pod of {app}"))["status"];
        assert_eq!(status["phase"], "Running", "{app}");
        for container in status["containerStatuses"].as_array().unwrap() {
            assert_eq!(container["restartCount"], 0, "{app}: {container}");
        }
    }
    let instances = kubectl::object(&["-n", NAMESPACE, "pods", "-l", INSTANCE_MANAGER]);
    let instances = instances["items"].as_array().unwrap();
    assert_eq!(instances.len(), 1, "one for each node");
    assert_eq!(instances[0]["status"]["containerStatuses"][0]["restartCount"], 0);
    let node = kubectl::object(&["-n", NAMESPACE, "nodes.longhorn.io", &variable("NODE_NAME")]);
    let conditions = node["status"]["conditions"].as_array().unwrap();
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready").unwrap();
    assert_eq!(ready["status"], "True", "{ready}");
}

#[test]
#[ignore = "needs a Kubernetes with a node: make test-k8s"]
fn w06_services() {
    Product::get();
    let port = |name: &str| {
        let service = kubectl::object(&["-n", NAMESPACE, "service", name]);
        service["spec"]["ports"][0]["port"].as_u64().unwrap()
    };
    assert_eq!(port("longhorn-backend"), 9500);
    assert_eq!(port("longhorn-frontend"), 80);
    assert_eq!(port("longhorn-admission-webhook"), 9502);
}

/// kubelet's directory of this cluster is at no usual place, and nobody was told of it.
#[test]
#[ignore = "needs a Kubernetes with a node: make test-k8s"]
fn w10_kubelets_directory_is_found() {
    Product::get();
    let plugin = kubectl::object(&["-n", NAMESPACE, "daemonset", "longhorn-csi-plugin"]);
    let registrar = &plugin["spec"]["template"]["spec"]["containers"][0]["args"];
    let socket = directory().join("kubelet/plugins/driver.longhorn.io/csi.sock");
    let told = format!("--kubelet-registration-path={}", socket.display());
    assert!(registrar.as_array().unwrap().contains(&told.clone().into()), "{registrar} without {told}");
}
