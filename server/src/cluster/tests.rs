//! On a real API server; `make test-k8s` runs them.

use std::time::Duration;

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

pub(crate) async fn cluster(plane: &ControlPlane) -> Cluster {
    plane.kubectl(&["create", "namespace", "a"], "").unwrap();
    Cluster { client: client(plane).await, namespace: "a".to_owned() }
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
