//! A namespace of a test.

use std::path::Path;

use serde_json::{Value, json};

use crate::product::{NAMESPACE, Product};
use crate::{Pod, kubectl};

/// Goes with all that is in it, also after a failure.
#[derive(Debug)]
pub struct Namespace {
    pub name: String,
}

#[expect(clippy::missing_panics_doc, reason = "a test fixture fails by panicking")]
impl Namespace {
    /// A new one, with the product there.
    #[must_use]
    #[track_caller]
    pub fn new(name: &str) -> Self {
        Product::get();
        kubectl::run(&["create", "namespace", name]);
        Self { name: name.to_owned() }
    }

    /// kubectl in it.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> String {
        kubectl::run(&[&["-n", &self.name], arguments].concat())
    }

    #[must_use]
    #[track_caller]
    pub fn object(&self, arguments: &[&str]) -> Value {
        kubectl::object(&[&["-n", &self.name], arguments].concat())
    }

    #[track_caller]
    pub fn wait(&self, what: &[&str]) {
        kubectl::wait(&[&["-n", &self.name], what].concat());
    }

    /// Applies a file of `yaml`.
    #[track_caller]
    pub fn apply(&self, file: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("yaml").join(file);
        self.run(&["apply", "-f", path.to_str().unwrap()]);
    }

    /// Applies an object.
    #[track_caller]
    pub fn apply_object(&self, object: &Value) {
        kubectl::with_input(&["-n", &self.name, "apply", "-f", "-"], &object.to_string());
    }

    #[must_use]
    pub fn pod(&self, name: &str) -> Pod<'_> {
        Pod { namespace: self, name: name.to_owned() }
    }

    /// The one pod with this label, once it is Ready.
    #[must_use]
    #[track_caller]
    pub fn labelled_pod(&self, label: &str) -> Pod<'_> {
        self.wait(&["--for=create", "pod", "-l", label]);
        self.wait(&["--for=condition=Ready", "pod", "-l", label]);
        let pods = self.object(&["pod", "-l", label]);
        self.pod(pods["items"][0]["metadata"]["name"].as_str().unwrap())
    }

    /// A pod that has a claim at /data and waits.
    #[must_use]
    #[track_caller]
    pub fn pod_with(&self, name: &str, claim: &str) -> Pod<'_> {
        self.apply_object(&json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {
                "containers": [{
                    "name": "it", "image": "docker.io/library/busybox:1", "imagePullPolicy": "IfNotPresent",
                    "command": ["sleep", "infinity"], "volumeMounts": [{"name": "it", "mountPath": "/data"}],
                }],
                "volumes": [{"name": "it", "persistentVolumeClaim": {"claimName": claim}}],
            },
        }));
        let pod = self.pod(name);
        pod.wait_until_ready();
        pod
    }

    /// A claim of the class `longhorn`.
    #[track_caller]
    pub fn claim(&self, name: &str, size: &str) {
        self.apply_object(&json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
            "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": "longhorn",
                "resources": {"requests": {"storage": size}},
            },
        }));
    }

    /// The volume that a claim has got, once it is bound.
    #[expect(clippy::must_use_candidate, reason = "it also waits")]
    #[track_caller]
    pub fn volume_of(&self, claim: &str) -> String {
        self.wait(&["--for=jsonpath={.status.phase}=Bound", &format!("pvc/{claim}")]);
        self.object(&["pvc", claim])["spec"]["volumeName"].as_str().unwrap().to_owned()
    }

    /// What a person would look at after a failure.
    fn explain(&self) {
        for arguments in [
            &["-n", &self.name, "get", "all,pvc,volumesnapshot", "-o", "wide"][..],
            &["-n", &self.name, "get", "events", "--sort-by=.lastTimestamp"],
            &["get", "pv,volumeattachments.storage.k8s.io"],
            &["-n", NAMESPACE, "get", "pods,lhv,lhr,lhe", "-o", "wide"],
        ] {
            let said = kubectl::attempt(arguments, "").unwrap_or_else(|complaint| complaint);
            eprintln!("--- kubectl {}\n{said}", arguments.join(" "));
        }
    }

    /// Deletes everything, and waits until its volumes are gone.
    fn delete(&self) -> Result<(), String> {
        let name = &self.name;
        let volumes = kubectl::attempt(&["-n", name, "get", "pvc", "-o", "jsonpath={.items[*].spec.volumeName}"], "")?;
        let kinds = "deployment,pod,volumesnapshot,pvc";
        kubectl::attempt(&["-n", name, "delete", kinds, "--all", "--grace-period=1", "--timeout=240s"], "")?;
        kubectl::attempt(&["delete", "namespace", name, "--timeout=240s"], "")?;
        for volume in volumes.split_whitespace() {
            let of_volume = format!("volumes.longhorn.io/{volume}");
            kubectl::attempt(&["wait", "--for=delete", "--timeout=240s", &format!("pv/{volume}")], "")?;
            kubectl::attempt(&["-n", NAMESPACE, "wait", "--for=delete", "--timeout=240s", &of_volume], "")?;
        }
        Ok(())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        if failed {
            self.explain();
        }
        if let Err(said) = self.delete() {
            if !failed {
                self.explain();
                panic!("something of the test {} is left: {said}", self.name);
            }
            eprintln!("something of the test {} is left: {said}", self.name);
        }
    }
}
