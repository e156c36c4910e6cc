//! The API server is told what to ask about, and where.

use std::time::Duration;

use http::{Method, Request};
use kube::Client;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::super::authority::{Authority, Safe};
use super::super::dynamic::{Failed, asked};
use super::{MUTATION, PATIENCE_SECONDS, PORT, RESYNC, SERVICE, VALIDATION, WebhookError};
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
    /// Of the authority that is vouched for.
    safe: Safe,
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
    pub(super) fn new(client: Client, namespace: &str, url: Option<String>, safe: Safe) -> Self {
        Self { client, namespace: namespace.to_owned(), url, safe }
    }

    /// Tells it, again and again: an API server that is told the same writes nothing.
    #[must_use]
    pub fn start(&self) -> JoinHandle<()> {
        let registration = self.clone();
        tokio::spawn(async move {
            loop {
                let pause = match registration.apply().await {
                    Ok(()) => RESYNC,
                    Err(error) => {
                        tracing::error!(%error, "the API server can't be told whom to ask about what people write; telling it again");
                        PAUSE
                    }
                };
                tokio::time::sleep(pause).await;
            }
        })
    }

    /// What is there already is replaced.
    async fn apply(&self) -> Result<(), WebhookError> {
        let (own, authority) = (self.own_name().await?, self.safe.open().await?);
        for hook in &HOOKS {
            let address = format!("{CONFIGURATIONS}/{}/{}?fieldManager={MANAGER}&force=true", hook.plural, hook.name);
            let configuration = self.configuration(hook, &own, &authority);
            let told = self.ask(Method::PATCH, &address, "application/apply-patch+yaml", &configuration);
            asked(format!("telling it of the webhook {}", hook.name), told).await?;
        }
        Ok(())
    }

    /// Whom the API server takes this manager for. All managers of an installation are the same account.
    async fn own_name(&self) -> Result<String, Failed> {
        let address = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let answer = self.ask(Method::POST, address, "application/json", &review);
        let answer = asked("asking for the manager's own name", answer).await?;
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

    fn configuration(&self, hook: &Hook, own: &str, authority: &Authority) -> Value {
        let mut place = json!({"caBundle": authority.bundle()});
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

#[cfg(test)]
mod tests {
    use super::super::super::tests as planes;
    use super::*;
    use crate::cluster::NAMESPACE;

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs a Kubernetes API server: make test-k8s"]
    async fn what_is_told_again_is_not_written_and_what_was_deleted_comes_back() {
        let plane = planes::plane().await;
        let cluster = planes::as_account(&plane, "longhorn-service-account").await;
        let (client, url) = (cluster.client.clone(), Some("https://127.0.0.1:9502".to_owned()));
        let registration =
            Registration::new(client.clone(), NAMESPACE, url, Safe::of(&client, NAMESPACE, super::super::OFFICE));
        let entry = |path: &str| {
            let all = "validatingwebhookconfigurations,mutatingwebhookconfigurations";
            let path = format!("jsonpath={{range .items[*]}}{path} {{end}}");
            plane.kubectl(&["get", all, "-o", &path], "").unwrap()
        };
        registration.apply().await.unwrap();
        let versions = entry("{.metadata.resourceVersion}");
        assert_eq!(versions.split_whitespace().count(), 2);
        registration.apply().await.unwrap();
        assert_eq!(entry("{.metadata.resourceVersion}"), versions);

        let bundles = || entry("{.webhooks[0].clientConfig.caBundle}");
        let before = bundles();
        plane.kubectl(&["-n", NAMESPACE, "delete", "secret", "longhorn-webhook-ca"], "").unwrap();
        plane.kubectl(&["delete", "validatingwebhookconfiguration", "longhorn-webhook-validator"], "").unwrap();
        registration.apply().await.unwrap();
        let template = r#"go-template={{index .data "tls.crt"}}"#;
        let made =
            plane.kubectl(&["-n", NAMESPACE, "get", "secret", "longhorn-webhook-ca", "-o", template], "").unwrap();
        assert_eq!(bundles(), format!("{made} {made} "));
        assert_ne!(bundles(), before);
    }
}
