//! A new volume: the plain part, the folded part with everything that can be said, and what will happen. A copy of a volume
//! or a snapshot is the same question with its source given.

use aurochs_api::ids::VolumeName;
use aurochs_api::size::{ByteSize, GIB};
use aurochs_api::volume::Volume;
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::Value;

use super::fields::{backup_targets, check_size, frontends, names, of_setting, rounded, said};
use crate::api;
use crate::components::dialog::Tone;
use crate::components::form::{Field, Values};
use crate::dialogs::{FormQuestion, Sending, ask_form};
use crate::live::Live;
use crate::model::placement::Forecast;
use crate::model::snapshot_tree::{LayerKind, kind};
use crate::model::volume_setting::{Kind, SETTINGS, VolumeSetting};
use crate::words::{self, fill, tr};

const REPLICAS_WITHOUT_SETTING: u64 = 3;
const REPLICAS_MAXIMUM: i64 = 20;
const OVER_PROVISIONING_WITHOUT_SETTING: u64 = 100;
const SIZE_AT_FIRST: ByteSize = ByteSize(10 * GIB);

/// Fields that are no fields of the manager's: they become `dataSource`.
const SOURCE: &str = "source";
const SOURCE_VOLUME: &str = "sourceVolume";
const SOURCE_SNAPSHOT: &str = "sourceSnapshot";

/// What stands in the fields at first.
pub(crate) struct Preset {
    title: String,
    answer: &'static str,
    name: String,
    size: ByteSize,
    replicas: u64,
    locality: String,
    backup_target: String,
    tags: [Vec<String>; 2],
    /// `vol://…` or `snap://…/…`; empty where it can be chosen.
    data_source: String,
}

pub(crate) fn ask() {
    let live = Live::expect();
    let replicas = untrack(|| live.setting_number("default-replica-count"));
    ask_like(Preset {
        title: tr("Create volume").to_owned(),
        answer: "Create volume",
        name: String::new(),
        size: SIZE_AT_FIRST,
        replicas: replicas.unwrap_or(REPLICAS_WITHOUT_SETTING),
        locality: setting_word(&live, "default-data-locality").unwrap_or_else(|| "disabled".to_owned()),
        backup_target: "default".to_owned(),
        tags: [Vec::new(), Vec::new()],
        data_source: String::new(),
    });
}

/// A copy of a volume, or of what it held when a snapshot was taken.
pub(crate) fn preset(volume: &Volume, snapshot: Option<&str>) -> Preset {
    let source = &volume.name;
    let (title, data_source) = match snapshot {
        None => (fill("Clone {}", &[source]), format!("vol://{source}")),
        Some(snapshot) => (fill("Clone the snapshot {}", &[&snapshot]), format!("snap://{source}/{snapshot}")),
    };
    Preset {
        title,
        answer: "Clone",
        name: format!("cloned-{source}"),
        size: volume.size,
        replicas: volume.number_of_replicas.into(),
        locality: volume.data_locality.word().to_owned(),
        backup_target: volume.backup_target_name.clone(),
        tags: [volume.node_selector.clone(), volume.disk_selector.clone()],
        data_source,
    }
}

pub(crate) fn ask_like(preset: Preset) {
    spawn_local(async move {
        let targets = backup_targets().await;
        let images = if preset.data_source.is_empty() { names("v1/backingimages").await } else { Vec::new() };
        open(preset, &targets, images);
    });
}

fn open(preset: Preset, targets: &[String], images: Vec<String>) {
    let live = Live::expect();
    let mut fields = plain(&preset, targets);
    match preset.data_source.as_str() {
        "" => fields.extend(source(&live, images)),
        given => fields.push(Field::text("dataSource", "Data source").value(given).fixed()),
    }
    fields.extend(advanced(&live, &preset, targets));
    ask_form(FormQuestion {
        title: preset.title,
        answer: preset.answer,
        tone: Tone::Plain,
        intro: None,
        fields,
        preview: Some(Callback::new(|values: Signal<Values>| view! { <Outlook values /> }.into_any())),
        submit: Callback::new(|values: Values| {
            Box::pin(async move {
                let notice = fill("Volume {} is being created.", &[&values.text("name")]);
                api::post("v1/volumes", &body(&values)).await.map(|_| notice)
            }) as Sending
        }),
    });
}

