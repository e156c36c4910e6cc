//! Who can log in, when all managers of a cluster let the same people in: a Secret with the keys `users` (htpasswd lines) and
//! `roles`. Each manager has it as files in its data directory and follows its changes.
//!
//! Where there is no such Secret, the first manager makes it, with one user and a random password in the key
//! `admin-password`; the others find it. The password is in no log: who may read the Secret may log in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ListParams, ObjectMeta, PostParams};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::dynamic::{Failed, asked};
use super::{Cluster, change};
use crate::auth::users::edit::{Edit, EditError};
use crate::auth::users::given::UserTexts;
use crate::auth::users::{self, Users, UsersError};

/// The Secret is read again after this long, whatever happens.
const RESYNC: Duration = Duration::from_secs(240);
/// Pause after a reading that failed.
const PAUSE: Duration = Duration::from_secs(5);

const USERS: &str = "users";
const ROLES: &str = "roles";
const PASSWORD: &str = users::FIRST_PASSWORD_FILE;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Server(#[from] Failed),
    #[error("the users of the Secret {secret} can't be used: {source}")]
    Unusable { secret: String, source: EditError },
    #[error(transparent)]
    Files(#[from] UsersError),
}

/// The users of a cluster, as files.
pub struct ClusterUsers {
    secrets: Api<Secret>,
    name: String,
    directory: PathBuf,
    /// Of the Secret as it was read last.
    version: String,
}

impl ClusterUsers {
    /// Brings the users of the Secret into the directory. Returns when they are there: nobody could log in before. A Secret that
    /// is of no use is waited for, unless there are users of before.
    pub async fn bring(cluster: &Cluster, secret: &str, directory: &Path) -> Self {
        let secrets = Api::namespaced(cluster.client.clone(), &cluster.namespace);
        let mut users =
            Self { secrets, name: secret.to_owned(), directory: directory.to_owned(), version: String::new() };
        loop {
            match users.read().await {
                Ok(()) => return users,
                Err(error @ Error::Unusable { .. }) if directory.join(users::FILE).exists() => {
                    tracing::error!(%error, "the users stay as they were");
                    return users;
                }
                Err(error) => tracing::error!(%error, "nobody can log in yet; trying again"),
            }
            sleep(PAUSE).await;
        }
    }

    /// Follows the Secret from now on.
    pub fn follow(mut self) -> JoinHandle<()> {
        tokio::spawn(async move {
            loop {
                change::wait_for_one(&self.secrets, &self.name, &self.version, RESYNC).await;
                if let Err(error) = self.read().await {
                    tracing::error!(%error, "the users stay as they were");
                }
            }
        })
    }

    async fn read(&mut self) -> Result<(), Error> {
        // A list of one: its version is one that a watch can begin at, also when there is no Secret.
        let only_it = ListParams::default().fields(&format!("metadata.name={}", self.name));
        let doing = format!("reading the Secret {}", self.name);
        let listed = asked(&doing, self.secrets.list(&only_it)).await?;
        self.version = listed.metadata.resource_version.unwrap_or_default();
        match listed.items.into_iter().next() {
            Some(secret) if has_users(&secret) => self.take(&secret),
            there => self.make(there).await,
        }
    }

    fn take(&self, secret: &Secret) -> Result<(), Error> {
        let text = |key: &str| {
            let bytes = secret.data.as_ref().and_then(|data| data.get(key));
            bytes.map(|bytes| String::from_utf8_lossy(&bytes.0).into_owned()).unwrap_or_default()
        };
        let given = UserTexts { users: text(USERS), roles: text(ROLES) };
        let taken = Edit::open(&self.directory).and_then(|edit| edit.take(&given));
        taken.map_err(|source| Error::Unusable { secret: self.name.clone(), source })
    }

    /// Makes the Secret of the users that this manager has, or of a first one. Whoever is quicker makes it.
    async fn make(&self, there: Option<Secret>) -> Result<(), Error> {
        let (_, first) = Users::open(&self.directory)?;
        let unusable = |source| Error::Unusable { secret: self.name.clone(), source };
        let edit = Edit::open(&self.directory).map_err(unusable)?;
        let own = edit.texts().map_err(unusable)?;
        let mut data = BTreeMap::from([(USERS, own.users.clone()), (ROLES, own.roles.clone())]);
        data.extend(first.map(|first| (PASSWORD, first.password)));
        let mut data: BTreeMap<String, ByteString> =
            data.into_iter().map(|(key, text)| (key.to_owned(), ByteString(text.into_bytes()))).collect();
        let doing = format!("making the Secret {}", self.name);
        let parameters = PostParams::default();
        match there {
            // One without users: somebody made it empty. It keeps what else it has.
            Some(mut secret) => {
                secret.data.get_or_insert_default().append(&mut data);
                asked(&doing, self.secrets.replace(&self.name, &parameters, &secret)).await?;
            }
            None => {
                let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
                let secret = Secret { metadata, data: Some(data), ..Secret::default() };
                asked(&doing, self.secrets.create(&parameters, &secret)).await?;
            }
        }
        tracing::info!(secret = self.name, "made the Secret of the users");
        // The first password is there now, and nowhere else.
        edit.take(&own).map_err(unusable)
    }
}

fn has_users(secret: &Secret) -> bool {
    secret.data.as_ref().is_some_and(|data| data.get(USERS).is_some_and(|users| !users.0.is_empty()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::NAMESPACE;
    use super::super::tests as planes;
    use super::*;

    /// What Kubernetes says of a key of the Secret.
    fn key(plane: &aurochs_e2e::ControlPlane, key: &str) -> String {
        let template = format!("go-template={{{{index .data \"{key}\" | base64decode}}}}");
        plane.kubectl(&["-n", NAMESPACE, "get", "secret", "people", "-o", &template], "").unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs a Kubernetes API server: make test-k8s"]
    async fn all_managers_let_the_same_people_in() {
        let plane = planes::plane().await;
        let cluster = planes::as_account(&plane, "longhorn-service-account").await;
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = ClusterUsers::bring(&cluster, "people", one.path()).await;
        let password = key(&plane, "admin-password");
        let second = ClusterUsers::bring(&cluster, "people", other.path()).await;
        for directory in [&one, &other] {
            let hash = fs::read_to_string(directory.path().join("users")).unwrap();
            assert_eq!(hash, key(&plane, "users"));
            assert!(bcrypt::verify(&password, hash.trim().split_once(':').unwrap().1).unwrap());
            assert!(!directory.path().join("admin-password").exists());
        }
        let following = [first.follow(), second.follow()];
        let line = format!("ann:$2y$05${}", "a".repeat(53));
        let patch = serde_json::json!({"stringData": {"users": format!("{line}\n"), "roles": "ann: viewer\n"}});
        plane.kubectl(&["-n", NAMESPACE, "patch", "secret", "people", "-p", &patch.to_string()], "").unwrap();
        let came = async {
            while fs::read_to_string(other.path().join("roles")).unwrap_or_default() != "ann: viewer\n" {
                sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), came).await.unwrap();
        assert_eq!(fs::read_to_string(other.path().join("users")).unwrap(), format!("{line}\n"));
        following.iter().for_each(JoinHandle::abort);
    }
}
