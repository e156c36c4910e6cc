//! Takes secrets out: values whose names say what they are, credentials in URLs and headers, hashes of passwords, keys, and
//! what stands in files that are secret as a whole. Too much is better than too little.

use std::path::PathBuf;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

/// What stands in a secret's place.
const REMOVED: &str = "[removed]";
/// Shorter words of secret files are everywhere.
const SECRET_LENGTH_MINIMUM: usize = 6;

/// Names of what is secret, as part of a longer name too.
const NAMES: &str = r"(?i)(passw|passphrase|secret|token|credential|chap|private[-_. ]?key|api[-_. ]?key|access[-_. ]?key|account[-_. ]?key|webhook|authori[sz]ation|cookie|session)";

struct Patterns {
    name: Regex,
    /// Each with what takes the place of a match: `$1` is what stays.
    in_text: Vec<Regex>,
}

static PATTERNS: LazyLock<Option<Patterns>> = LazyLock::new(|| {
    let texts = [
        // Blocks of keys.
        r"(-----BEGIN )[A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)".to_owned(),
        // scheme://user:password@host
        r"([A-Za-z][A-Za-z0-9+.-]*://)[^\s/@]+@".to_owned(),
        // Authorization headers, whatever the scheme.
        r"((?i:authorization|cookie|set-cookie)[^\S\n]*[:=][^\S\n]*)[^\n]+".to_owned(),
        r"((?i:\b(?:basic|bearer)) +)[A-Za-z0-9+/=._~-]{8,}".to_owned(),
        // name=value, name: value, "name": "value", with the name's beginning and end.
        format!(r#"([\w.-]*{NAMES}[\w.-]*\\?["']?[^\S\n]*[:=][^\S\n]*)(?:\\?"[^"\n]*"|'[^'\n]*'|[^\s,;&"']+)"#),
        // bcrypt and crypt(3).
        r"()\$(?:2[abxy]?|1|5|6|y)\$[./A-Za-z0-9$=,]{8,}".to_owned(),
        // AWS key ids.
        r"()\b(?:AKIA|ASIA)[A-Z0-9]{16}\b".to_owned(),
    ];
    let in_text = texts.iter().map(|text| Regex::new(text)).collect::<Result<_, _>>().ok()?;
    Some(Patterns { name: Regex::new(NAMES).ok()?, in_text })
});

/// What is taken out of one bundle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Redactor {
    /// Longest first, so that a part does not spoil the whole.
    known: Vec<String>,
}

impl Redactor {
    /// With what stands in these files now. One that can't be read holds nothing that could be in a log.
    pub(crate) fn new(secret_files: &[PathBuf]) -> Self {
        let mut known: Vec<String> = Vec::new();
        for path in secret_files {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let is_between = |c: char| c.is_whitespace() || matches!(c, ':' | '=' | '"' | '\'' | ',');
            for line in text.lines() {
                // A secret may have spaces in it.
                let whole = line.split_once([':', '=']).map(|(_, value)| value.trim());
                known.extend(whole.filter(|value| value.len() >= SECRET_LENGTH_MINIMUM).map(str::to_owned));
                // Whose secret it is comes first and is none: a user called "volume" must not spoil every log.
                let words = line.split(is_between).filter(|word| !word.is_empty());
                let secrets = words.skip(usize::from(line.trim().contains(is_between)));
                known.extend(secrets.filter(|word| word.len() >= SECRET_LENGTH_MINIMUM).map(str::to_owned));
            }
        }
        known.sort_by_key(|word| std::cmp::Reverse(word.len()));
        known.dedup();
        Self { known }
    }

