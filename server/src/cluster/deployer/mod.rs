//! `aurochs driver-deployer`: keeps the objects of the CSI driver ([`super::driver`]) as the settings want them.
//!
//! 1. [`kubelet_root`](super::driver::kubelet_root) — where kubelet is, once;
//! 2. [`settings`] — what the settings say now, and a wait until one of them changes;
//! 3. [`object`] — each object is applied: made, changed back, or left as it is;
//! 4. [`trouble`] — what keeps it from that is told in the log and as an event, and tried again; the process never ends by it.
//!
//! All of it is done again after [`RESYNC`], so that what somebody deleted comes back. An object that is as wanted already is
//! not written by that.

pub mod object;
pub mod settings;
#[cfg(test)]
mod tests;
pub mod trouble;

use std::path::PathBuf;
use std::time::Duration;

use kube::Client;
use tokio::time::sleep;

use super::Cluster;
use super::driver::sidecars::{AntiAffinity, Replicas};
use super::driver::system_pods::SystemPods;
use super::driver::{self, Images, Wanted, kubelet_root};
use crate::settings::{Name, Settings};
use trouble::{Reporter, Trouble};

/// Objects are looked at again after this long, whatever happens. The API server ends a watch after five minutes by itself.
const RESYNC: Duration = Duration::from_secs(240);
/// Pauses after a pass that did not succeed; the last one from then on.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
];

/// How the deployer was called.
#[derive(Clone, Debug)]
pub struct Options {
    pub images: Images,
    /// The API that the driver works through, with `/v1`.
    pub manager_url: String,
    /// kubelet's directory on the nodes; looked for when there is none.
    pub kubelet_root: Option<String>,
    /// Where the node's processes are seen.
    pub proc: PathBuf,
    pub replicas: Replicas,
    pub anti_affinity: AntiAffinity,
    /// Level of the driver's log (`AUROCHS_LOG`); its own when empty.
    pub log: String,
    /// This pod, for those who read events.
    pub pod: String,
}

/// Keeps the objects in the cluster's namespace until `stop` is done.
pub async fn run(cluster: &Cluster, options: Options, stop: impl Future<Output = ()>) {
    let (client, namespace) = (cluster.client.clone(), cluster.namespace.clone());
    let reporter = Reporter::new(client.clone(), &namespace, &options.pod);
    let deployer = Deployer { client, namespace, options, reporter, kubelet_root: None };
    tokio::select! {
        () = deployer.keep() => {}
        () = stop => {}
    }
}

struct Deployer {
    client: Client,
    namespace: String,
    options: Options,
    reporter: Reporter,
    /// Once it is known. kubelet's arguments don't change without a restart, which ends this pod too.
    kubelet_root: Option<String>,
}

impl Deployer {
    async fn keep(mut self) {
        let mut failures = 0;
        loop {
            match self.pass().await {
                Ok(version) => {
                    failures = 0;
                    self.reporter.all_is_well();
                    settings::wait_for_change(&self.client, &self.namespace, &version, RESYNC).await;
                }
                Err(trouble) => {
                    self.reporter.tell(&trouble).await;
                    let pause = PAUSES.get(failures).or(PAUSES.last()).copied().unwrap_or(RESYNC);
                    failures += 1;
                    sleep(pause).await;
                }
            }
        }
    }

    /// Brings every object to what is wanted now; answers with the version of the settings that this was done for.
    async fn pass(&mut self) -> Result<String, Trouble> {
        let root = match &self.kubelet_root {
            Some(root) => root.clone(),
            None => kubelet_root::given_or_found(self.options.kubelet_root.as_deref(), &self.options.proc)?,
        };
        self.kubelet_root = Some(root.clone());
        let read = settings::read(&self.client, &self.namespace).await?;
        let wanted = wanted(&self.options, &self.namespace, &root, &read.settings)?;
        for object in driver::objects(&wanted) {
            object::apply(&self.client, &object).await?;
        }
        Ok(read.version)
    }
}

/// What the objects are to be like, by arguments and settings.
fn wanted(options: &Options, namespace: &str, kubelet_root: &str, settings: &Settings) -> Result<Wanted, Trouble> {
    Ok(Wanted {
        namespace: namespace.to_owned(),
        images: options.images.clone(),
        manager_url: options.manager_url.clone(),
        kubelet_root: kubelet_root.to_owned(),
        replicas: options.replicas,
        anti_affinity: options.anti_affinity,
        pods: SystemPods::of(settings)?,
        tracks_capacity: settings.flag(Name::CsiStorageCapacityTracking),
        log: options.log.clone(),
        version: format!("v{}", env!("CARGO_PKG_VERSION")),
    })
}
