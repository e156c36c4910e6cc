//! What a backup tells of Kubernetes: the claim, volume and workloads that its volume had. They stand in its labels.

use serde_json::Value;

use crate::live::Thing;

/// JSON, in the form of a volume's `kubernetesStatus`.
const STATUS: &str = "KubernetesStatus";
const ACCESS_MODE: &str = "longhorn.io/volume-access-mode";
/// The manager's own labels: what they say is shown as what it is.
const KNOWN: [&str; 3] = [STATUS, ACCESS_MODE, "VolumeRecurringJobInfo"];

/// Empty where a volume was not used by Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) persistent_volume: String,
    pub(crate) claim: String,
    pub(crate) namespace: String,
    /// `StatefulSet mysql`, or the pod where nothing made it.
    pub(crate) workloads: Vec<String>,
}

impl Origin {
    /// Of a backup or a backup volume.
    pub(crate) fn of(thing: &Thing) -> Self {
        let text = label(thing, STATUS);
        let status = serde_json::from_str::<Value>(text).map(Thing::from).unwrap_or_else(|_| Value::Null.into());
        let workload = |workload: &Thing| match (workload.text("workloadType"), workload.text("workloadName")) {
            (_, "") => workload.text("podName").to_owned(),
            ("", name) => name.to_owned(),
            (kind, name) => format!("{kind} {name}"),
        };
        let mut workloads: Vec<String> = status.items("workloadsStatus").iter().map(workload).collect();
        workloads.sort();
        workloads.dedup();
        let own = |path| status.text(path).to_owned();
        Self { persistent_volume: own("pvName"), claim: own("pvcName"), namespace: own("namespace"), workloads }
    }

    /// `pv-1 / data-mysql-0`.
    pub(crate) fn names(&self) -> String {
        match (self.persistent_volume.as_str(), self.claim.as_str()) {
            (volume, "") => volume.to_owned(),
            ("", claim) => claim.to_owned(),
            (volume, claim) => format!("{volume} / {claim}"),
        }
    }
}

/// How the volume was used; empty where nobody knows.
pub(crate) fn access_mode(thing: &Thing) -> &str {
    label(thing, ACCESS_MODE)
}

/// The labels that people and recurring jobs put on it.
pub(crate) fn own_labels(thing: &Thing) -> Vec<(String, String)> {
    let text = |value: &Thing| value.json().as_str().unwrap_or_default().to_owned();
    let labels = thing.map("labels").into_iter().filter(|(key, _)| !KNOWN.contains(&key.as_str()));
    labels.map(|(key, value)| (key, text(&value))).collect()
}

/// Names of labels have dots, so that a path can't lead to them.
fn label<'thing>(thing: &'thing Thing, name: &str) -> &'thing str {
    thing.at("labels").and_then(|labels| labels.get(name)).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_tell_the_origin() {
        let status = json!({"pvName": "pv-1", "pvcName": "data-0", "namespace": "db",
            "workloadsStatus": [{"podName": "b", "workloadName": "b", "workloadType": "StatefulSet"}, {"podName": "a"}]});
        let thing =
            Thing::from(json!({"labels": {STATUS: status.to_string(), ACCESS_MODE: "rwo", "RecurringJob": "nightly"}}));
        let origin = Origin::of(&thing);
        assert_eq!((origin.names().as_str(), origin.namespace.as_str()), ("pv-1 / data-0", "db"));
        assert_eq!(origin.workloads, ["StatefulSet b", "a"]);
        assert_eq!(access_mode(&thing), "rwo");
        assert_eq!(own_labels(&thing), [("RecurringJob".to_owned(), "nightly".to_owned())]);
    }

    #[test]
    fn anything_else_is_no_origin() {
        for labels in [json!(null), json!({}), json!({STATUS: "{"}), json!({STATUS: "{}"}), json!({STATUS: 3})] {
            assert_eq!(Origin::of(&json!({"labels": labels}).into()), Origin::default());
        }
    }
}
