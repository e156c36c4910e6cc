//! `AdmissionReview` of `admission.k8s.io/v1`: a question, and its answer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Patch;
use crate::error::ApiError;

/// What an API server sends.
#[derive(Clone, Debug, Deserialize)]
pub struct Review {
    pub request: Question,
}

/// May this be done to that object?
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// The answer names it.
    pub uid: String,
    pub resource: Resource,
    pub operation: Operation,
    /// As it is to be; null when it is deleted.
    #[serde(default)]
    pub object: Value,
    /// As it is; null when it is new.
    #[serde(default)]
    pub old_object: Value,
}

/// Which kind.
#[derive(Clone, Debug, Deserialize)]
pub struct Resource {
    /// The plural.
    pub resource: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Operation {
    #[serde(rename = "CREATE")]
    Create,
    #[serde(rename = "UPDATE")]
    Update,
    #[serde(rename = "DELETE")]
    Delete,
    /// Of no custom resource.
    #[serde(other)]
    Other,
}

/// Yes, and with what changes; or no, and why.
#[must_use]
pub fn answer(uid: &str, judged: &Result<Patch, ApiError>) -> Value {
    let mut response = match judged {
        Ok(patch) => json!({"uid": uid, "allowed": true, "patch": encoded(patch)}),
        Err(error) => json!({"uid": uid, "allowed": false, "status": status(error)}),
    };
    match (judged, response.as_object_mut()) {
        (Ok(patch), Some(response)) if patch.is_empty() => drop(response.remove("patch")),
        (Ok(_), Some(response)) => drop(response.insert("patchType".to_owned(), json!("JSONPatch"))),
        _ => {}
    }
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})
}

fn encoded(patch: &Patch) -> String {
    STANDARD.encode(Value::Array(patch.clone()).to_string())
}

/// What kubectl prints.
fn status(error: &ApiError) -> Value {
    let message = format!("{}. {}", error.message.trim_end_matches('.'), error.next_step);
    json!({"status": "Failure", "message": message.trim_end(), "code": error.kind.status().as_u16()})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn answers_as_an_api_server_reads_them() {
        let plain = answer("u", &Ok(Vec::new()));
        assert_eq!(plain["response"], json!({"uid": "u", "allowed": true}));
        let patch = json!({"op": "add", "path": "/spec/size", "value": "1"});
        let changed = answer("u", &Ok(vec![patch.clone()]));
        assert_eq!(changed["response"]["patchType"], "JSONPatch");
        let told = STANDARD.decode(changed["response"]["patch"].as_str().unwrap()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&told).unwrap(), json!([patch]));
        let refused = answer("u", &Err(ApiError::new(ErrorKind::Invalid, "it is too small.", "Give more.")));
        let status = json!({"status": "Failure", "message": "it is too small. Give more.", "code": 422});
        assert_eq!(refused["response"], json!({"uid": "u", "allowed": false, "status": status}));
    }

    #[test]
    fn questions_are_read() {
        let review = json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {
            "uid": "u", "resource": {"group": "longhorn.io", "version": "v1beta2", "resource": "volumes"},
            "operation": "DELETE", "object": null, "oldObject": {"metadata": {"name": "v"}}, "dryRun": false}});
        let Review { request } = serde_json::from_value(review).unwrap();
        assert_eq!((request.operation, request.resource.resource.as_str()), (Operation::Delete, "volumes"));
        assert_eq!(request.old_object["metadata"]["name"], "v");
    }
}
