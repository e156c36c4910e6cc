//! Forms of values: what a type and a range don't say.

use aurochs_api::cron::Cron;

use crate::cluster::driver::system_pods;

/// What a value must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Any,
    /// A whole number within these ends, which the definition does not tell (Longhorn's doesn't).
    Between(i64, i64),
    /// One of these whole numbers.
    Numbers(&'static [i64]),
    /// A directory of a node.
    Directory,
    /// Where a proxy serves us: `https://storage.example.org:8443`.
    BaseUrl,
    /// When something is done, as cron writes it.
    Cron,
    /// How much is logged.
    LogLevel,
    /// `<namespace>/<name>` of a network.
    Network,
    /// Kinds of orphans, with `;` between them.
    OrphanKinds,
    /// Labels of nodes that pods want: `key:value;key:value`.
    NodeSelector,
    /// Taints that pods tolerate: `key=value:Effect;key:Effect`.
    Tolerations,
    /// Requests and limits by container, in JSON.
    PodResources,
}

/// What `log-level` can be.
pub const LOG_LEVELS: [&str; 7] = ["Panic", "Fatal", "Error", "Warn", "Info", "Debug", "Trace"];
/// What `orphan-resource-auto-deletion` can name.
pub const ORPHAN_KINDS: [&str; 2] = ["replica-data", "instance"];

impl Form {
    /// Whether the value, which is not empty, has it.
    #[must_use]
    pub fn fits(self, value: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Between(minimum, maximum) => {
                value.parse::<i64>().is_ok_and(|number| (minimum..=maximum).contains(&number))
            }
            Self::Numbers(numbers) => value.parse::<i64>().is_ok_and(|number| numbers.contains(&number)),
            Self::Directory => is_directory(value),
            Self::BaseUrl => is_base_url(value),
            Self::Cron => value.parse::<Cron>().is_ok(),
            Self::LogLevel => LOG_LEVELS.iter().any(|level| level.eq_ignore_ascii_case(value)),
            Self::Network => value.split_once('/').is_some_and(|(space, name)| is_dns_name(space) && is_dns_name(name)),
            Self::OrphanKinds => value.split(';').all(|kind| ORPHAN_KINDS.contains(&kind.trim())),
            Self::NodeSelector => system_pods::node_selector(value).is_ok(),
            Self::Tolerations => system_pods::tolerations(value).is_ok(),
            Self::PodResources => system_pods::resources(value).is_ok(),
        }
    }

    /// Fits after "give".
    #[must_use]
    pub fn expected(self) -> String {
        match self {
            Self::Any => "a text".to_owned(),
            Self::Between(minimum, maximum) => format!("a whole number from {minimum} to {maximum}"),
            Self::Numbers(numbers) => {
                let words: Vec<String> = numbers.iter().map(ToString::to_string).collect();
                format!("one of {}", words.join(", "))
            }
            Self::Directory => "an absolute path without \"..\"".to_owned(),
            Self::BaseUrl => "http:// or https:// and a host, without a path: https://storage.example.org".to_owned(),
            Self::Cron => "five fields as cron has them (0 0 */7 * *), @daily or @every 6h".to_owned(),
            Self::LogLevel => format!("one of {}", LOG_LEVELS.join(", ")),
            Self::Network => "<namespace>/<name> of a network".to_owned(),
            Self::OrphanKinds => format!("one or more of {}, with ; between them", ORPHAN_KINDS.join(", ")),
            Self::NodeSelector => "labels as key:value, with ; between them".to_owned(),
            Self::Tolerations => {
                "taints as key=value:Effect or key:Effect, with ; between them, where the effect is NoSchedule, PreferNoSchedule \
                 or NoExecute"
                    .to_owned()
            }
            Self::PodResources => {
                r#"JSON by container, such as {"csi-attacher": {"limits": {"memory": "128Mi"}}}"#.to_owned()
            }
        }
    }
}

fn is_directory(value: &str) -> bool {
    value.starts_with('/') && !value.contains('\0') && value.split('/').all(|part| part != "..")
}

fn is_base_url(value: &str) -> bool {
    let authority = value.strip_prefix("http://").or_else(|| value.strip_prefix("https://"));
    let authority = authority.map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    authority.is_some_and(|authority| {
        let uri = authority.parse::<axum::http::uri::Authority>();
        uri.is_ok_and(|uri| !uri.host().is_empty() && !authority.contains('@'))
    })
}

fn is_dns_name(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    !text.is_empty() && text.len() <= 253 && text.bytes().all(good) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_take_what_they_say() {
        for (form, good, bad) in [
            (Form::Between(2, 250), &["2", "250"][..], &["1", "251", "x", "2.5"][..]),
            (Form::Numbers(&[2, 16]), &["2", "16"], &["3", "0", ""]),
            (Form::Directory, &["/", "/var/lib/x/"], &["var", "/a/../b", "..", "/a\0"]),
            (
                Form::BaseUrl,
                &["http://a", "https://a.b:8443", "https://[::1]:1", "https://a/"],
                &["a", "ftp://a", "http://", "http://a/b", "http://a?x", "http://u:p@a", "http://a b", "http://:80"],
            ),
            (
                Form::Cron,
                &["0 0 */7 * *", "@daily", "0 6 ? * SAT"],
                &["0 0 * *", "x", "60 0 * * *", "0 0 30 2 *", "@every 1s"],
            ),
            (Form::LogLevel, &["Info", "debug", "WARN"], &["loud", "information"]),
            (Form::Network, &["kube-system/demo"], &["demo", "/demo", "a/b/c", "A/b", "a/"]),
            (
                Form::OrphanKinds,
                &["replica-data", "instance", "replica-data;instance", "instance; replica-data"],
                &["replica", "replica-data,instance", ";", "replica-data;"],
            ),
            (Form::NodeSelector, &["kubernetes.io/os:linux", "a:b;c:d"], &["linux", ":linux"]),
            (Form::Tolerations, &["a=b:NoSchedule", "a:NoExecute;:"], &["a=b:Never", "=b:NoExecute"]),
            (
                Form::PodResources,
                &[r#"{"csi-attacher": {"limits": {"memory": "1Gi"}}}"#],
                &["much", "[]", r#"{"a": 1}"#],
            ),
        ] {
            good.iter().for_each(|value| assert!(form.fits(value), "{form:?} {value:?}"));
            bad.iter().for_each(|value| assert!(!form.fits(value), "{form:?} {value:?}"));
            assert!(!form.expected().is_empty());
        }
    }
}