    /// A text without its secrets. When there is no judging it, there is nothing left of it.
    pub(crate) fn text(&self, text: &str) -> String {
        let Some(patterns) = &*PATTERNS else { return REMOVED.to_owned() };
        let mut clean = text.to_owned();
        for secret in &self.known {
            if clean.contains(secret.as_str()) {
                clean = clean.replace(secret.as_str(), REMOVED);
            }
        }
        for pattern in &patterns.in_text {
            let stays = |found: &Captures<'_>| {
                let (before, whole) = (found.get(1).map_or("", |stays| stays.as_str()), &found[0]);
                // What ends a name and password in a URL is no part of them.
                let after = if before.ends_with("://") && whole.ends_with('@') { "@" } else { "" };
                format!("{before}{REMOVED}{after}")
            };
            if let std::borrow::Cow::Owned(replaced) = pattern.replace_all(&clean, stays) {
                clean = replaced;
            }
        }
        clean
    }

    /// Bytes of a log, which may be no text at all.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        self.text(&String::from_utf8_lossy(bytes)).into_bytes()
    }

    /// A value without its secrets.
    pub(crate) fn json(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.json(item)),
            Value::Object(fields) => {
                // `{"name": "…-secret", "value": "…"}`: settings and environment variables.
                let is_secret = is_secret_name(&named(fields));
                for (field, value) in fields {
                    if is_secret_name(field) || is_secret && matches!(field.as_str(), "value" | "spec") {
                        remove(value);
                    } else {
                        self.json(value);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// What stands below a secret's name is as secret, whatever it is called itself.
fn remove(value: &mut Value) {
    match value {
        Value::String(text) if text.is_empty() => {}
        Value::String(_) | Value::Number(_) => *value = Value::String(REMOVED.to_owned()),
        Value::Array(items) => items.iter_mut().for_each(remove),
        Value::Object(fields) => fields.values_mut().for_each(remove),
        Value::Null | Value::Bool(_) => {}
    }
}

fn named(fields: &serde_json::Map<String, Value>) -> String {
    let own = fields.get("name").or_else(|| fields.get("metadata")?.get("name"));
    own.and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn is_secret_name(name: &str) -> bool {
    PATTERNS.as_ref().is_none_or(|patterns| patterns.name.is_match(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PLANTED: &str = "hunter2-planted";

    #[test]
    fn secrets_go_and_the_rest_stays() {
        let redactor = Redactor::default();
        for (text, stays) in [
            ("mount nfs://ann:hunter2-planted@host/share failed", "@host/share failed"),
            ("s3 url https://hunter2-planted@bucket/x", "bucket/x"),
            ("AWS_SECRET_ACCESS_KEY=hunter2-planted next", "next"),
            ("password: hunter2-planted, user: ann", "user: ann"),
            (r#"{"chapPassword":"hunter2-planted","port":3260}"#, "3260"),
            (r#"{\"apiToken\": \"hunter2-planted\", \"port\": 3260}"#, "3260"),
            ("db_passwd='hunter2-planted' host=a", "host=a"),
            ("GET /x?token=hunter2-planted&y=1", "y=1"),
            ("Authorization: Basic aHVudGVyMi1wbGFudGVk\nnext line", "next line"),
            ("got bearer eyJhbGciOi.hunter2-planted.x today", "today"),
            (r#"{"webhookURL":"https://hooks.example/services/hunter2-planted"} end"#, "end"),
            ("Cookie: aurochs-session=hunter2-planted; a=b\nnext", "next"),
            ("ann:$2b$12$abcdefghijklmnopqrstuuhunter2plantedABCDEFGHIJKLMNOPQ end", "end"),
            ("key AKIAIOSFODNN7EXAMPLE end", "end"),
            ("-----BEGIN RSA PRIVATE KEY-----\nhunter2-planted\n-----END RSA PRIVATE KEY-----\nafter", "after"),
            ("-----BEGIN PRIVATE KEY-----\nhunter2-planted", "-----BEGIN "),
        ] {
            let clean = redactor.text(text);
            assert!(!clean.contains("planted") && !clean.contains("aHVudGVy") && !clean.contains("AKIA"), "{clean}");
            assert!(clean.contains(stays), "{clean}");
        }
        let harmless =
            "volume data is degraded: replica data-r-1 on node-1 failed at http://127.0.0.1:9500/v1/volumes/data";
        assert_eq!(redactor.text(harmless), harmless);
    }

    #[test]
    fn json_is_judged_by_its_names() {
        let mut value = json!({
            "metadata": {"name": "registry-secret"},
            "spec": {"value": PLANTED, "url": format!("http://u:{PLANTED}@h/")},
            "credentialSecret": PLANTED,
            "nested": [{"name": "S3_ACCESS_KEY", "value": PLANTED}, {"password": [PLANTED, {"x": PLANTED}]}],
            "secretNumber": 12345,
            "size": "10Gi",
        });
        Redactor::default().json(&mut value);
        let text = value.to_string();
        assert!(!text.contains("planted") && !text.contains("12345"), "{text}");
        assert!(text.contains("10Gi") && text.contains("registry-secret"), "{text}");
        let mut volume = json!({"metadata": {"name": "data"}, "spec": {"nodeID": "node-1", "size": 5}});
        let before = volume.clone();
        Redactor::default().json(&mut volume);
        assert_eq!(volume, before);
    }

    #[test]
    fn what_stands_in_secret_files_is_nowhere() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("chap");
        std::fs::write(&path, "volume:hunter2-planted\nsecret = two wordy ones\nabc\n").unwrap();
        let redactor = Redactor::new(&[path, directory.path().join("none")]);
        let text = "volume: login with hunter2-planted by abc, then two wordy ones";
        assert_eq!(redactor.text(text), "volume: login with [removed] by abc, then [removed]");
    }
}
