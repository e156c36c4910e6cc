//! A Kubernetes cluster that keeps the resources: how it is found, which manager acts, and what there is in a cluster only. All
//! managers serve.
//!
//! 1. [`connect`](Cluster::connect) — the API server of a kubeconfig, or of the cluster that this process is a pod of;
//! 2. [`lease`] — one manager at a time acts on a namespace;
//! 3. [`crate::store::kube`] — the resources;
//! 4. [`announce`] — each manager tells of its own machine; [`identity`] — who its processes are to others; [`access`] — how its
//!    instance managers reach the API server; [`instance_pods`] — where these are pods, which
//!    [`disruption`] protects; [`kubernetes_nodes`] — what Kubernetes says of the machine;
//! 5. [`adopt`] — what others made is made ready;
//! 6. [`release`] — what the chart says: settings, backup target, StorageClass;
//! 7. [`webhook`] — the API server asks about what others write;
//! 8. [`users`] — who logs in with a password; [`tokens`] — service accounts; [`credentials`] — what backup targets ask for.
//!
//! Other programs than the manager: [`deployer`] keeps the objects of the CSI driver ([`driver`]); [`upgrade`] and [`uninstall`] are
//! asked by Helm. [`dynamic`] and [`change`] are how all of them speak with the API server.

pub mod access;
pub mod adopt;
pub mod announce;
mod authority;
mod change;
pub mod credentials;
pub mod deployer;
pub mod disruption;
pub mod driver;
mod dynamic;
pub mod identity;
pub mod instance_pods;
pub mod kubernetes_nodes;
pub mod lease;
pub mod release;
#[cfg(test)]
pub(crate) mod tests;
pub mod tokens;
pub mod uninstall;
pub mod upgrade;
pub mod users;
pub mod webhook;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::time::{Instant, sleep};

use crate::store::kube::{Kube, OpenError};
use access::AccessError;
use identity::IdentityError;
use instance_pods::{Pods, PodsError};
use lease::{Candidate, Turn};
use tokens::Tokens;
use webhook::{Place, Registration, Webhook, WebhookError};

/// Longhorn's namespace, and the default.
pub const NAMESPACE: &str = "longhorn-system";

/// How long definitions are waited for that are not there yet.
const DEFINITIONS_PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks for them.
const DEFINITIONS_PAUSE: Duration = Duration::from_secs(2);

/// A connection on which nothing came for this long is broken. Watches hear of bookmarks more often.
const SILENCE_LONGEST: Duration = Duration::from_secs(300);

/// A manager's place in a cluster.
#[derive(Clone, Debug, Default)]
pub struct Member {
    /// Of the resources.
    pub namespace: String,
    /// How the API server is reached; `None` for what the environment says.
    pub kubeconfig: Option<PathBuf>,
    /// Name of the machine, which no other manager of the cluster may have; `None` for the host's.
    pub node_name: Option<String>,
    /// The Secret of the users, for all managers the same; `None` for users of the data directory.
    pub users_secret: Option<String>,
    /// Where the API server asks about what people write; `None` for no such place.
    pub webhook: Option<Place>,
    /// Where the machine's instance manager is reached from other ones; `None` for nowhere. Of several the ports follow each other.
    pub instance_address: Option<SocketAddr>,
    /// Image of the instance manager, which is a pod then; `None` for a process beside the manager.
    pub instance_manager_image: Option<String>,
}

/// Why the cluster can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error("no Kubernetes API server is known: {0}; set KUBECONFIG, or run as a pod with a service account")]
    Unknown(String),
    #[error("the kubeconfig {path} can't be used: {reason}; name another one with --kubeconfig")]
    Kubeconfig { path: PathBuf, reason: String },
    #[error("the way to the Kubernetes API server can't be made: {0}")]
    Client(kube::Error),
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Pods(#[from] PodsError),
}

/// A namespace of a cluster.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    config: Config,
    namespace: String,
}

impl Cluster {
    /// Finds the API server as kubectl does, or by what a pod is given. Asks it nothing yet.
    pub async fn connect(member: &Member) -> Result<Self, ClusterError> {
        let mut config = match &member.kubeconfig {
            Some(path) => read(path).await?,
            None => Config::infer().await.map_err(|error| ClusterError::Unknown(error.to_string()))?,
        };
        // The store sends again what may be sent again, and knows when to give up.
        config.default_retry = false;
        config.read_timeout = Some(SILENCE_LONGEST);
        let client = Client::try_from(config.clone()).map_err(ClusterError::Client)?;
        Ok(Self { client, config, namespace: member.namespace.clone() })
    }

    /// Writes for instance managers how they reach the API server.
    pub fn hand_on(&self, file: &Path) -> Result<(), ClusterError> {
        Ok(access::write(&self.config, &self.namespace, file)?)
    }

    /// A certificate for the processes of this machine, in this directory.
    pub async fn identity(&self, node: &str, directory: &Path) -> Result<identity::Member, ClusterError> {
        Ok(identity::Member::open(&self.client, &self.namespace, node, directory).await?)
    }

    /// The instance manager of the node as a pod, where `data` is this manager's data directory.
    pub async fn instance_pods(&self, node: &str, image: &str, data: &Path) -> Result<Pods, ClusterError> {
        Ok(Pods::open(self, node, image, data).await?)
    }

    /// Waits until no other manager acts on the namespace. `identity` names this one to people: node and process.
    pub async fn wait_for_turn(&self, identity: &str) -> Turn {
        Candidate::new(self.client.clone(), &self.namespace, identity).wait_for_turn().await
    }

    /// Who has a service account of the cluster.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        Tokens::new(self.client.clone(), &self.namespace)
    }

    /// The resources. Definitions that were applied together with this program may take some seconds until they are in force.
    pub async fn store(&self) -> Result<Kube, ClusterError> {
        let start = Instant::now();
        loop {
            match Kube::open(self.client.clone(), &self.namespace).await {
                Err(OpenError::NoDefinition(name)) if start.elapsed() < DEFINITIONS_PATIENCE => {
                    tracing::info!(name, "waiting for the custom resource definitions");
                    sleep(DEFINITIONS_PAUSE).await;
                }
                opened => return Ok(opened?),
            }
        }
    }

    /// A webhook at this place, and what the API server is to be told of it.
    pub async fn webhook(&self, place: &Place, data: &Path) -> Result<(Webhook, Registration), ClusterError> {
        let webhook = Webhook::open(&self.client, &self.namespace, place, data).await?;
        let registration = webhook.registration(&self.client, &self.namespace, place);
        Ok((webhook, registration))
    }
}

async fn read(path: &Path) -> Result<Config, ClusterError> {
    let unusable = |reason: String| ClusterError::Kubeconfig { path: path.to_owned(), reason };
    let kubeconfig = Kubeconfig::read_from(path).map_err(|error| unusable(error.to_string()))?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    config.map_err(|error| unusable(error.to_string()))
}
