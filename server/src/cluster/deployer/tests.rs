use std::fs;

use serde_json::json;

use super::super::NAMESPACE;
use super::super::tests as planes;
use super::*;

fn options(proc: PathBuf) -> Options {
    let image = |name: &str| format!("registry.example.org/{name}:v1");
    Options {
        images: Images {
            manager: image("aurochs"),
            attacher: image("csi-attacher"),
            provisioner: image("csi-provisioner"),
            resizer: image("csi-resizer"),
            snapshotter: image("csi-snapshotter"),
            node_driver_registrar: image("csi-node-driver-registrar"),
            liveness_probe: image("livenessprobe"),
        },
        manager_url: "http://longhorn-backend:9500/v1".to_owned(),
        kubelet_root: None,
        proc,
        replicas: Replicas::default(),
        anti_affinity: AntiAffinity::Soft,
        log: String::new(),
        pod: "longhorn-driver-deployer-x".to_owned(),
    }
}

/// A directory like a node's /proc, with a kubelet in it.
fn proc_with_kubelet() -> tempfile::TempDir {
    let proc = tempfile::tempdir().unwrap();
    start_kubelet(proc.path());
    proc
}

fn start_kubelet(proc: &std::path::Path) {
    fs::create_dir(proc.join("17")).unwrap();
    fs::write(proc.join("17/cmdline"), "/usr/bin/kubelet\0--root-dir=/data/kubelet\0").unwrap();
}

#[test]
fn settings_and_arguments_say_what_is_wanted() {
    let settings = Settings::default();
    settings.set("taint-toleration", "storage=yes:NoExecute");
    settings.set("csi-storage-capacity-tracking", "true");
    settings.set("system-managed-pods-image-pull-policy", "always");
    let wanted_now = || wanted(&options(PathBuf::from("/proc")), "ns", "/k", &settings);
    let found = wanted_now().unwrap();
    assert_eq!((found.namespace.as_str(), found.kubelet_root.as_str()), ("ns", "/k"));
    assert_eq!(found.pods.tolerations.len(), 1);
    assert!(found.tracks_capacity);
    // What is no value of the setting has never been one: its default counts.
    settings.set("system-managed-pods-image-pull-policy", "sometimes");
    assert_eq!(wanted_now().unwrap().pods.pull_policy, crate::cluster::driver::system_pods::PullPolicy::IfNotPresent);
}

