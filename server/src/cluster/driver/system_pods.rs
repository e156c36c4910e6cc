//! What the settings say of all of the system's own pods: where they may run, and how their images are pulled.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::settings::{Name, Settings};

/// Said by the settings `taint-toleration`, `system-managed-components-node-selector`, `priority-class`, `registry-secret`,
/// `system-managed-pods-image-pull-policy` and `system-managed-csi-components-resource-limits`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SystemPods {
    pub tolerations: Vec<Toleration>,
    pub node_selector: BTreeMap<String, String>,
    /// None when empty.
    pub priority_class: String,
    /// None when empty.
    pub registry_secret: String,
    pub pull_policy: PullPolicy,
    /// By container: an object with `requests` and `limits`.
    pub resources: BTreeMap<String, Value>,
}

/// A taint that is tolerated; empty parts match all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toleration {
    pub key: String,
    /// Any value when there is none.
    pub value: Option<String>,
    pub effect: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PullPolicy {
    #[default]
    IfNotPresent,
    Never,
    Always,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SystemPodsError {
    #[error("taint-toleration: {0:?} is no toleration; write key=value:Effect or key:Effect, with ; between them")]
    Toleration(String),
    #[error("taint-toleration: {0:?} is no effect; it is NoSchedule, PreferNoSchedule or NoExecute")]
    Effect(String),
    #[error("system-managed-components-node-selector: {0:?} is no label; write key:value, with ; between them")]
    Selector(String),
    #[error("system-managed-pods-image-pull-policy: {0:?} is none of if-not-present, never and always")]
    PullPolicy(String),
    #[error(
        "system-managed-csi-components-resource-limits: write JSON such as {{\"csi-attacher\": {{\"limits\": {{\"memory\": \"128Mi\"}}}}}}: {0}"
    )]
    Resources(String),
}

/// Tolerations of a setting: `key=value:Effect;key:Effect`. Without a value any one is meant, without an effect all, and `:` is
/// everything.
///
/// # Errors
/// A part is no toleration.
pub fn tolerations(text: &str) -> Result<Vec<Toleration>, SystemPodsError> {
    parts(text).map(toleration).collect()
}

fn toleration(text: &str) -> Result<Toleration, SystemPodsError> {
    let (taint, effect) = text.split_once(':').unwrap_or((text, ""));
    if !matches!(effect, "" | "NoSchedule" | "PreferNoSchedule" | "NoExecute") {
        return Err(SystemPodsError::Effect(effect.to_owned()));
    }
    let (key, value) = match taint.split_once('=') {
        Some((key, value)) => (key, Some(value.to_owned())),
        None => (taint, None),
    };
    let is_word = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/'));
    // Kubernetes lets only "any key" stand without one.
    if !is_word(key) || !value.as_deref().is_none_or(is_word) || key.is_empty() && value.is_some() {
        return Err(SystemPodsError::Toleration(text.to_owned()));
    }
    Ok(Toleration { key: key.to_owned(), value, effect: effect.to_owned() })
}

/// Labels of a setting: `key:value;key:value`.
///
/// # Errors
/// A part is no label.
pub fn node_selector(text: &str) -> Result<BTreeMap<String, String>, SystemPodsError> {
    let label = |part: &str| {
        let (key, value) = part.split_once(':').filter(|(key, _)| !key.is_empty())?;
        Some((key.trim().to_owned(), value.trim().to_owned()))
    };
    parts(text).map(|part| label(part).ok_or_else(|| SystemPodsError::Selector(part.to_owned()))).collect()
}

/// # Errors
/// It is none of the three words.
pub fn pull_policy(word: &str) -> Result<PullPolicy, SystemPodsError> {
    match word {
        "if-not-present" => Ok(PullPolicy::IfNotPresent),
        "never" => Ok(PullPolicy::Never),
        "always" => Ok(PullPolicy::Always),
        _ => Err(SystemPodsError::PullPolicy(word.to_owned())),
    }
}

/// Requests and limits by container, of JSON; none of an empty text.
///
/// # Errors
/// It is no JSON, or not of objects.
pub fn resources(text: &str) -> Result<BTreeMap<String, Value>, SystemPodsError> {
    if text.trim().is_empty() {
        return Ok(BTreeMap::new());
    }
    let resources: BTreeMap<String, Value> =
        serde_json::from_str(text).map_err(|error| SystemPodsError::Resources(error.to_string()))?;
    match resources.iter().find(|(_, value)| !value.is_object()) {
        Some((name, _)) => Err(SystemPodsError::Resources(format!("{name} is no object"))),
        None => Ok(resources),
    }
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(';').map(str::trim).filter(|part| !part.is_empty())
}

