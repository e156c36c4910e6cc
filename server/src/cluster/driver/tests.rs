//! The objects as a whole.

use super::*;

fn wanted() -> Wanted {
    let image = |name: &str| format!("registry.example.org/{name}:v1");
    Wanted {
        namespace: "longhorn-system".to_owned(),
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
        kubelet_root: "/data/kubelet".to_owned(),
        replicas: Replicas { attacher: 2, ..Replicas::default() },
        anti_affinity: AntiAffinity::Soft,
        pods: SystemPods::default(),
        tracks_capacity: false,
        log: String::new(),
        version: "v0.1.0".to_owned(),
    }
}

fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    objects.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name).unwrap()
}

#[test]
fn the_objects_have_longhorns_names() {
    let objects = objects(&wanted());
    let names: Vec<String> = objects
        .iter()
        .map(|object| format!("{} {}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap()))
        .collect();
    assert_eq!(
        names,
        [
            "CSIDriver driver.longhorn.io",
            "DaemonSet longhorn-csi-plugin",
            "Deployment csi-attacher",
            "PodDisruptionBudget csi-attacher",
            "Deployment csi-provisioner",
            "PodDisruptionBudget csi-provisioner",
            "Deployment csi-resizer",
            "PodDisruptionBudget csi-resizer",
            "Deployment csi-snapshotter",
            "PodDisruptionBudget csi-snapshotter",
        ]
    );
    assert_eq!(named(&objects, "Deployment", "csi-attacher")["spec"]["replicas"], 2);
    assert_eq!(named(&objects, "Deployment", "csi-resizer")["spec"]["replicas"], 3);
}

/// A volume that a pod names in `volumeMounts` has to be one of the pod, and the other way round.
#[test]
fn every_mount_has_its_volume() {
    for object in objects(&wanted()) {
        let pod = &object["spec"]["template"]["spec"];
        let Some(containers) = pod["containers"].as_array() else { continue };
        let mounts = containers.iter().flat_map(|container| container["volumeMounts"].as_array().unwrap());
        let mut mounted: Vec<&str> = mounts.map(|mount| mount["name"].as_str().unwrap()).collect();
        mounted.sort_unstable();
        mounted.dedup();
        let volumes = pod["volumes"].as_array().unwrap();
        let mut volumes: Vec<&str> = volumes.iter().map(|volume| volume["name"].as_str().unwrap()).collect();
        volumes.sort_unstable();
        assert_eq!(mounted, volumes, "{}", object["metadata"]["name"]);
    }
}

#[test]
fn kubelets_directory_is_everywhere_the_one_that_was_found() {
    let text = serde_json::to_string(&objects(&wanted())).unwrap();
    assert!(!text.contains(kubelet_root::USUAL), "{text}");
    assert!(text.contains("--kubelet-registration-path=/data/kubelet/plugins/driver.longhorn.io/csi.sock"));
    // Paths inside and outside are the same: kubelet names its own.
    let objects = objects(&wanted());
    let plugin = &named(&objects, "DaemonSet", plugin::NAME)["spec"]["template"]["spec"];
    for mount in plugin["containers"][2]["volumeMounts"].as_array().unwrap() {
        if mount["mountPropagation"] == "Bidirectional" {
            let volume =
                plugin["volumes"].as_array().unwrap().iter().find(|volume| volume["name"] == mount["name"]).unwrap();
            assert_eq!(volume["hostPath"]["path"], mount["mountPath"]);
        }
    }
}

#[test]
fn only_the_driver_is_privileged() {
    for object in objects(&wanted()) {
        for container in object["spec"]["template"]["spec"]["containers"].as_array().into_iter().flatten() {
            let privileged = container["securityContext"]["privileged"] == true;
            assert_eq!(privileged, container["name"] == plugin::NAME, "{}", container["name"]);
            assert!(privileged || container["securityContext"]["capabilities"]["drop"] == json!(["ALL"]));
        }
    }
}

#[test]
fn settings_reach_every_pod() {
    let mut wanted = wanted();
    wanted.pods = SystemPods {
        tolerations: system_pods::tolerations("storage=yes:NoExecute").unwrap(),
        node_selector: system_pods::node_selector("kubernetes.io/os:linux").unwrap(),
        priority_class: "longhorn-critical".to_owned(),
        registry_secret: "login".to_owned(),
        pull_policy: system_pods::pull_policy("always").unwrap(),
        resources: system_pods::resources(r#"{"csi-attacher": {"limits": {"memory": "128Mi"}}}"#).unwrap(),
    };
    for object in objects(&wanted) {
        let pod = &object["spec"]["template"]["spec"];
        let Some(containers) = pod["containers"].as_array() else { continue };
        assert_eq!(pod["tolerations"][0]["key"], "storage");
        assert_eq!(pod["nodeSelector"]["kubernetes.io/os"], "linux");
        assert_eq!(pod["priorityClassName"], "longhorn-critical");
        assert_eq!(pod["imagePullSecrets"][0]["name"], "login");
        for container in containers {
            assert_eq!(container["imagePullPolicy"], "Always");
            assert_eq!(container["resources"]["limits"]["memory"] == "128Mi", container["name"] == "csi-attacher");
        }
    }
}

#[test]
fn the_provisioner_knows_its_namespace() {
    let objects = objects(&wanted());
    let container = &named(&objects, "Deployment", "csi-provisioner")["spec"]["template"]["spec"]["containers"][0];
    let environment = container["env"].as_array().unwrap();
    let namespace = environment.iter().find(|variable| variable["name"] == "NAMESPACE").unwrap();
    assert_eq!(namespace["value"], wanted().namespace.as_str());
}

#[test]
fn pods_of_a_sidecar_keep_apart() {
    let rules = |kind| {
        let mut wanted = wanted();
        wanted.anti_affinity = kind;
        let objects = objects(&wanted);
        named(&objects, "Deployment", "csi-snapshotter")["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"]
            .clone()
    };
    assert!(rules(AntiAffinity::Hard).get("requiredDuringSchedulingIgnoredDuringExecution").is_some());
    assert!(rules(AntiAffinity::of_word("").unwrap()).get("preferredDuringSchedulingIgnoredDuringExecution").is_some());
    assert_eq!(AntiAffinity::of_word("medium"), None);
}
