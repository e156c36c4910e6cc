//! A new backing image: by download, from a file of this machine, from a volume or from another image.

use leptos::prelude::*;
use serde_json::{Map, Value, json};

use super::upload::begin_upload;
use crate::api;
use crate::components::dialog::Tone;
use crate::components::form::{Field, Values};
use crate::dialogs::{FormQuestion, Sending, ask_form};
use crate::live::Live;
use crate::words::{fill, tr};

const NAME_LENGTH_MAXIMUM: usize = 63;
/// Longhorn's default.
const COPIES: i64 = 1;
const COPIES_MAXIMUM: i64 = 20;
const CHECKSUM_LENGTH: usize = 128;

pub(crate) fn ask_create(live: Live, images: Vec<String>) {
    let volumes = untrack(|| live.volumes.all()).iter().map(|volume| volume.name.clone()).collect();
    ask_form(FormQuestion {
        title: tr("New backing image").to_owned(),
        answer: "Create image",
        tone: Tone::Plain,
        intro: None,
        fields: fields(volumes, images),
        preview: None,
        submit: Callback::new(|values: Values| {
            Box::pin(async move {
                let made = api::post("v1/backingimages", &body(&values)).await?;
                let name = made.text("name").to_owned();
                if let Some(file) = values.file("file") {
                    // The dialog of the form closes after this; then the one of the upload opens.
                    begin_upload(name.clone(), file);
                }
                Ok(fill("Backing image {} is being made.", &[&name]))
            }) as Sending
        }),
    });
}

fn fields(volumes: Vec<String>, images: Vec<String>) -> Vec<Field> {
    let choice = |key: &str, words: &str| (key.to_owned(), words.to_owned());
    let names = |names: Vec<String>| names.into_iter().map(|name| (name.clone(), name)).collect::<Vec<_>>();
    let sources = vec![
        choice("download", tr("Download from an address")),
        choice("upload", tr("Upload a file")),
        choice("export-from-volume", tr("Export a volume")),
        choice("clone", tr("Copy another image")),
    ];
    vec![
        Field::text("name", "Name").required().check(check_name),
        Field::select("sourceType", "Created from", sources),
        Field::text("url", "Address")
            .required()
            .check(web_address)
            .when(|values| values.text("sourceType") == "download")
            .hint("A raw or qcow2 image, by http or https."),
        Field::file("file", "File")
            .required()
            .when(|values| values.text("sourceType") == "upload")
            .hint("A raw or qcow2 image."),
        Field::select("volume", "Volume", names(volumes))
            .required()
            .when(|values| values.text("sourceType") == "export-from-volume"),
        Field::select("format", "Format", vec![choice("raw", "raw"), choice("qcow2", "qcow2")])
            .when(|values| values.text("sourceType") == "export-from-volume"),
        Field::select("image", "Backing image", names(images))
            .required()
            .when(|values| values.text("sourceType") == "clone"),
        Field::number("minNumberOfCopies", "Minimum number of copies", 1, COPIES_MAXIMUM).value(COPIES),
        Field::text("expectedChecksum", "Expected checksum (SHA-512)")
            .check(check_checksum)
            .advanced()
            .hint("What comes is refused unless it has it."),
        Field::tags("nodeSelector", "Node tags").advanced(),
        Field::tags("diskSelector", "Disk tags").advanced(),
    ]
}

fn body(values: &Values) -> Value {
    let mut parameters = Map::new();
    let mut parameter = |name: &str, value: String| drop(parameters.insert(name.to_owned(), json!(value)));
    match &*values.text("sourceType") {
        "download" => parameter("url", values.text("url").trim().to_owned()),
        "export-from-volume" => {
            parameter("volume-name", values.text("volume"));
            parameter("export-type", values.text("format"));
        }
        "clone" => {
            parameter("backing-image", values.text("image"));
            parameter("encryption", "ignore".to_owned());
        }
        _ => {}
    }
    json!({
        "name": values.text("name").trim(),
        "sourceType": values.text("sourceType"),
        "parameters": parameters,
        "expectedChecksum": values.text("expectedChecksum").trim(),
        "minNumberOfCopies": values.at("minNumberOfCopies"),
        "nodeSelector": values.tags("nodeSelector"),
        "diskSelector": values.tags("diskSelector"),
        "dataEngine": "v1",
    })
}

fn check_name(name: &str, _: &Values) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let good = name.len() <= NAME_LENGTH_MAXIMUM
        && name.chars().all(plain)
        && edge(name.chars().next())
        && edge(name.chars().last());
    let wrong = tr("Give lower-case letters, digits, hyphens and dots, with a letter or digit at both ends.");
    if good { Ok(()) } else { Err(wrong.to_owned()) }
}

fn web_address(address: &str, _: &Values) -> Result<(), String> {
    let good = address.starts_with("http://") || address.starts_with("https://");
    if good { Ok(()) } else { Err(tr("Begin with http:// or https://.").to_owned()) }
}

fn check_checksum(checksum: &str, _: &Values) -> Result<(), String> {
    let digits = checksum.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let good = checksum.is_empty() || (checksum.len() == CHECKSUM_LENGTH && digits);
    if good { Ok(()) } else { Err(tr("Give 128 hexadecimal digits, in lower case.").to_owned()) }
}