impl Toleration {
    fn object(&self) -> Value {
        let mut object = Map::new();
        if !self.key.is_empty() {
            object.insert("key".to_owned(), json!(self.key));
        }
        object.insert("operator".to_owned(), json!(if self.value.is_some() { "Equal" } else { "Exists" }));
        if let Some(value) = &self.value {
            object.insert("value".to_owned(), json!(value));
        }
        if !self.effect.is_empty() {
            object.insert("effect".to_owned(), json!(self.effect));
        }
        Value::Object(object)
    }
}

impl PullPolicy {
    const fn word(self) -> &'static str {
        match self {
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
            Self::Always => "Always",
        }
    }
}

impl SystemPods {
    /// What the settings say.
    ///
    /// # Errors
    /// One of them can't be understood.
    pub fn of(settings: &Settings) -> Result<Self, SystemPodsError> {
        let text = |name| settings.text(name);
        Ok(Self {
            node_selector: node_selector(&text(Name::SystemManagedComponentsNodeSelector))?,
            resources: resources(&text(Name::SystemManagedCsiComponentsResourceLimits))?,
            ..Self::of_one_node(settings)?
        })
    }

    /// The same for a pod whose node is known, and which is none of the CSI components.
    ///
    /// # Errors
    /// A setting that is about it can't be understood.
    pub fn of_one_node(settings: &Settings) -> Result<Self, SystemPodsError> {
        let text = |name| settings.text(name);
        Ok(Self {
            tolerations: tolerations(&text(Name::TaintToleration))?,
            priority_class: text(Name::PriorityClass),
            registry_secret: text(Name::RegistrySecret),
            pull_policy: pull_policy(&text(Name::SystemManagedPodsImagePullPolicy))?,
            ..Self::default()
        })
    }

    /// Puts into a pod's `spec` what holds for all; `containers` in it have names and get pull policy and resources.
    pub(in crate::cluster) fn apply(&self, spec: &mut Value) {
        if !self.tolerations.is_empty() {
            spec["tolerations"] = self.tolerations.iter().map(Toleration::object).collect();
        }
        if !self.node_selector.is_empty() {
            spec["nodeSelector"] = json!(self.node_selector);
        }
        if !self.priority_class.is_empty() {
            spec["priorityClassName"] = json!(self.priority_class);
        }
        if !self.registry_secret.is_empty() {
            spec["imagePullSecrets"] = json!([{"name": self.registry_secret}]);
        }
        for container in spec["containers"].as_array_mut().into_iter().flatten() {
            container["imagePullPolicy"] = json!(self.pull_policy.word());
            let resources = container["name"].as_str().and_then(|name| self.resources.get(name)).cloned();
            if let Some(resources) = resources {
                container["resources"] = resources;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerations_are_as_longhorns_users_write_them() {
        let objects = |text: &str| tolerations(text).map(|all| all.iter().map(Toleration::object).collect::<Value>());
        assert_eq!(
            objects("key1=value1:NoSchedule; key2:NoExecute;").unwrap(),
            json!([
                {"key": "key1", "operator": "Equal", "value": "value1", "effect": "NoSchedule"},
                {"key": "key2", "operator": "Exists", "effect": "NoExecute"},
            ])
        );
        assert_eq!(objects("a=:").unwrap(), json!([{"key": "a", "operator": "Equal", "value": ""}]));
        assert_eq!(objects(":").unwrap(), json!([{"operator": "Exists"}]));
        assert_eq!(objects("").unwrap(), json!([]));
        assert_eq!(objects("a=b:Never"), Err(SystemPodsError::Effect("Never".to_owned())));
        assert_eq!(objects("a b:NoExecute"), Err(SystemPodsError::Toleration("a b:NoExecute".to_owned())));
        assert_eq!(objects("=b:NoExecute"), Err(SystemPodsError::Toleration("=b:NoExecute".to_owned())));
    }

    #[test]
    fn labels_and_resources() {
        let labels = node_selector("kubernetes.io/os:linux; disk : ssd").unwrap();
        let expected = [("disk", "ssd"), ("kubernetes.io/os", "linux")];
        assert_eq!(labels, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
        assert!(node_selector("linux").is_err());
        assert!(node_selector(":linux").is_err());
        assert!(resources(" ").unwrap().is_empty());
        assert!(
            resources("{\"csi-attacher\": {\"limits\": {\"memory\": \"1Gi\"}}}").unwrap().contains_key("csi-attacher")
        );
        assert!(resources("{\"csi-attacher\": 1}").is_err());
        assert!(resources("csi-attacher").is_err());
    }
}
