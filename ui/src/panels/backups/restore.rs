//! Making volumes of backups: an ordinary one, or a standby that follows the backups until it is activated.

use aurochs_api::ids::VolumeName;
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::{Value, json};

use super::origin::access_mode;
use crate::api::{self, ApiError};
use crate::clock;
use crate::components::dialog::Tone;
use crate::components::facts::FactList;
use crate::components::form::{Field, Values};
use crate::dialogs::{FormQuestion, Sending, ask_form};
use crate::live::{Live, Thing};
use crate::model::time;
use crate::words::{self, fill, label, tr};

/// Where nothing tells a number.
const REPLICAS_WITHOUT_SETTING: u64 = 3;
const REPLICAS_MAXIMUM: i64 = 20;
const NAME_LENGTH_MAXIMUM: usize = 40;

/// What is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Volume,
    Standby,
}

/// A volume of this backup.
pub(crate) fn ask_restore(live: Live, backup: &Thing) {
    ask(live, vec![backup.clone()], Wish::Volume);
}

/// A standby volume that begins with this backup and follows its volume.
pub(crate) fn ask_standby(live: Live, backup: &Thing) {
    ask(live, vec![backup.clone()], Wish::Standby);
}

pub(super) fn ask_restore_each(live: Live, backups: Vec<Thing>) {
    ask(live, backups, Wish::Volume);
}

pub(super) fn ask_standby_each(live: Live, backups: Vec<Thing>) {
    ask(live, backups, Wish::Standby);
}

/// Whether this manager can give a volume out before all of it is there: asked, since one that can't would not say so.
async fn can_be_instant() -> bool {
    let schema = api::get("v1/schemas/volume").await;
    schema.is_ok_and(|schema| schema.at("resourceFields.instantRestore").is_some())
}

fn ask(live: Live, backups: Vec<Thing>, wish: Wish) {
    spawn_local(async move {
        let instant = wish == Wish::Volume && can_be_instant().await;
        show(live, backups, wish, instant);
    });
}

fn show(live: Live, backups: Vec<Thing>, wish: Wish, instant: bool) {
    let volume = backups.first().map(|backup| backup.text("volumeName").to_owned()).unwrap_or_default();
    let title = match (wish, backups.len()) {
        (Wish::Volume, 1) => fill("Restore {}", &[&volume]),
        (Wish::Volume, number) => fill("Restore {} volumes", &[&number]),
        (Wish::Standby, 1) => fill("Standby volume of {}", &[&volume]),
        (Wish::Standby, number) => fill("{} standby volumes", &[&number]),
    };
    let mut fields = fields(live, &backups, wish);
    if instant {
        let field = Field::toggle("instantRestore", "Use it at once");
        fields.push(field.hint("It can be attached while its data still comes; what is read first comes first. Until all of it is there it needs the backup target."));
    }
    let shown = backups.clone();
    ask_form(FormQuestion {
        title,
        answer: if wish == Wish::Volume { label("Restore") } else { label("Create standby volume") },
        tone: Tone::Plain,
        intro: Some(ViewFn::from(move || intro(&shown, wish))),
        fields,
        preview: None,
        submit: Callback::new(move |values: Values| {
            let bodies: Vec<Value> = backups.iter().map(|backup| body(backup, &values, backups.len(), wish)).collect();
            Box::pin(async move { create(bodies, wish).await }) as Sending
        }),
    });
}

/// What can't be chosen: it is the backup's.
fn intro(backups: &[Thing], wish: Wish) -> AnyView {
    let words = match wish {
        Wish::Volume => tr("A new volume with what the backup holds. Nothing that exists is overwritten."),
        Wish::Standby => tr(
            "It takes in each newer backup and can't be attached until it is activated: then it is an ordinary volume.",
        ),
    };
    let facts = (backups.len() == 1).then(|| view! { <FactList facts=facts(&backups[0]) /> });
    view! { <p class="dim">{words}</p>{facts} }.into_any()
}

fn facts(backup: &Thing) -> Vec<(&'static str, AnyView)> {
    let text = |text: &str| text.to_owned().into_any();
    let taken = time::parse(backup.text("snapshotCreated"));
    let taken = taken.map(|at| format!("{} ({})", clock::wall_time(at), words::age(clock::now() - at)));
    let mut facts = vec![
        (label("Backup"), text(backup.text("name"))),
        (label("Taken"), text(&taken.unwrap_or_default())),
        (label("Size"), text(&backup.bytes("volumeSize").to_string())),
        (label("Backup block size"), text(&backup.bytes("blockSize").to_string())),
        (label("Backup target"), text(backup.text("backupTargetName"))),
    ];
    if !backup.text("volumeBackingImageName").is_empty() {
        facts.push((label("Backing image"), text(backup.text("volumeBackingImageName"))));
    }
    facts
}