fn plain(preset: &Preset, targets: &[String]) -> Vec<Field> {
    let replicas = i64::try_from(preset.replicas).unwrap_or(REPLICAS_MAXIMUM);
    let name = Field::text("name", "Name").required().check(check_name);
    let own = |field: &'static str, present: &str| {
        let setting = SETTINGS.iter().find(|setting| setting.field == field);
        setting.map(|setting| of_setting(setting, Some(present.to_owned()), targets))
    };
    let mut fields = vec![
        if preset.name.is_empty() { name } else { name.value(preset.name.clone()) },
        Field::size("size", "Size").required().value(preset.size.bytes().to_string()).check(check_size),
        Field::number("numberOfReplicas", "Replicas", 1, REPLICAS_MAXIMUM)
            .required()
            .value(replicas)
            .hint("Copies, each on its own node; with one, a failed disk loses it"),
        Field::select("frontend", "Frontend", frontends()).hint("How the node where it is attached gets it"),
    ];
    fields.extend(own("dataLocality", &preset.locality));
    fields.extend(own("accessMode", "rwo"));
    fields.extend(own("backupTargetName", &preset.backup_target));
    fields
}

/// Where its first content comes from.
fn source(live: &Live, images: Vec<String>) -> Vec<Field> {
    let volumes = untrack(|| live.volumes.all());
    let mut snapshots: Vec<(String, String)> = Vec::new();
    for volume in &volumes {
        let own = volume.snapshots.iter().filter(|layer| kind(layer) == LayerKind::User);
        snapshots.extend(own.map(|layer| {
            (format!("snap://{}/{}", volume.name, layer.name), format!("{} / {}", volume.name, layer.name))
        }));
    }
    let volumes: Vec<(String, String)> =
        volumes.iter().map(|volume| (format!("vol://{}", volume.name), volume.name.clone())).collect();
    let kinds = [
        (true, "", tr("Nothing: it is empty")),
        (!volumes.is_empty(), "volume", tr("A volume")),
        (!snapshots.is_empty(), "snapshot", tr("A snapshot")),
        (!images.is_empty(), "image", tr("A backing image")),
    ];
    let kinds = kinds.into_iter().filter(|(there, ..)| *there);
    let kinds = kinds.map(|(_, key, shown)| (key.to_owned(), shown.to_owned())).collect();
    let images = images.into_iter().map(|name| (name.clone(), name)).collect();
    vec![
        Field::select(SOURCE, "Content", kinds),
        Field::select(SOURCE_VOLUME, "Volume", volumes)
            .when(|values| values.text(SOURCE) == "volume")
            .hint("The size has to be at least that of the volume"),
        Field::select(SOURCE_SNAPSHOT, "Snapshot", snapshots)
            .when(|values| values.text(SOURCE) == "snapshot")
            .hint("Those of attached volumes; others are cloned from their volume's page"),
        Field::select("backingImage", "Backing image", images).when(|values| values.text(SOURCE) == "image"),
    ]
}

