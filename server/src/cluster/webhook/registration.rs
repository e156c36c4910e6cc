//! Whom API servers ask before they store one of our objects.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};

use super::super::Cluster;
use super::super::dynamic::{Failed, Named, asked};
use super::{MUTATION, PORT, SERVICE, VALIDATION};
use crate::resources::GROUP;
use crate::resources::definition::{self, VERSION};

/// An API server waits no longer; it would refuse the write then.
const PATIENCE_SECONDS: u32 = 10;

/// The two configurations for a namespace. `trusted` is in PEM.
pub(super) fn objects(namespace: &str, trusted: &str) -> [Value; 2] {
    let validation = object(
        "ValidatingWebhookConfiguration",
        "longhorn-webhook-validator",
        &webhook(namespace, trusted, "validator.longhorn.io", VALIDATION, &["CREATE", "UPDATE", "DELETE"]),
    );
    let mut webhook = webhook(namespace, trusted, "mutator.longhorn.io", MUTATION, &["CREATE", "UPDATE"]);
    // Who else changes objects on the way may bring something that has to be completed.
    webhook["reinvocationPolicy"] = json!("IfNeeded");
    [object("MutatingWebhookConfiguration", "longhorn-webhook-mutator", &webhook), validation]
}

fn object(kind: &str, name: &str, webhook: &Value) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name, "labels": {"longhorn.io/managed-by": "longhorn-manager"}},
        "webhooks": [webhook],
    })
}

fn webhook(namespace: &str, trusted: &str, name: &str, path: &str, operations: &[&str]) -> Value {
    let plurals: Vec<&str> = definition::all().iter().map(|definition| definition.names.plural).collect();
    json!({
        "name": name,
        "clientConfig": {
            "service": {"namespace": namespace, "name": SERVICE, "path": path, "port": PORT},
            "caBundle": STANDARD.encode(trusted),
        },
        // Status is not among them: it is nobody's wish.
        "rules": [{
            "apiGroups": [GROUP], "apiVersions": [VERSION], "resources": plurals, "operations": operations, "scope": "Namespaced",
        }],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        // Our own programs have been asked before, and some write while no manager is alive. API servers before 1.28 ask all the
        // same.
        "matchConditions": [{
            "name": "not-our-own",
            "expression": format!("!request.userInfo.username.startsWith('system:serviceaccount:{namespace}:')"),
        }],
        // What nobody has judged is not stored.
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "sideEffects": "None",
        "timeoutSeconds": PATIENCE_SECONDS,
        "admissionReviewVersions": ["v1"],
    })
}

/// Tells the API servers. What is so already is not written.
pub(super) async fn register(cluster: &Cluster, trusted: &str) -> Result<(), Failed> {
    for object in objects(&cluster.namespace, trusted) {
        // They have a kind and a name.
        let Some(named) = Named::of(&object) else { continue };
        let api = named.api(&cluster.client);
        let there = asked(format!("reading {named}"), api.get_opt(named.name)).await?;
        let written = serde_json::from_value(object.clone());
        let mut written: DynamicObject = written.map_err(|error| Failed::new("writing a configuration", error))?;
        let parameters = PostParams::default();
        // Written as a whole: server-side apply would refuse what an older API server does not know.
        if let Some(there) = there {
            written.metadata.resource_version = there.metadata.resource_version;
            asked(format!("changing {named}"), api.replace(named.name, &parameters, &written)).await?;
        } else {
            asked(format!("making {named}"), api.create(&parameters, &written)).await?;
        }
    }
    Ok(())
}