/// Of the deployer's pod, in the chart.
const ACCOUNT: &str = "longhorn-driver-service-account";
/// Longest wait for what has to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// What kubectl answers, once it is this.
async fn becomes(plane: &aurochs_e2e::ControlPlane, arguments: &[&str], expected: &str) {
    let ask = async {
        loop {
            let said = plane.kubectl(&[&["-n", NAMESPACE], arguments].concat(), "");
            if said.as_ref().is_ok_and(|said| said == expected) {
                return;
            }
            sleep(Duration::from_millis(200)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, ask).await.is_err() {
        panic!(
            "{arguments:?} is not {expected:?} but {:?}",
            plane.kubectl(&[&["-n", NAMESPACE], arguments].concat(), "")
        );
    }
}

fn setting(plane: &aurochs_e2e::ControlPlane, name: &str, value: &str) {
    let object = json!({"apiVersion": "longhorn.io/v1beta2", "kind": "Setting", "value": value,
        "metadata": {"name": name, "namespace": NAMESPACE}});
    plane.kubectl(&["apply", "-f", "-"], &object.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes API server: make test-k8s"]
async fn objects_follow_the_settings() {
    let plane = planes::plane().await;
    let cluster = planes::as_account(&plane, ACCOUNT).await;
    let proc = proc_with_kubelet();
    // Longhorn's, with a container that is none of ours.
    let foreign = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "csi-attacher", "namespace": NAMESPACE},
        "spec": {"selector": {"matchLabels": {"app": "csi-attacher"}}, "template": {
            "metadata": {"labels": {"app": "csi-attacher"}},
            "spec": {"containers": [{"name": "older", "image": "x"}]}}}});
    plane.kubectl(&["apply", "-f", "-"], &foreign.to_string()).unwrap();

    let keeping = {
        let (cluster, options) = (cluster.clone(), options(proc.path().to_owned()));
        tokio::spawn(async move { run(&cluster, options, std::future::pending()).await })
    };
    let daemon_set = ["get", "daemonset", "longhorn-csi-plugin", "-o"];
    let with = |path: &'static str| [&daemon_set[..], &[path][..]].concat();
    // Nothing is made before the settings are there.
    setting(&plane, "taint-toleration", "storage=yes:NoExecute");
    becomes(&plane, &with("jsonpath={.spec.template.spec.tolerations[*].key}"), "storage").await;
    let directory = r#"jsonpath={.spec.template.spec.volumes[?(@.name=="pods")].hostPath.path}"#;
    becomes(&plane, &with(directory), "/data/kubelet/pods").await;

    // Nobody collects garbage here: what a foreground deletion waits for is taken away by hand.
    becomes(
        &plane,
        &["get", "deployment", "csi-attacher", "-o", "jsonpath={.metadata.finalizers}"],
        "[\"foregroundDeletion\"]",
    )
    .await;
    let released = r#"{"metadata": {"finalizers": null}}"#;
    plane
        .kubectl(&["-n", NAMESPACE, "patch", "deployment", "csi-attacher", "--type=merge", "-p", released], "")
        .unwrap();
    let names = "jsonpath={.spec.template.spec.containers[*].name}";
    becomes(&plane, &["get", "deployment", "csi-attacher", "-o", names], "csi-attacher").await;
    becomes(&plane, &["get", "pdb", "csi-snapshotter", "-o", "jsonpath={.spec.maxUnavailable}"], "1").await;
    becomes(&plane, &["get", "csidriver", "driver.longhorn.io", "-o", "jsonpath={.spec.storageCapacity}"], "false")
        .await;

    // What others add stays, also when a setting changes; what they change of ours does not.
    let restarted = r#"{"spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}}}}"#;
    plane.kubectl(&["-n", NAMESPACE, "patch", "daemonset", "longhorn-csi-plugin", "-p", restarted], "").unwrap();
    plane.kubectl(&["-n", NAMESPACE, "scale", "deployment", "csi-resizer", "--replicas=7"], "").unwrap();
    setting(&plane, "taint-toleration", "");
    becomes(&plane, &with("jsonpath={.spec.template.spec.tolerations}"), "").await;
    becomes(&plane, &with("jsonpath={.spec.template.metadata.annotations.restarted}"), "now").await;
    becomes(&plane, &["get", "deployment", "csi-resizer", "-o", "jsonpath={.spec.replicas}"], "3").await;
    keeping.abort();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes API server: make test-k8s"]
async fn a_node_without_a_kubelet_that_is_seen_is_told_of() {
    let plane = planes::plane().await;
    let cluster = planes::as_account(&plane, ACCOUNT).await;
    setting(&plane, "taint-toleration", "");
    let proc = tempfile::tempdir().unwrap();
    let keeping = {
        let (cluster, options) = (cluster.clone(), options(proc.path().to_owned()));
        tokio::spawn(async move { run(&cluster, options, std::future::pending()).await })
    };
    let reasons = ["get", "events.events.k8s.io", "-o", "jsonpath={.items[*].reason}"];
    becomes(&plane, &reasons, "KubeletRootUnknown").await;
    let told = plane.kubectl(&["-n", NAMESPACE, "get", "events.events.k8s.io", "-o", "jsonpath={.items[*].note}"], "");
    assert!(told.as_ref().is_ok_and(|told| told.contains("csi.kubeletRootDir")), "{told:?}");
    assert!(!keeping.is_finished());
    // It needs no restart: a kubelet that comes later is found.
    start_kubelet(proc.path());
    becomes(
        &plane,
        &["get", "daemonset", "longhorn-csi-plugin", "-o", "jsonpath={.metadata.name}"],
        "longhorn-csi-plugin",
    )
    .await;
    keeping.abort();
}