fn advanced(live: &Live, preset: &Preset, targets: &[String]) -> Vec<Field> {
    let [nodes, disks] = preset.tags.clone();
    let blocks = [("", tr("As the setting says")), ("2097152", "2 MiB"), ("16777216", "16 MiB")];
    let blocks = blocks.map(|(value, shown)| (value.to_owned(), shown.to_owned())).into();
    let mut fields = vec![
        Field::tags("nodeSelector", "Node tags").value(nodes).hint("Replicas go only to nodes that have all of them"),
        Field::tags("diskSelector", "Disk tags").value(disks).hint("Replicas go only to disks that have all of them"),
        Field::select("backupBlockSize", "Block size of backups", blocks)
            .hint("It stays for all backups of the volume"),
    ];
    let rest = |setting: &&'static VolumeSetting| {
        !matches!(setting.field, "replicaCount" | "dataLocality" | "accessMode" | "backupTargetName")
    };
    let default = Volume::default();
    fields.extend(SETTINGS.iter().filter(rest).map(|setting| {
        let blank = match setting.kind {
            // Blank follows the settings of the installation.
            Kind::Number { or_zero: false, .. } | Kind::Size => None,
            _ if setting.field == "backupCompressionMethod" => setting_word(live, "backup-compression-method"),
            Kind::Words(_) | Kind::BackupTarget | Kind::Number { .. } => Some((setting.present)(&default)),
        };
        of_setting(setting, blank, targets)
    }));
    let unchecked = setting_word(live, "disable-revision-counter").as_deref() == Some("true");
    fields.push(
        Field::toggle("revisionCounterDisabled", "Without revision counter")
            .value(unchecked)
            .hint("Fewer writes; after a crash the newest replica is found by other marks"),
    );
    fields.into_iter().map(Field::advanced).collect()
}

/// A setting's word. Those with a value per data engine are JSON objects; ours is `v1`.
fn setting_word(live: &Live, name: &str) -> Option<String> {
    let value = live.settings.row(name)?.get_untracked().value.clone();
    match serde_json::from_str::<Value>(&value) {
        Ok(Value::Object(by_engine)) => by_engine.get("v1").and_then(Value::as_str).map(str::to_owned),
        _ => Some(value),
    }
}

fn check_name(name: &str, _: &Values) -> Result<(), String> {
    let taken = Live::expect().volumes.row(name).is_some();
    match name.parse::<VolumeName>() {
        _ if name.is_empty() => Ok(()),
        Err(error) => Err(capitalised(&error.to_string())),
        Ok(_) if taken => Err(fill("There is a volume {} already.", &[&name])),
        Ok(_) => Ok(()),
    }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

fn body(values: &Values) -> Value {
    let mut json = said(values.json().as_object().cloned().unwrap_or_default());
    json.remove(SOURCE);
    let volume = json.remove(SOURCE_VOLUME);
    if let Some(source) = json.remove(SOURCE_SNAPSHOT).or(volume) {
        json.insert("dataSource".to_owned(), source);
    }
    json.into()
}

/// Where the replicas would go now.
#[component]
fn Outlook(values: Signal<Values>) -> impl IntoView {
    let live = Live::expect();
    let wished = move || {
        let values = values.get();
        let replicas = values.at("numberOfReplicas").and_then(Value::as_u64);
        (values.bytes("size"), replicas.and_then(|number| u32::try_from(number).ok()))
    };
    let sentence = move || {
        let (size, replicas) = wished();
        let replicas = replicas.filter(|_| size > ByteSize::ZERO)?;
        let percent = live.setting_number("storage-over-provisioning-percentage");
        let percent = percent.unwrap_or(OVER_PROVISIONING_WITHOUT_SETTING);
        let nodes = live.nodes.all();
        let forecast = Forecast::of(nodes.iter().map(AsRef::as_ref), rounded(size), replicas, percent);
        let (short, sentence) = words::forecast(&forecast);
        Some(view! { <span class:short=short>{sentence}</span> })
    };
    view! { <p class="outlook" aria-live="polite">{sentence}</p> }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_begin_with_a_capital() {
        assert_eq!(capitalised("the name"), "The name");
        assert_eq!(capitalised(""), "");
    }

    #[test]
    fn a_copy_begins_as_its_source_is() {
        let volume = Volume { name: "a".into(), size: ByteSize(GIB), number_of_replicas: 2, ..Volume::default() };
        let copy = preset(&volume, Some("s"));
        assert_eq!((copy.data_source.as_str(), copy.name.as_str(), copy.replicas), ("snap://a/s", "cloned-a", 2));
        assert_eq!(preset(&volume, None).data_source, "vol://a");
    }
}
