//! The chart on a real API server, by a real helm (`scripts/helm.sh`). Nobody starts pods here, so that hooks are left out.

use std::path::{Path, PathBuf};
use std::process::Command;

use aurochs_e2e::ControlPlane;
use aurochs_server::cluster::NAMESPACE;

use crate::member::{Member, until};

/// The one release of a control plane.
struct Helm<'a> {
    plane: &'a ControlPlane,
    /// What helm keeps for itself.
    home: tempfile::TempDir,
}

impl<'a> Helm<'a> {
    fn of(plane: &'a ControlPlane) -> Self {
        Self { plane, home: tempfile::tempdir().unwrap() }
    }

    fn run(&self, arguments: &[&str]) -> String {
        let own = std::env::current_exe().unwrap();
        let beside = || own.ancestors().nth(3).unwrap().join("tmp/helm/helm");
        let program = std::env::var_os("AUROCHS_HELM").map_or_else(beside, PathBuf::from);
        assert!(program.exists(), "{} is missing; run scripts/chart.sh", program.display());
        let mut command = Command::new(program);
        command.args(arguments).args(["--namespace", NAMESPACE]).env("KUBECONFIG", self.plane.kubeconfig());
        for (variable, directory) in
            [("HELM_CONFIG_HOME", "config"), ("HELM_CACHE_HOME", "cache"), ("HELM_DATA_HOME", "data")]
        {
            command.env(variable, self.home.path().join(directory));
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "helm {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Installs it, or brings it to these values of `deploy/tests`; answers with what the person is told.
    fn apply(&self, values: &str) -> String {
        let chart = deploy().join("chart");
        let values = deploy().join(format!("tests/{values}.values.yaml"));
        let (chart, values) = (chart.to_str().unwrap(), values.to_str().unwrap());
        let verb = ["upgrade", "longhorn", chart, "--install", "--create-namespace", "--no-hooks"];
        self.run(&[&verb[..], &["--values", values]].concat())
    }

    fn get(&self, arguments: &[&str]) -> String {
        self.plane.kubectl(&[&["-n", NAMESPACE, "get"], arguments].concat(), "").unwrap()
    }
}

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

/// W02, W03, W11, W12: each is an upgrade of the one before.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes API server: make test-k8s"]
async fn values_of_the_walkthroughs_are_installed_and_upgraded() {
    let plane = ControlPlane::start().await;
    let helm = Helm::of(&plane);
    let notes = helm.apply("w02-node-port");
    assert!(notes.contains("30809"), "{notes}");
    let port = ["service", "longhorn-frontend", "-o", "jsonpath={.spec.type} {.spec.ports[0].nodePort}"];
    assert_eq!(helm.get(&port), "NodePort 30809");
    // W20, and what every installation has.
    assert_eq!(helm.get(&["daemonset,deployment", "-o", "name"]).lines().count(), 2);

    helm.apply("w03-ingress");
    assert_eq!(helm.get(&port), "ClusterIP ");
    let host = ["ingress", "longhorn-ingress", "-o", "jsonpath={.spec.rules[0].host} {.spec.tls[0].secretName}"];
    assert_eq!(helm.get(&host), "longhorn.k8s.local longhorn-tls");

    helm.apply("w11-labeled-nodes");
    assert_eq!(helm.get(&["ingress", "-o", "name"]), "");
    let said = ["configmap", "longhorn-default-setting", "-o", r"jsonpath={.data.default-setting\.yaml}"];
    assert!(helm.get(&said).contains("create-default-disk-labeled-nodes: \"true\""));

    helm.apply("w12-placement");
    let pod = "jsonpath={.spec.template.spec.nodeSelector} {.spec.template.spec.tolerations[*].key}";
    assert_eq!(helm.get(&["daemonset", "longhorn-manager", "-o", pod]), "{\"node-role/storage\":\"true\"} storage");

    helm.run(&["uninstall", "longhorn", "--no-hooks"]);
    let kinds = "daemonsets,deployments,services,configmaps,roles,rolebindings,poddisruptionbudgets,ingresses";
    assert_eq!(helm.get(&[kinds, "-o", "name"]), "");
    let clusters =
        plane.kubectl(&["get", "clusterroles,clusterrolebindings,priorityclasses", "-o", "name"], "").unwrap();
    assert!(!clusters.contains("longhorn"), "{clusters}");
}

/// W13, by a manager that takes what the release says.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes API server: make test-k8s"]
async fn default_settings_are_so_after_installing() {
    let plane = ControlPlane::start().await;
    let helm = Helm::of(&plane);
    helm.apply("w13-default-settings");
    let mut manager = Member::start(&plane, "machine-a").await;
    until("the manager acts", async || !manager.nodes().await.is_empty()).await;
    let value = |name: &str| helm.get(&["settings.longhorn.io", name, "-o", "jsonpath={.value}"]);
    for (name, expected) in [
        ("create-default-disk-labeled-nodes", "true"),
        ("default-data-locality", "best-effort"),
        ("default-replica-count", r#"{"v1":"2","v2":"2"}"#),
        ("orphan-resource-auto-deletion", "replica-data"),
        ("priority-class", "high-priority"),
        ("storage-over-provisioning-percentage", "200"),
        ("taint-toleration", "key1=value1:NoSchedule; key2:NoExecute"),
        // Of a feature that is not there yet: left out, and told in the log.
        ("storage-network", ""),
    ] {
        assert_eq!(value(name), expected, "{name}");
    }
    let target = "jsonpath={.spec.backupTargetURL} {.spec.credentialSecret} {.spec.pollInterval}";
    let target = helm.get(&["backuptargets.longhorn.io", "default", "-o", target]);
    assert_eq!(target, "s3://backups@eu-west-1/longhorn s3-secret 10m0s");
    // W20.
    let class = plane
        .kubectl(&["get", "storageclass", "longhorn", "-o", "jsonpath={.provisioner} {.parameters.mkfsParams}"], "");
    assert_eq!(class.unwrap(), "driver.longhorn.io -O ^64bit,^metadata_csum");
    manager.stop().await;
}
