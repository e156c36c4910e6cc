//! The body of a request as it is kept: without secrets, and not longer than anybody reads.

use serde_json::Value;

use super::act::cut;
use crate::support_bundle::Redactor;

/// Enough for what people send; the disks of a node are cut after a dozen.
const LIMIT_BYTES: usize = 2048;

/// What is kept of a body that was sent to the thing of this name. What is no JSON is not kept: nobody knows what it is.
#[must_use]
pub fn kept(body: &[u8], object: &str) -> String {
    if body.trim_ascii().is_empty() {
        return String::new();
    }
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
        return format!("({} bytes that are no JSON)", body.len());
    };
    let redactor = Redactor::default();
    // A value that is sent to the address of a secret is one, whatever its field is called.
    let own_name = value.as_object_mut().filter(|fields| !fields.contains_key("name")).map(|fields| {
        fields.insert("name".to_owned(), Value::from(object));
    });
    redactor.json(&mut value);
    if let (Some(()), Some(fields)) = (own_name, value.as_object_mut()) {
        fields.remove("name");
    }
    cut(&value.to_string(), LIMIT_BYTES)
}

/// The name that a body gives the thing it makes.
#[must_use]
pub fn name(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    value.get("name")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_kept() {
        for (body, object) in [
            (r#"{"password": "hunter2-planted", "port": 25}"#, "mail"),
            (r#"{"value": "hunter2-planted"}"#, "registry-secret"),
            (r#"{"webhookURL": "https://hooks.example/services/hunter2-planted"}"#, "ops"),
            (r#"{"backupTargetURL": "s3://key:hunter2-planted@bucket/"}"#, "default"),
            (r#"{"env": [{"name": "AWS_SECRET_ACCESS_KEY", "value": "hunter2-planted"}]}"#, "default"),
            (r#"hunter2-planted"#, "x"),
        ] {
            let kept = kept(body.as_bytes(), object);
            assert!(!kept.contains("planted") && !kept.is_empty(), "{kept}");
        }
        assert_eq!(kept(br#"{"value": "3"}"#, "default-replica-count"), r#"{"value":"3"}"#);
        assert_eq!(kept(br#"{"name": "data", "size": "1Gi"}"#, ""), r#"{"name":"data","size":"1Gi"}"#);
        assert_eq!((kept(b" \n", "x"), kept(b"[1]", "x")), (String::new(), "[1]".to_owned()));
    }

    #[test]
    fn long_bodies_are_cut() {
        let body = format!(r#"{{"a": "{}"}}"#, "ä".repeat(5000));
        let kept = kept(body.as_bytes(), "x");
        assert!(kept.len() <= LIMIT_BYTES && kept.ends_with('…'));
    }
}
