//! A node's conditions in Longhorn's words, from what its environment check found.

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::condition::{Condition, ConditionStatus};

use crate::resources::condition;
use crate::resources::node::{
    EnvironmentItem, KERNEL_MODULES_LOADED, MOUNT_PROPAGATION, MULTIPATHD, NFS_CLIENT_INSTALLED, REQUIRED_PACKAGES,
};

/// Items whose names begin so tell of packages.
const PACKAGE: &str = "package-";

/// One condition.
struct Rule {
    kind: &'static str,
    /// Longhorn's reason when it is false.
    reason: &'static str,
    /// The items that decide.
    decides: fn(&EnvironmentItem) -> bool,
}

const RULES: &[Rule] = &[
    Rule { kind: KERNEL_MODULES_LOADED, reason: "KernelModulesNotLoaded", decides: |item| item.name == "block-device" },
    Rule {
        kind: MOUNT_PROPAGATION,
        reason: "NoMountPropagationSupport",
        decides: |item| item.name == "mount-propagation",
    },
    Rule { kind: MULTIPATHD, reason: "MultipathdIsRunning", decides: |item| item.name == "multipathd" },
    Rule { kind: NFS_CLIENT_INSTALLED, reason: "NFSClientIsNotFound", decides: |item| item.name == "nfs-client" },
    Rule {
        kind: REQUIRED_PACKAGES,
        reason: "PackagesNotInstalled",
        decides: |item| item.name.starts_with(PACKAGE) && item.severity > Severity::Info,
    },
];

/// Sets the conditions that the items tell of. Nothing found, nothing changed.
pub fn set(conditions: &mut Vec<Condition>, items: &[EnvironmentItem]) {
    for Rule { kind, reason, decides } in RULES {
        let deciding: Vec<&EnvironmentItem> = items.iter().filter(|item| decides(item)).collect();
        let lacking: Vec<String> = deciding.iter().filter(|item| !item.ok).map(|item| sentence(item)).collect();
        if deciding.is_empty() {
            continue;
        }
        if lacking.is_empty() {
            condition::set(conditions, kind, ConditionStatus::True, "", "");
        } else {
            condition::set(conditions, kind, ConditionStatus::False, reason, &lacking.join(" "));
        }
    }
}

fn sentence(item: &EnvironmentItem) -> String {
    let remedy = if item.remedy.is_empty() { String::new() } else { format!(" {}", item.remedy) };
    format!("{}.{remedy}", item.message.trim_end_matches('.'))
}

/// What a person should do something about; what is only worth knowing stands in the list.
#[must_use]
pub fn causes(node: &str, items: &[EnvironmentItem]) -> Vec<Cause> {
    let lacking = items.iter().filter(|item| !item.ok && item.severity > Severity::Info);
    let causes = lacking.map(|item| Cause {
        code: CauseCode::Environment,
        severity: item.severity,
        message: format!("On {node}, {}.", item.message.trim_end_matches('.')),
        next_step: item.remedy.clone(),
        objects: vec![node.to_owned()],
        details: Vec::new(),
    });
    causes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, ok: bool, severity: Severity) -> EnvironmentItem {
        let (message, remedy) = (format!("{name} was looked at"), "Do this.".to_owned());
        EnvironmentItem { name: name.to_owned(), ok, severity, message, remedy }
    }

    #[test]
    fn conditions_in_longhorns_words() {
        let items = [
            item("kernel", true, Severity::Warning),
            item("block-device", false, Severity::Warning),
            item("mount-propagation", false, Severity::Info),
            item("multipathd", false, Severity::Info),
            item("nfs-client", false, Severity::Info),
            item("package-e2fsprogs", false, Severity::Warning),
            item("package-iscsi", false, Severity::Info),
        ];
        let mut conditions = Vec::new();
        set(&mut conditions, &items);
        for (kind, reason) in [
            ("KernelModulesLoaded", "KernelModulesNotLoaded"),
            ("MountPropagation", "NoMountPropagationSupport"),
            ("Multipathd", "MultipathdIsRunning"),
            ("NFSClientInstalled", "NFSClientIsNotFound"),
            ("RequiredPackages", "PackagesNotInstalled"),
        ] {
            let found = condition::find(&conditions, kind).unwrap();
            assert_eq!((found.status, found.reason.as_str()), (ConditionStatus::False, reason), "{kind}");
            assert!(found.message.contains("was looked at. Do this."), "{found:?}");
        }
        assert_eq!(causes("node-1", &items).len(), 2, "what is only worth knowing is no cause");
        let better: Vec<_> = items.into_iter().map(|item| EnvironmentItem { ok: true, ..item }).collect();
        set(&mut conditions, &better);
        assert!(conditions.iter().all(|found| found.status == ConditionStatus::True && found.reason.is_empty()));
        assert!(causes("node-1", &better).is_empty());
    }

    #[test]
    fn an_optional_package_is_not_required() {
        let mut conditions = Vec::new();
        set(
            &mut conditions,
            &[item("package-mount", true, Severity::Error), item("package-iscsi", false, Severity::Info)],
        );
        assert!(condition::is_true(&conditions, REQUIRED_PACKAGES));
        assert_eq!(conditions.len(), 1, "nothing is said of what was not looked at");
    }
}
