//! `aurochs pre-upgrade`: whether this version may take over what is installed. Helm asks before it changes anything; a
//! refusal leaves everything as it is.

use kube::api::{DynamicObject, ListParams};

use super::Cluster;
use super::dynamic::{self, Failed, asked, found};
use crate::resources::{Kind, Setting, Volume};
use crate::settings::Name;

/// Volumes that a message names; more are counted.
const NAMED_MAXIMUM: usize = 5;

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    #[error(transparent)]
    Server(#[from] Failed),
    #[error(
        "Longhorn is installed here, and {volumes}: its engines know nothing of ours, and would be cut off from their replicas; \
         end the pods that use them, so that they are detached, and upgrade again"
    )]
    LonghornInUse { volumes: String },
    #[error(
        "version {installed} is installed, which is later than {own}: what it wrote may not be understood; install {installed} or \
         a later version"
    )]
    Downgrade { installed: String, own: String },
    #[error(
        "version {installed} is installed: the way to {own} leads over every minor version between them; install the next one first"
    )]
    TooOld { installed: String, own: String },
    #[error(
        "the installed version calls itself {installed:?}, which is no version; look at the setting current-longhorn-version, or \
         upgrade with preUpgradeChecker.upgradeVersionCheck=false"
    )]
    NoVersion { installed: String },
}

/// What is installed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Installed {
    /// As it tells itself; empty when nothing is.
    version: String,
    is_longhorn: bool,
    /// Volumes that are not detached.
    in_use: Vec<String>,
}

/// Asks the cluster, and answers whether this version may be installed over it. `checks_version`: also whether it is one of
/// the versions that this one comes after.
///
/// # Errors
/// It may not, or can't be found out.
pub async fn check(cluster: &Cluster, checks_version: bool) -> Result<String, UpgradeError> {
    let installed = read(cluster).await?;
    judge(&installed, env!("CARGO_PKG_VERSION"), checks_version)?;
    Ok(match installed.version.as_str() {
        "" => "Nothing is installed yet.".to_owned(),
        version => format!("Version {version} may be upgraded to {}.", env!("CARGO_PKG_VERSION")),
    })
}

async fn read(cluster: &Cluster) -> Result<Installed, Failed> {
    let api = |kind: &str, plural: &str| {
        dynamic::api(&cluster.client, Some(&cluster.namespace), &dynamic::of_ours(kind, plural))
    };
    let settings = api(Setting::KIND, Setting::PLURAL);
    // There may not even be such a kind.
    let value = async |name: Name| {
        let setting = found(format!("reading the setting {}", name.word()), settings.get(name.word())).await?;
        let text =
            setting.as_ref().and_then(|setting| setting.data.get("value")?.as_str()).unwrap_or_default().to_owned();
        Ok::<String, Failed>(text)
    };
    let version = value(Name::CurrentLonghornVersion).await?;
    if version.is_empty() {
        return Ok(Installed::default());
    }
    let is_longhorn = !value(Name::DefaultEngineImage).await?.starts_with("aurochs-engine:");
    let volumes = asked("reading the volumes", api(Volume::KIND, Volume::PLURAL).list(&ListParams::default())).await?;
    Ok(Installed { version, is_longhorn, in_use: volumes.items.iter().filter_map(in_use).collect() })
}

fn in_use(volume: &DynamicObject) -> Option<String> {
    let state = volume.data.pointer("/status/state").and_then(serde_json::Value::as_str).unwrap_or("detached");
    (state != "detached").then(|| volume.metadata.name.clone().unwrap_or_default())
}

fn judge(installed: &Installed, own: &str, checks_version: bool) -> Result<(), UpgradeError> {
    if installed.version.is_empty() {
        return Ok(());
    }
    if installed.is_longhorn {
        // Its versions say nothing about ours.
        return match installed.in_use.as_slice() {
            [] => Ok(()),
            in_use => Err(UpgradeError::LonghornInUse { volumes: told(in_use) }),
        };
    }
    if !checks_version {
        return Ok(());
    }
    let (text, own_text) = (installed.version.clone(), own.to_owned());
    let (Some(then), Some(now)) = (numbers(&text), numbers(own)) else {
        return Err(UpgradeError::NoVersion { installed: text });
    };
    let (then_minor, now_minor) = ((then[0], then[1]), (now[0], now[1]));
    let is_next = then_minor == now_minor
        || (then[0] == now[0] && then[1] + 1 == now[1])
        // The first version of a series comes after the last one of the series before.
        || (then[0] + 1 == now[0] && now[1] == 0);
    if then > now {
        return Err(UpgradeError::Downgrade { installed: text, own: own_text });
    }
    if is_next { Ok(()) } else { Err(UpgradeError::TooOld { installed: text, own: own_text }) }
}

fn told(volumes: &[String]) -> String {
    let named = volumes.iter().take(NAMED_MAXIMUM).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if volumes.len() > NAMED_MAXIMUM { ", …" } else { "" };
    let are = if volumes.len() == 1 { "1 volume is" } else { &format!("{} volumes are", volumes.len()) };
    format!("{are} attached ({named}{more})")
}

/// The three numbers of a version, with or without a v; what stands behind them (`-rc1`) says nothing.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let version = version.strip_prefix('v').unwrap_or(version);
    let version = version.split(['-', '+']).next()?;
    let parts: Option<Vec<u64>> = version.split('.').map(|part| part.parse().ok()).collect();
    parts?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(version: &str) -> Installed {
        Installed { version: version.to_owned(), is_longhorn: false, in_use: vec!["data".to_owned()] }
    }

    #[test]
    fn every_minor_version_is_visited() {
        let to = |from: &str, own: &str| judge(&ours(from), own, true).map_err(|error| error.to_string());
        for (from, own) in
            [("", "0.1.0"), ("0.1.0", "0.1.0"), ("0.1.0", "0.1.7"), ("v0.1.9", "0.2.0"), ("0.9.1", "1.0.0")]
        {
            assert_eq!(to(from, own), Ok(()), "{from} {own}");
        }
        for (from, own, word) in [
            ("0.2.0", "0.1.9", "later"),
            ("0.2.1", "0.2.0", "later"),
            ("0.1.0", "0.3.0", "over every minor"),
            ("0.9.1", "1.1.0", "over every minor"),
            ("master", "0.1.0", "no version"),
            ("1.2", "0.1.0", "no version"),
        ] {
            assert!(to(from, own).is_err_and(|error| error.contains(word)), "{from} {own}");
            assert!(judge(&ours(from), own, false).is_ok());
        }
    }

    #[test]
    fn longhorns_volumes_are_detached_before() {
        let of = |in_use: &[&str]| Installed {
            version: "v1.12.1".to_owned(),
            is_longhorn: true,
            in_use: in_use.iter().map(|&name| name.to_owned()).collect(),
        };
        assert!(judge(&of(&[]), "0.1.0", true).is_ok());
        let refused = judge(&of(&["a"]), "0.1.0", false).unwrap_err().to_string();
        assert!(refused.contains("1 volume is attached (a)"), "{refused}");
        let refused = judge(&of(&["a", "b", "c", "d", "e", "f"]), "0.1.0", true).unwrap_err().to_string();
        assert!(refused.contains("6 volumes are attached (a, b, c, d, e, …)"), "{refused}");
    }
}
