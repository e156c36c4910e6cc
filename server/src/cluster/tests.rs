//! On a real API server; `make test-k8s` runs them.

use aurochs_api::session::Role;
use aurochs_e2e::ControlPlane;

use super::*;
use crate::resources::definition;

/// Longest wait for what has to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A control plane that knows our kinds.
pub(crate) async fn plane() -> ControlPlane {
    let plane = ControlPlane::start().await;
    plane.kubectl(&["apply", "--server-side", "-f", "-"], &definition::manifest()).unwrap();
    plane.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"], "").unwrap();
    plane
}

pub(crate) async fn client(plane: &ControlPlane) -> Client {
    Client::try_from(read(&plane.kubeconfig()).await.unwrap()).unwrap()
}

async fn cluster(plane: &ControlPlane) -> Cluster {
    plane.kubectl(&["create", "namespace", "a"], "").unwrap();
    let config = read(&plane.kubeconfig()).await.unwrap();
    Cluster { client: client(plane).await, config, namespace: "a".to_owned() }
}

/// The chart as it is rendered without any values.
const CHART: &str = include_str!("../../../deploy/tests/default.yaml");

/// The namespace of the chart, as one of its programs sees it: with the rights of this account and no others.
pub(crate) async fn as_account(plane: &ControlPlane, account: &str) -> Cluster {
    plane.kubectl(&["create", "namespace", NAMESPACE], "").unwrap();
    plane.give_rights(CHART);
    let mut config = read(&plane.kubeconfig()).await.unwrap();
    config.auth_info.impersonate = Some(format!("system:serviceaccount:{NAMESPACE}:{account}"));
    Cluster { client: Client::try_from(config.clone()).unwrap(), config, namespace: NAMESPACE.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes API server: make test-k8s"]
async fn one_manager_at_a_time() {
    let mut plane = ControlPlane::start().await;
    let cluster = cluster(&plane).await;
    let mut first = cluster.wait_for_turn("first").await;
    let path = "jsonpath={.spec.holderIdentity}";
    let holder = |plane: &ControlPlane| plane.kubectl(&["-n", "a", "get", "lease", "aurochs-manager", "-o", path], "");
    assert_eq!(holder(&plane).unwrap(), "first");
    let waiting = {
        let cluster = cluster.clone();
        tokio::spawn(async move { cluster.wait_for_turn("second").await })
    };
    assert!(futures::poll!(Box::pin(first.lost())).is_pending() && !waiting.is_finished());
    first.give_back().await;
    let second = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert_eq!(holder(&plane).unwrap(), "second");

    // A manager that has vanished without a word is replaced when its time is over.
    drop(second);
    let mut third = tokio::time::timeout(PATIENCE, cluster.wait_for_turn("third")).await.unwrap();
    assert_eq!(holder(&plane).unwrap(), "third");
    // And one that can't renew it stops before that.
    plane.kill_api_server();
    tokio::time::timeout(PATIENCE, third.lost()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes API server: make test-k8s"]
async fn service_accounts_have_the_role_that_the_cluster_gives_them() {
    let plane = ControlPlane::start().await;
    let tokens = cluster(&plane).await.tokens();
    let token = |account: &str, verbs: &str| {
        plane.kubectl(&["-n", "a", "create", "serviceaccount", account], "").unwrap();
        if !verbs.is_empty() {
            let role = format!(
                "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: {account}, namespace: a}}\nrules:\n- \
                 {{apiGroups: [longhorn.io], resources: [api], verbs: [{verbs}]}}\n"
            );
            plane.kubectl(&["apply", "-f", "-"], &role).unwrap();
            let (role, subject) = (format!("--role={account}"), format!("--serviceaccount=a:{account}"));
            plane.kubectl(&["-n", "a", "create", "rolebinding", account, &role, &subject], "").unwrap();
        }
        plane.kubectl(&["-n", "a", "create", "token", account], "").unwrap().trim().to_owned()
    };
    let (admin, viewer, nobody) = (token("driver", "get, update"), token("watcher", "get"), token("stranger", ""));
    let role = |token: String| {
        let tokens = &tokens;
        async move { tokens.check(&token).await.unwrap().map(|account| (account.name, account.role)) }
    };
    let name = |account: &str| format!("system:serviceaccount:a:{account}");
    assert_eq!(role(admin.clone()).await, Some((name("driver"), Some(Role::Admin))));
    assert_eq!(role(viewer).await, Some((name("watcher"), Some(Role::Viewer))));
    assert_eq!(role(nobody).await, Some((name("stranger"), None)));
    assert_eq!(role("nonsense".to_owned()).await, None);
    let mark = tokens.check(&admin).await.unwrap().unwrap().mark;
    assert!(tokens.vouch_for(mark));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes API server: make test-k8s"]
async fn an_api_server_takes_the_whole_manifest() {
    let plane = ControlPlane::start().await;
    let manifest = include_str!("../../../deploy/longhorn.yaml");
    plane.kubectl(&["apply", "--server-side", "-f", "-"], manifest).unwrap();
    let services = plane.kubectl(&["-n", NAMESPACE, "get", "services", "-o", "jsonpath={.items[*].metadata.name}"], "");
    assert_eq!(services.unwrap(), "longhorn-admission-webhook longhorn-backend longhorn-frontend");
}

/// The tables of docs/kubernetes.md, by the API server's own judgement.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes API server: make test-k8s"]
async fn accounts_may_what_they_need_and_no_more() {
    let plane = ControlPlane::start().await;
    as_account(&plane, "longhorn-service-account").await;
    // Asked of the API server itself: kubectl takes what it has no definition of for another group's.
    let may = |account: &str, verb: &str, resource: &str, namespace: &str| {
        let (resource, part) = resource.split_once('/').unwrap_or((resource, ""));
        let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
        let review = serde_json::json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {
            "user": format!("system:serviceaccount:{NAMESPACE}:{account}"),
            "groups": ["system:authenticated", "system:serviceaccounts", format!("system:serviceaccounts:{NAMESPACE}")],
            "resourceAttributes": {
                "namespace": namespace, "verb": verb, "group": group, "resource": resource, "subresource": part,
            }}});
        let answer = plane.kubectl(&["create", "-f", "-", "-o", "jsonpath={.status.allowed}"], &review.to_string());
        match answer.unwrap().as_str() {
            "true" => true,
            "false" => false,
            other => panic!("{review} is answered with {other:?}"),
        }
    };
    let accounts = [
        "longhorn-service-account",
        "longhorn-driver-service-account",
        "longhorn-csi-service-account",
        "longhorn-csi-plugin-service-account",
        "longhorn-instance-manager-service-account",
    ];
    for account in accounts {
        for verb in ["get", "list", "watch"] {
            assert!(!may(account, verb, "secrets", "kube-system"), "{account} {verb}");
        }
        assert!(!may(account, "create", "clusterrolebindings.rbac.authorization.k8s.io", ""), "{account}");
        assert!(!may(account, "create", "pods/exec", NAMESPACE), "{account}");
        assert!(!may(account, "create", "pods", "default"), "{account}");
        assert!(!may(account, "delete", "pods", "default"), "{account}");
    }
    for (account, verb, resource, namespace) in [
        ("longhorn-service-account", "update", "volumes.longhorn.io/status", NAMESPACE),
        ("longhorn-service-account", "get", "secrets", NAMESPACE),
        ("longhorn-service-account", "create", "pods", NAMESPACE),
        ("longhorn-service-account", "delete", "pods", NAMESPACE),
        ("longhorn-service-account", "watch", "nodes", ""),
        ("longhorn-service-account", "create", "poddisruptionbudgets.policy", NAMESPACE),
        ("longhorn-service-account", "create", "tokenreviews.authentication.k8s.io", ""),
        ("longhorn-driver-service-account", "create", "daemonsets.apps", NAMESPACE),
        ("longhorn-driver-service-account", "list", "settings.longhorn.io", NAMESPACE),
        ("longhorn-csi-service-account", "create", "persistentvolumes", ""),
        ("longhorn-csi-plugin-service-account", "update", "api.longhorn.io", NAMESPACE),
        ("longhorn-instance-manager-service-account", "patch", "volumes.longhorn.io/status", NAMESPACE),
        ("longhorn-instance-manager-service-account", "get", "volumes.longhorn.io", NAMESPACE),
    ] {
        assert!(may(account, verb, resource, namespace), "{account} may not {verb} {resource}");
    }
    for (account, verb, resource) in [
        ("longhorn-service-account", "delete", "secrets"),
        ("longhorn-service-account", "list", "persistentvolumes"),
        ("longhorn-driver-service-account", "get", "secrets"),
        ("longhorn-driver-service-account", "update", "settings.longhorn.io"),
        ("longhorn-csi-plugin-service-account", "list", "pods"),
        ("longhorn-instance-manager-service-account", "list", "volumes.longhorn.io"),
        ("longhorn-instance-manager-service-account", "update", "volumes.longhorn.io"),
        ("longhorn-instance-manager-service-account", "get", "engines.longhorn.io"),
    ] {
        assert!(!may(account, verb, resource, NAMESPACE), "{account} may {verb} {resource}");
    }
}
