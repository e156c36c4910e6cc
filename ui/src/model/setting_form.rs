//! What a setting's definition says about a value, before the server is asked: its parts for each data engine, whether
//! they can be right, whether they are the default. The server has the last word.

use std::collections::BTreeMap;

use aurochs_api::setting::{Setting, SettingDefinition};
use serde_json::Value;

use crate::words::{fill, tr};

/// Values by data engine; one with an empty key where the setting has one value for all.
pub(crate) type Parts = BTreeMap<String, String>;

/// The parts of a stored value or of a default.
pub(crate) fn parts(definition: &SettingDefinition, value: &str) -> Parts {
    if !definition.data_engine_specific {
        return Parts::from([(String::new(), value.to_owned())]);
    }
    let Ok(Value::Object(object)) = serde_json::from_str(value) else {
        // A plain value stands for every engine of the default; a default that is none has no parts.
        let engines = if value == definition.default { Parts::new() } else { parts(definition, &definition.default) };
        return engines.into_keys().map(|engine| (engine, value.to_owned())).collect();
    };
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    object.into_iter().map(|(engine, value)| (engine, text(value))).collect()
}

/// What is sent.
pub(crate) fn join(definition: &SettingDefinition, parts: &Parts) -> String {
    if definition.data_engine_specific {
        return serde_json::to_string(parts).unwrap_or_default();
    }
    parts.values().next().map(|value| value.trim().to_owned()).unwrap_or_default()
}

/// Whether the value is another one than the default.
pub(crate) fn differs(setting: &Setting) -> bool {
    // What the system itself writes has no default to go back to.
    !setting.definition.read_only
        && parts(&setting.definition, &setting.value) != parts(&setting.definition, &setting.definition.default)
}

/// What is wrong with one part, in a sentence that says what to give.
pub(crate) fn check(definition: &SettingDefinition, value: &str) -> Result<(), String> {
    let value = value.trim();
    if value.is_empty() {
        let needed = definition.required && !definition.default.is_empty();
        return if needed { Err(tr("It can't be empty.").to_owned()) } else { Ok(()) };
    }
    if !definition.options.is_empty() {
        let known = definition.options.iter().any(|option| option == value);
        return if known { Ok(()) } else { Err(fill("Give one of {}.", &[&definition.options.join(", ")])) };
    }
    match definition.kind.as_str() {
        "bool" if !matches!(value, "true" | "false") => Err(fill("Give one of {}.", &[&"true, false"])),
        "int" => {
            let whole = value.parse::<i64>().ok();
            let minimum = definition.range.get("minimum").copied();
            let maximum = definition.range.get("maximum").copied();
            let fits =
                |number: i64| minimum.is_none_or(|least| number >= least) && maximum.is_none_or(|most| number <= most);
            match (whole, minimum, maximum) {
                (Some(number), _, _) if fits(number) => Ok(()),
                (_, Some(least), Some(most)) => Err(fill("Give a whole number from {} to {}.", &[&least, &most])),
                (_, Some(least), None) => Err(fill("Give a whole number from {} on.", &[&least])),
                (_, None, Some(most)) => Err(fill("Give a whole number up to {}.", &[&most])),
                (_, None, None) => Err(tr("Give a whole number.").to_owned()),
            }
        }
        "float" => {
            let least = definition.float_range.get("minimum").copied().unwrap_or(f64::MIN);
            let most = definition.float_range.get("maximum").copied().unwrap_or(f64::MAX);
            match value.parse::<f64>() {
                Ok(number) if (least..=most).contains(&number) => Ok(()),
                _ => Err(fill("Give a number from {} to {}.", &[&least, &most])),
            }
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(kind: &str, default: &str) -> SettingDefinition {
        SettingDefinition { kind: kind.into(), default: default.into(), required: true, ..SettingDefinition::default() }
    }

    #[test]
    fn a_value_for_each_engine_is_taken_apart_and_put_together() {
        let specific = SettingDefinition { data_engine_specific: true, ..definition("int", r#"{"v1":"3","v2":"3"}"#) };
        let both = parts(&specific, r#"{"v1":"2","v2":"3"}"#);
        assert_eq!(both, Parts::from([("v1".into(), "2".into()), ("v2".into(), "3".into())]));
        assert_eq!(join(&specific, &both), r#"{"v1":"2","v2":"3"}"#);
        // A plain value stands for all engines; numbers count as texts.
        assert_eq!(parts(&specific, "5").values().collect::<Vec<_>>(), ["5", "5"]);
        assert_eq!(parts(&specific, r#"{"v1":4}"#)["v1"], "4");
        let broken = SettingDefinition { default: "{".into(), ..specific };
        assert!(parts(&broken, "{").is_empty(), "a default that is none ends the search");
    }

    #[test]
    fn what_differs_is_seen_through_the_form() {
        let specific = SettingDefinition { data_engine_specific: true, ..definition("int", r#"{"v1":"3","v2":"3"}"#) };
        let setting = |value: &str, definition: &SettingDefinition| Setting {
            value: value.into(),
            definition: definition.clone(),
            ..Setting::default()
        };
        assert!(!differs(&setting(r#"{ "v2": "3", "v1": "3" }"#, &specific)));
        assert!(differs(&setting(r#"{"v1":"2","v2":"3"}"#, &specific)));
        let told = SettingDefinition { read_only: true, ..definition("string", "") };
        assert!(!differs(&setting("aurochs:1", &told)));
    }

    #[test]
    fn ranges_options_and_types() {
        let int = SettingDefinition {
            range: [("minimum".to_owned(), 0), ("maximum".to_owned(), 100)].into(),
            ..definition("int", "25")
        };
        let options = SettingDefinition {
            options: vec!["disabled".into(), "least-effort".into()],
            ..definition("string", "disabled")
        };
        let float = SettingDefinition { float_range: [("minimum".to_owned(), 0.5)].into(), ..definition("float", "1") };
        for (definition, good, bad) in [
            (&int, &["0", "100", " 7 "][..], &["-1", "101", "7.5", "x", ""][..]),
            (&options, &["least-effort"], &["most", ""]),
            (&float, &["0.5", "3"], &["0.4", "x"]),
            (&definition("bool", "true"), &["true", "false"], &["yes", ""]),
            (&definition("string", ""), &["", "anything"], &[]),
        ] {
            good.iter().for_each(|value| assert_eq!(check(definition, value), Ok(()), "{value:?}"));
            bad.iter().for_each(|value| assert!(check(definition, value).is_err(), "{value:?} of {}", definition.kind));
        }
    }
}