fn fields(live: Live, backups: &[Thing], wish: Wish) -> Vec<Field> {
    let volume = backups.first().map(|backup| backup.text("volumeName")).unwrap_or_default();
    let taken = |name: &str| live.volumes.row(name).is_some();
    let name = match backups {
        [_] => Field::text("name", "Name").required().value(free_name(volume, taken)).check(check_name),
        _ => Field::text("prefix", "Beginning of the names")
            .value(if wish == Wish::Volume { "restored-" } else { "standby-" })
            .check(check_prefix)
            .hint("The name of each volume follows. Empty takes the names as they were."),
    };
    let replicas = untrack(|| live.setting_number("default-replica-count")).unwrap_or(REPLICAS_WITHOUT_SETTING);
    let replicas = Field::number("numberOfReplicas", "Replicas", 1, REPLICAS_MAXIMUM).value(replicas);
    let mode = backups.first().map(access_mode).filter(|mode| !mode.is_empty()).unwrap_or("rwo");
    let mode =
        Field::select("accessMode", "Access mode", choices(&["rwo", "rwop", "rwx"], words::access_mode)).value(mode);
    let mut fields = vec![name, replicas];
    if wish == Wish::Volume {
        fields.push(Field::select("frontend", "Frontend", choices(&["blockdev", "nbd", "iscsi"], words::frontend)));
    }
    fields.push(mode);
    let locality = choices(&["disabled", "best-effort", "strict-local"], words::data_locality);
    fields.push(Field::select("dataLocality", "Data locality", locality).advanced());
    fields
        .push(Field::tags("nodeSelector", "Node tags").hint("Replicas go to nodes that have all of them.").advanced());
    fields
        .push(Field::tags("diskSelector", "Disk tags").hint("Replicas go to disks that have all of them.").advanced());
    if wish == Wish::Volume {
        let jobs = vec![
            ("ignored".to_owned(), tr("As the setting says").to_owned()),
            ("enabled".to_owned(), tr("Bring them back").to_owned()),
            ("disabled".to_owned(), tr("Leave them").to_owned()),
        ];
        fields.push(Field::select("restoreVolumeRecurringJob", "Its recurring jobs", jobs).advanced());
    }
    fields
}

fn choices(keys: &[&str], words: fn(&str) -> &str) -> Vec<(String, String)> {
    keys.iter().map(|key| ((*key).to_owned(), words(key).to_owned())).collect()
}

/// The previous name where nobody has it.
fn free_name(volume: &str, taken: impl Fn(&str) -> bool) -> String {
    if !taken(volume) {
        return volume.to_owned();
    }
    let room = NAME_LENGTH_MAXIMUM - "-restored-99".len();
    let short: String = volume.chars().take(room).collect();
    let base = format!("{short}-restored");
    let numbered = (2..100).map(|number| format!("{base}-{number}"));
    std::iter::once(base.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or(base)
}

fn check_name(name: &str, _: &Values) -> Result<(), String> {
    let wrong = tr("Give up to 40 lower-case letters, digits and hyphens, with a letter or digit at both ends.");
    name.parse::<VolumeName>().map(drop).map_err(|_| wrong.to_owned())
}

fn check_prefix(prefix: &str, values: &Values) -> Result<(), String> {
    // Something follows that is a name already.
    check_name(&format!("{prefix}x"), values)
}

fn body(backup: &Thing, values: &Values, number: usize, wish: Wish) -> Value {
    let mut body = values.json();
    let Value::Object(fields) = &mut body else { return body };
    if number > 1 {
        fields.remove("prefix");
        let name = format!("{}{}", values.text("prefix"), backup.text("volumeName"));
        fields.insert("name".to_owned(), json!(name));
    }
    fields.insert("fromBackup".to_owned(), json!(backup.text("url")));
    fields.insert("size".to_owned(), json!(backup.text("volumeSize")));
    let image = backup.text("volumeBackingImageName");
    if !image.is_empty() {
        fields.insert("backingImage".to_owned(), json!(image));
    }
    if wish == Wish::Standby {
        fields.insert("standby".to_owned(), json!(true));
        fields.insert("frontend".to_owned(), json!(""));
    }
    body
}

async fn create(bodies: Vec<Value>, wish: Wish) -> Result<String, ApiError> {
    let mut names = Vec::new();
    for body in &bodies {
        let made = api::post("v1/volumes", body).await?;
        names.push(made.text("name").to_owned());
    }
    let names = words::names(&names, 3);
    Ok(match wish {
        Wish::Volume => fill("Restoring {}.", &[&names]),
        Wish::Standby => fill("{} is being filled.", &[&names]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_free() {
        assert_eq!(free_name("mysql", |_| false), "mysql");
        assert_eq!(free_name("mysql", |name| name == "mysql"), "mysql-restored");
        assert_eq!(free_name("mysql", |name| !name.ends_with("-3")), "mysql-restored-3");
        let long = free_name(&"a".repeat(40), |name| name.len() == 40);
        assert!(check_name(&long, &Values::default()).is_ok(), "{long}");
    }

    #[test]
    fn a_standby_has_no_device() {
        let backup =
            Thing::from(json!({"url": "vfs:///x?backup=b&volume=v", "volumeSize": "1048576", "volumeName": "v"}));
        let standby = body(&backup, &Values::default(), 1, Wish::Standby);
        assert_eq!((&standby["standby"], &standby["frontend"]), (&json!(true), &json!("")));
        assert_eq!(standby["fromBackup"], "vfs:///x?backup=b&volume=v");
        assert!(standby.get("backingImage").is_none());
        let volume = body(&backup, &Values::default(), 2, Wish::Volume);
        assert_eq!((&volume["name"], volume.get("standby")), (&json!("v"), None));
    }
}
