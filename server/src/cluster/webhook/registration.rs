//! The API server is told what to ask about, and where.

use std::time::Duration;

use http::{Method, Request};
use kube::Client;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{Authority, MUTATION, PATIENCE_SECONDS, PORT, SERVICE, VALIDATION, WebhookError};
use crate::resources::GROUP;
use crate::resources::definition::{self, VERSION};

/// Who keeps these fields.
const MANAGER: &str = "aurochs-manager";
/// Pause before it is tried again.
const PAUSE: Duration = Duration::from_secs(10);
const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1";

/// See the module.
#[derive(Clone)]
pub struct Registration {
    client: Client,
    namespace: String,
    url: Option<String>,
    bundle: String,
}

/// One of the two kinds of webhooks.
struct Hook {
    kind: &'static str,
    plural: &'static str,
    /// Of the configuration, and of the webhook in it: Longhorn's.
    name: &'static str,
    webhook: &'static str,
    path: &'static str,
    operations: &'static [&'static str],
}

const HOOKS: [Hook; 2] = [
    Hook {
        kind: "MutatingWebhookConfiguration",
        plural: "mutatingwebhookconfigurations",
        name: "longhorn-webhook-mutator",
        webhook: "mutator.longhorn.io",
        path: MUTATION,
        operations: &["CREATE", "UPDATE"],
    },
    Hook {
        kind: "ValidatingWebhookConfiguration",
        plural: "validatingwebhookconfigurations",
        name: "longhorn-webhook-validator",
        webhook: "validator.longhorn.io",
        path: VALIDATION,
        operations: &["CREATE", "UPDATE", "DELETE"],
    },
];

impl Registration {
    pub(super) fn new(client: Client, namespace: &str, url: Option<String>, authority: &Authority) -> Self {
        Self { client, namespace: namespace.to_owned(), url, bundle: authority.bundle() }
    }

    /// Tells it, and tries again until it is told.
    #[must_use]
    pub fn start(&self) -> JoinHandle<()> {
        let registration = self.clone();
        tokio::spawn(async move {
            while let Err(error) = registration.apply().await {
                tracing::error!(%error, "the API server asks nobody about what people write; telling it again");
                tokio::time::sleep(PAUSE).await;
            }
        })
    }

    /// What is there already is replaced.
    async fn apply(&self) -> Result<(), WebhookError> {
        let own = self.own_name().await?;
        for hook in &HOOKS {
            let address = format!("{CONFIGURATIONS}/{}/{}?fieldManager={MANAGER}&force=true", hook.plural, hook.name);
            self.ask(Method::PATCH, &address, "application/apply-patch+yaml", &self.configuration(hook, &own))
                .await
                .map_err(WebhookError::api("the webhook its entry"))?;
        }
        Ok(())
    }

    /// Whom the API server takes this manager for. All managers of an installation are the same account.
    async fn own_name(&self) -> Result<String, WebhookError> {
        let address = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let answer = self.ask(Method::POST, address, "application/json", &review).await;
        let answer = answer.map_err(WebhookError::api("the manager's own name"))?;
        Ok(answer["status"]["userInfo"]["username"].as_str().unwrap_or_default().to_owned())
    }

    async fn ask(&self, method: Method, address: &str, form: &str, body: &Value) -> Result<Value, kube::Error> {
        let request = Request::builder().method(method).uri(address).header(http::header::CONTENT_TYPE, form);
        let request = request.body(body.to_string().into_bytes()).map_err(kube::Error::HttpError)?;
        self.client.request(request).await
    }

    /// Who is asked about: neither the managers nor any other account of the installation's namespace. Instance managers write
    /// while no manager lives.
    fn others(&self, own: &str) -> String {
        let accounts = Value::from(format!("system:serviceaccount:{}:", self.namespace));
        let own = Value::from(own);
        format!("request.userInfo.username != {own} && !request.userInfo.username.startsWith({accounts})")
    }

    fn configuration(&self, hook: &Hook, own: &str) -> Value {
        let mut place = json!({"caBundle": self.bundle});
        match &self.url {
            Some(url) => place["url"] = format!("{}{}", url.trim_end_matches('/'), hook.path).into(),
            None => {
                place["service"] =
                    json!({"namespace": self.namespace, "name": SERVICE, "port": PORT, "path": hook.path});
            }
        }
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": hook.kind,
            "metadata": {"name": hook.name},
            "webhooks": [{
                "name": hook.webhook,
                "clientConfig": place,
                "rules": [{
                    "apiGroups": [GROUP],
                    "apiVersions": [VERSION],
                    "operations": hook.operations,
                    "resources": definition::plurals(),
                    "scope": "Namespaced",
                }],
                // Only our own namespace's objects are ours.
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}},
                "matchConditions": [{"name": "not-written-by-ours", "expression": self.others(own)}],
                "matchPolicy": "Equivalent",
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "timeoutSeconds": PATIENCE_SECONDS,
            }],
        })
    }
}
