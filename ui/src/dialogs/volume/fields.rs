//! Fields that several of the dialogs have.

use aurochs_api::size::{ByteSize, VOLUME_SIZE_ALIGNMENT, VOLUME_SIZE_MINIMUM};
use serde_json::{Map, Value};

use crate::api;
use crate::components::form::{Field, Values};
use crate::live::Thing;
use crate::model::volume_setting::{Kind, VolumeSetting};
use crate::words::{self, fill, tr};

/// A setting as a field. Without a present value it is left as it is unless something is chosen.
pub(super) fn of_setting(setting: &'static VolumeSetting, present: Option<String>, targets: &[String]) -> Field {
    let chosen = present.clone().unwrap_or_default();
    let keep = present.is_none().then(|| (String::new(), tr("Leave as it is").to_owned()));
    let (key, label) = (setting.field, setting.label);
    let field = match setting.kind {
        Kind::Words(words) => {
            let mut choices: Vec<(String, String)> = keep.into_iter().collect();
            choices.extend(words.iter().map(|word| ((*word).to_owned(), words::setting_value(setting, word))));
            // A word that is not offered any more stays what it is.
            if !chosen.is_empty() && !words.contains(&chosen.as_str()) {
                choices.push((chosen.clone(), chosen.clone()));
            }
            Field::select(key, label, choices).value(chosen)
        }
        Kind::BackupTarget => {
            let mut names = targets.to_vec();
            if !chosen.is_empty() && !names.contains(&chosen) {
                names.push(chosen.clone());
            }
            let choices = keep.into_iter().chain(names.into_iter().map(|name| (name.clone(), name)));
            Field::select(key, label, choices.collect()).value(chosen)
        }
        Kind::Number { least, most, or_zero } => {
            let (least, most) = (if or_zero { 0 } else { least }, i64::try_from(most).unwrap_or(i64::MAX));
            let field = Field::number(key, label, i64::try_from(least).unwrap_or_default(), most);
            match chosen.parse::<i64>() {
                Ok(number) => field.value(number),
                Err(_) => field,
            }
        }
        Kind::Size if chosen.is_empty() => Field::size(key, label),
        Kind::Size => Field::size(key, label).value(chosen),
    };
    field.hint(setting.hint)
}

/// What was typed for a setting, in the form that the setting reads; none where it is left as it is.
pub(super) fn typed(setting: &VolumeSetting, values: &Values) -> Option<String> {
    let text = match values.at(setting.field)? {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    (!text.is_empty()).then_some(text)
}

/// How a volume can be offered to its node.
pub(super) fn frontends() -> Vec<(String, String)> {
    ["blockdev", "iscsi", "nbd"].map(|word| (word.to_owned(), words::frontend(word).to_owned())).into()
}

/// Names of the backup targets. Where they can't be told, `default` is there.
pub(super) async fn backup_targets() -> Vec<String> {
    let targets = names("v1/backuptargets").await;
    if targets.is_empty() { vec!["default".to_owned()] } else { targets }
}

/// Names of the things of a collection; none where it can't be told: the field that they are for is left out then.
pub(super) async fn names(address: &str) -> Vec<String> {
    let found = api::get(address).await.map(|found| found.items("data")).unwrap_or_default();
    found.iter().map(Thing::id).map(str::to_owned).collect()
}

/// The size that the volume will get, or what is wrong with the one that was typed.
pub(super) fn check_size(_: &str, values: &Values) -> Result<(), String> {
    let size = values.bytes("size");
    if size > ByteSize::ZERO && size < VOLUME_SIZE_MINIMUM {
        return Err(fill("The smallest volume has {}.", &[&VOLUME_SIZE_MINIMUM]));
    }
    Ok(())
}

/// Sizes of volumes are multiples of this.
pub(super) fn rounded(size: ByteSize) -> ByteSize {
    size.round_up(VOLUME_SIZE_ALIGNMENT)
}

/// Without what was left blank: the manager chooses there.
pub(super) fn said(mut json: Map<String, Value>) -> Map<String, Value> {
    json.retain(|_, value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    });
    json
}
