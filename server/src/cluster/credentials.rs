//! What backup targets ask for, in a cluster: the Secrets that they name, in the namespace of the resources. Every manager has
//! a copy of those, and of no others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aurochs_engine::backup::target::CREDENTIAL_NAMES;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ListParams};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::dynamic::{Failed, asked};
use super::{Cluster, change};
use crate::backups::{Backups, Fault, credentials};
use crate::resources::BackupTarget;
use crate::store::{Store, StoreError, Watch};

/// The Secrets are read again after this long, whatever happens.
const RESYNC: Duration = Duration::from_secs(240);
/// Pause after a reading that failed.
const PAUSE: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Server(#[from] Failed),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{}", .0.message)]
    Kept(Fault),
}

/// Keeps the copy, until the task is aborted.
pub fn follow(cluster: &Cluster, store: &Store, backups: &Backups) -> JoinHandle<()> {
    let secrets: Api<Secret> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let (store, backups) = (store.clone(), backups.clone());
    backups.credentials().copy_from(&cluster.namespace);
    tokio::spawn(async move {
        let mut targets = store.watch::<BackupTarget>();
        loop {
            match once(&secrets, &store, &backups).await {
                Ok((names, version)) => {
                    let is_named = |name: &str| names.contains(name);
                    tokio::select! {
                        () = change::wait(&secrets, &version, RESYNC, is_named) => {}
                        () = others_are_named(&store, &mut targets, &names) => {}
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the credentials of backup targets stay as they were; trying again");
                    sleep(PAUSE).await;
                }
            }
        }
    })
}

/// Copies them; answers with their names, and a version that a watch can begin at.
async fn once(secrets: &Api<Secret>, store: &Store, backups: &Backups) -> Result<(BTreeSet<String>, String), Error> {
    // Before they are read, so that no change is missed.
    let any = ListParams::default().limit(1);
    let version = asked("reading the Secrets", secrets.list_metadata(&any)).await?.metadata.resource_version;
    let names = named(store).await?;
    let mut copy = BTreeMap::new();
    for name in &names {
        if let Some(secret) = asked(format!("reading the Secret {name}"), secrets.get_opt(name)).await? {
            copy.insert(name.clone(), texts(secret));
        }
    }
    backups.credentials().take(&copy).map_err(Error::Kept)?;
    Ok((names, version.unwrap_or_default()))
}

/// Keys that mean nothing to a target may be there for others.
fn texts(secret: Secret) -> credentials::Secret {
    let data = secret.data.unwrap_or_default().into_iter();
    let known = data.filter(|(key, _)| CREDENTIAL_NAMES.contains(&key.as_str()));
    known.map(|(key, bytes)| (key, String::from_utf8_lossy(&bytes.0).into_owned())).collect()
}

/// The Secrets that targets name.
async fn named(store: &Store) -> Result<BTreeSet<String>, StoreError> {
    let targets = store.list::<BackupTarget>().await?;
    let names = targets.into_iter().map(|target| target.spec.credential_secret);
    Ok(names.filter(|name| !name.is_empty()).collect())
}

/// Returns when targets name others than these.
async fn others_are_named(store: &Store, targets: &mut Watch<BackupTarget>, names: &BTreeSet<String>) {
    while targets.next().await.is_some() {
        if named(store).await.is_ok_and(|now| now != *names) {
            return;
        }
    }
    // The manager ends.
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::NAMESPACE;
    use super::super::tests as planes;
    use super::*;
    use crate::resources::Object;
    use crate::resources::backup_target::BackupTargetSpec;

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs a Kubernetes API server: make test-k8s"]
    async fn targets_have_the_secrets_that_they_name() {
        let plane = planes::plane().await;
        let cluster = planes::as_account(&plane, "longhorn-service-account").await;
        let store = Store::new(Arc::new(cluster.store().await.unwrap()));
        let directory = tempfile::tempdir().unwrap();
        let backups = Backups::at(directory.path());
        let following = follow(&cluster, &store, &backups);
        for secret in ["offsite", "unrelated"] {
            let arguments = [
                "create",
                "secret",
                "generic",
                secret,
                "--from-literal=AWS_ACCESS_KEY_ID=planted",
                "--from-literal=x=y",
            ];
            plane.kubectl(&[&["-n", NAMESPACE], &arguments[..]].concat(), "").unwrap();
        }
        let spec = BackupTargetSpec { credential_secret: "offsite".to_owned(), ..BackupTargetSpec::default() };
        store.create(&Object::<BackupTarget>::new("default", spec)).await.unwrap();
        let becomes = async |value: Option<&str>| {
            let expected = value.map(|value| ("AWS_ACCESS_KEY_ID".to_owned(), value.to_owned()));
            let wait = async {
                while backups.credentials().of("offsite").ok() != expected.clone().map(|pair| [pair].into()) {
                    sleep(Duration::from_millis(100)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap();
        };
        becomes(Some("planted")).await;
        assert!(backups.credentials().of("unrelated").is_err(), "nobody named it");
        let patch = r#"{"stringData": {"AWS_ACCESS_KEY_ID": "another"}}"#;
        plane.kubectl(&["-n", NAMESPACE, "patch", "secret", "offsite", "-p", patch], "").unwrap();
        becomes(Some("another")).await;
        plane.kubectl(&["-n", NAMESPACE, "delete", "secret", "offsite"], "").unwrap();
        becomes(None).await;
        following.abort();
    }
}
