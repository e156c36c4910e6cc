//! What keeps the driver's objects from being as they are wanted, and who is told.
//!
//! An event stands at the deployer's own Deployment: `kubectl describe deployment longhorn-driver-deployer` shows it, and so
//! does `kubectl get events`. It is written when the trouble begins or becomes another one, and again before the API server
//! forgets it.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::time::{Instant, timeout};

use super::super::driver::kubelet_root::RootError;
use super::super::driver::system_pods::SystemPodsError;
use super::super::dynamic::Failed;

/// The Deployment of this program, in the chart.
const DEPLOYMENT: &str = "longhorn-driver-deployer";
/// An event is written again after this long: API servers keep them for an hour.
const REPEAT: Duration = Duration::from_secs(30 * 60);
/// Telling somebody waits no longer than this.
const PATIENCE: Duration = Duration::from_secs(10);
/// The API server takes no longer note.
const NOTE_LIMIT_CHARACTERS: usize = 1000;

#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error(transparent)]
    KubeletRoot(#[from] RootError),
    #[error("the CSI driver is left as it is: the setting {0}")]
    Setting(#[from] SystemPodsError),
    #[error(
        "the CSI driver waits for the settings: the manager makes them at its first start, see the pods longhorn-manager"
    )]
    NoSettings,
    #[error("waiting until {kind} {name} of another program is gone, to make it anew")]
    Foreign { kind: String, name: String },
    #[error("an object of the CSI driver has no kind or no name")]
    Nameless,
    #[error("{0}; trying again")]
    Server(#[from] Failed),
}

impl Trouble {
    /// For an event. None for what passes by itself.
    const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::KubeletRoot(_) => Some("KubeletRootUnknown"),
            Self::Setting(_) => Some("SettingInvalid"),
            Self::Nameless | Self::Server(_) => Some("DeployFailed"),
            Self::NoSettings | Self::Foreign { .. } => None,
        }
    }
}

/// Tells people.
pub(super) struct Reporter {
    client: Client,
    namespace: String,
    pod: String,
    /// What was told last, and when.
    told: Option<(String, Instant)>,
}

impl Reporter {
    pub(super) fn new(client: Client, namespace: &str, pod: &str) -> Self {
        Self { client, namespace: namespace.to_owned(), pod: pod.to_owned(), told: None }
    }

    pub(super) fn all_is_well(&mut self) {
        if self.told.take().is_some() {
            tracing::info!("the CSI driver's objects are as the settings want them");
        }
    }

    pub(super) async fn tell(&mut self, trouble: &Trouble) {
        let text = trouble.to_string();
        if self.told.as_ref().is_some_and(|(told, when)| *told == text && when.elapsed() < REPEAT) {
            return;
        }
        let Some(reason) = trouble.reason() else {
            tracing::info!("{text}");
            self.told = Some((text, Instant::now()));
            return;
        };
        tracing::warn!(reason, "{text}");
        match timeout(PATIENCE, self.write(reason, &text)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the event could not be written"),
            Err(_) => tracing::warn!("the event could not be written in time"),
        }
        self.told = Some((text, Instant::now()));
    }

    async fn write(&self, reason: &str, text: &str) -> Result<(), kube::Error> {
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), &self.namespace);
        // Without its uid, `kubectl describe` would not find the event.
        let uid = deployments.get_opt(DEPLOYMENT).await?.and_then(|deployment| deployment.metadata.uid);
        let event = event(&self.namespace, &self.pod, uid, reason, text);
        let events: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        events.create(&PostParams::default(), &event).await.map(drop)
    }
}

fn event(namespace: &str, pod: &str, uid: Option<String>, reason: &str, text: &str) -> Event {
    let (some, now) = (|text: &str| Some(text.to_owned()), Timestamp::now());
    Event {
        metadata: ObjectMeta {
            // As Kubernetes names its own.
            name: Some(format!("{DEPLOYMENT}.{:x}", now.as_nanosecond())),
            namespace: some(namespace),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(now)),
        reporting_controller: some("longhorn.io/driver-deployer"),
        reporting_instance: some(if pod.is_empty() { DEPLOYMENT } else { pod }),
        action: some("Deploy"),
        reason: some(reason),
        type_: some("Warning"),
        note: Some(text.chars().take(NOTE_LIMIT_CHARACTERS).collect()),
        regarding: Some(ObjectReference {
            api_version: some("apps/v1"),
            kind: some("Deployment"),
            name: some(DEPLOYMENT),
            namespace: some(namespace),
            uid,
            ..ObjectReference::default()
        }),
        ..Event::default()
    }
}
