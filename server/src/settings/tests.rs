//! The table, row by row, and what readers see.

use super::data_engine::parts;
use super::*;

/// A value that no row takes, whatever its type.
fn wrong_word(row: &Definition) -> Option<&'static str> {
    let takes_any_text = row.form == Form::Any && row.options.is_empty();
    match row.kind {
        ValueType::Text | ValueType::Deprecated | ValueType::Untold if takes_any_text => None,
        _ => Some("certainly/not-this one"),
    }
}

/// Whether the value is good, be it that the row acts later.
fn is_good(row: &Definition, value: &str) -> bool {
    match check(row.name.word(), value) {
        Ok(_) | Err(SettingError::NotYet { .. }) => true,
        Err(SettingError::Value { .. } | SettingError::Empty { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

fn writable() -> impl Iterator<Item = &'static Definition> {
    all().iter().filter(|row| !row.read_only)
}

/// Longhorn's own table, from its sources.
const LONGHORNS: &str = include_str!("registry/longhorn.tsv");

#[test]
fn the_table_is_longhorns() {
    let expected: Vec<&str> = LONGHORNS.lines().filter(|line| !line.starts_with('#')).collect();
    let rows: Vec<&Definition> = all().iter().filter(|row| !row.ours).collect();
    assert_eq!(rows.len(), expected.len());
    for (row, expected) in rows.into_iter().zip(expected) {
        let told = row.to_api();
        let flags = [(row.required, "R"), (row.read_only, "RO"), (row.per_engine, "DE")];
        let flags: Vec<&str> = flags.into_iter().filter_map(|(set, word)| set.then_some(word)).collect();
        let end = |name: &str| {
            let whole = told.range.get(name).map(ToString::to_string);
            whole.or_else(|| told.float_range.get(name).map(ToString::to_string)).unwrap_or_default()
        };
        let range = match (end("minimum"), end("maximum")) {
            (minimum, maximum) if minimum.is_empty() && maximum.is_empty() => String::new(),
            (minimum, maximum) => format!("{minimum}..{maximum}"),
        };
        let default = match row.name {
            Name::CurrentLonghornVersion => "*",
            // Ours limits rebuilds of the first engine, too.
            Name::ReplicaRebuildingBandwidthLimit => r#"{"v2":"0"}"#,
            _ => row.default,
        };
        let (name, options) = (row.name.word(), row.options.join(","));
        let found = [name, &told.category, &told.kind, &flags.join(" "), default, &range, &options].join("\t");
        assert_eq!(found, expected);
    }
}

#[test]
fn every_row_is_told() {
    for row in all() {
        let told = row.to_api();
        assert!(!told.display_name.is_empty() && told.description.ends_with('.'), "{row:?}");
        assert_eq!(row.read_only, row.acts == Acts::Tells, "{row:?}");
        if let Acts::Later(feature) = row.acts {
            assert!(told.description.contains(feature.words()), "{told:?}");
        }
    }
}

#[test]
fn every_default_is_taken() {
    for row in writable() {
        let name = row.name.word();
        assert_eq!(check(name, row.default).as_deref(), Ok(row.default), "{row:?}");
        for value in row.true_already {
            assert!(check(name, value).is_ok(), "{row:?}");
        }
        if row.per_engine {
            for part in parts(row.default).into_values() {
                assert!(is_good(row, &part), "{row:?}");
            }
        }
    }
}

#[test]
fn every_wrong_word_and_every_forbidden_emptiness_is_refused() {
    for row in writable() {
        if let Some(wrong) = wrong_word(row) {
            assert!(!is_good(row, wrong), "{row:?}");
        }
        assert_eq!(is_good(row, "  "), !row.required || row.default.is_empty(), "{row:?}");
        for option in row.options {
            assert!(is_good(row, option), "{row:?}");
            assert!(!is_good(row, &option.to_uppercase()), "{row:?}");
        }
        if row.kind == ValueType::Bool {
            for (value, good) in [("true", true), ("false", true), ("True", false), ("1", false), ("yes", false)] {
                assert_eq!(is_good(row, value), good, "{row:?} {value}");
            }
        }
    }
}

#[test]
fn every_range_ends_where_it_says() {
    for row in writable() {
        let (minimum, maximum) = match (row.kind, row.form) {
            (_, Form::Between(minimum, maximum)) => (Some(minimum), Some(maximum)),
            (ValueType::Int { minimum, maximum }, _) => (minimum, maximum),
            _ => continue,
        };
        for (end, beyond) in [(minimum, -1), (maximum, 1)] {
            let Some(end) = end else { continue };
            assert!(is_good(row, &end.to_string()), "{row:?} {end}");
            assert!(!is_good(row, &(end + beyond).to_string()), "{row:?} {end}");
        }
        for value in ["1.5", "0x10", "99999999999999999999", "2147483648", "--1"] {
            assert!(!is_good(row, value), "{row:?} {value}");
        }
    }
    let row = Name::GuaranteedInstanceManagerCpu.definition();
    for (value, good) in [("0", true), ("40", true), ("12.5", true), ("-0.1", false), ("40.1", false), ("NaN", false)] {
        assert_eq!(is_good(row, value), good, "{value}");
    }
    let range = row.to_api().float_range;
    assert_eq!((range["minimum"], range["maximum"]), (0.0, 40.0));
}

#[test]
fn what_is_missing_is_refused_by_its_name() {
    for row in writable() {
        let Acts::Later(feature) = row.acts else { continue };
        let other = match row.kind {
            ValueType::Bool if !row.true_already.is_empty() => continue,
            ValueType::Bool => if row.default.contains("true") { "false" } else { "true" }.to_owned(),
            ValueType::Int { minimum, .. } => (minimum.unwrap_or(0).max(17) + 1).to_string(),
            _ if !row.options.is_empty() => row.options[1].to_owned(),
            _ => match row.form {
                Form::Directory => "/elsewhere".to_owned(),
                Form::Network => "kube-system/fast".to_owned(),
                _ => "13".to_owned(),
            },
        };
        let error = check(row.name.word(), &other).unwrap_err();
        assert!(matches!(&error, SettingError::NotYet { feature: named, .. } if *named == feature), "{error} {row:?}");
        assert!(error.to_string().contains(feature.words()), "{error}");
    }
}

#[test]
fn what_users_write() {
    for (name, value, stored) in [
        ("default-replica-count", " 2 ", r#"{"v1":"2","v2":"2"}"#),
        ("default-replica-count", r#"{"v1":"5"}"#, r#"{"v1":"5","v2":"3"}"#),
        ("default-replica-count", r#"{"v1": 5, "v3": "9"}"#, r#"{"v1":"5","v2":"3"}"#),
        ("replica-soft-anti-affinity", "true", "true"),
        // A key that the setting does not have is dropped.
        ("data-engine-memory-size", r#"{"v1":"1","v2":"2048"}"#, r#"{"v2":"2048"}"#),
        ("disable-revision-counter", r#"{"v1":false,"v2":true}"#, r#"{"v1":"false"}"#),
        ("orphan-resource-auto-deletion", "", ""),
        ("upgrade-checker", "false", "false"),
        ("fast-replica-rebuild-enabled", r#"{"v1":"false","v2":"true"}"#, r#"{"v1":"false","v2":"true"}"#),
    ] {
        assert_eq!(check(name, value).as_deref(), Ok(stored), "{name}");
    }
    for (name, value, words) in [
        ("default-replica-count", "21", "from 1 to 20"),
        ("default-replica-count", r#"{"v1":"3","v2":"21"}"#, "from 1 to 20"),
        ("default-replica-count", r#"{"v1":["3"]}"#, "from 1 to 20"),
        ("data-engine-log-flags", r#"{"v2":"#, "a text"),
        ("replica-soft-anti-affinity", "yes", "true or false"),
        ("storage-minimal-available-percentage", "101", "from 0 to 100"),
        ("default-data-locality", "near", "best-effort"),
        ("storage-over-provisioning-percentage", "", "can't be empty"),
        ("no-such", "1", "/v1/settings"),
        ("current-longhorn-version", "9", "read"),
        ("storage-network", "kube-system/fast", "no Kubernetes mode yet"),
        ("default-data-path", &format!("/{}", "x".repeat(20_000)), "20001 bytes"),
    ] {
        let message = check(name, value).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn settings_that_exclude_each_other() {
    let now = |purge_off: &'static str, cleanup: &'static str| {
        move |name| if name == Name::DisableSnapshotPurge { purge_off } else { cleanup }.to_owned()
    };
    let (purge_off, cleanup) = (Name::DisableSnapshotPurge, Name::AutoCleanupSystemGeneratedSnapshot);
    for (name, value, now, good) in [
        (purge_off, "true", now("false", "true"), false),
        (purge_off, "true", now("false", "false"), true),
        (cleanup, "true", now("true", "false"), false),
        (cleanup, "true", now("false", "false"), true),
        (purge_off, "false", now("true", "true"), true),
        (Name::AutoSalvage, "true", now("true", "true"), true),
    ] {
        assert_eq!(check::against_others(name, value, now).is_ok(), good, "{name:?} {value}");
    }
}

#[test]
fn typed_reading_falls_back_to_defaults() {
    let settings = Settings::default();
    assert_eq!(settings.number(Name::DefaultReplicaCount), 3);
    settings.set("default-replica-count", r#"{"v1":"2","v2":"9"}"#);
    assert_eq!(settings.number(Name::DefaultReplicaCount), 2);
    assert_eq!(settings.number_for(Name::DefaultReplicaCount, DataEngine::V2), 9);
    assert!(settings.flag(Name::DisableRevisionCounter));
    assert!(!settings.flag_for(Name::DisableRevisionCounter, DataEngine::V2), "it has no value for v2");
    settings.set("storage-over-provisioning-percentage", "broken");
    assert_eq!(settings.number(Name::StorageOverProvisioningPercentage), 100);
    settings.set("default-replica-count", r#"{"v1":"77","v2":"9"}"#);
    assert_eq!(settings.number(Name::DefaultReplicaCount), 3);
    assert!(!settings.flag(Name::ReplicaSoftAntiAffinity));
    settings.set("replica-soft-anti-affinity", "true");
    settings.forget("replica-soft-anti-affinity");
    assert!(!settings.flag(Name::ReplicaSoftAntiAffinity));
}

#[test]
fn readers_are_woken_by_changes_alone() {
    use crate::resources::setting::SettingSpec;
    use crate::resources::{Object, Setting};

    let settings = Settings::default();
    let mut changed = settings.changed();
    let stored = |value: &str, version: &str| {
        let mut object = Object::<Setting>::new("auto-salvage", SettingSpec { value: value.to_owned() });
        object.metadata.resource_version = version.to_owned();
        object
    };
    settings.take(&stored("false", "7"));
    assert!(changed.has_changed().unwrap());
    changed.mark_unchanged();
    // The same again, what is older, what is no setting.
    settings.take(&stored("false", "8"));
    settings.take(&stored("true", "5"));
    settings.set("no-such", "1");
    settings.forget("auto-delete");
    assert!(!changed.has_changed().unwrap());
    assert!(!settings.flag(Name::AutoSalvage));
    settings.forget("auto-salvage");
    assert!(changed.has_changed().unwrap() && settings.flag(Name::AutoSalvage));
}
