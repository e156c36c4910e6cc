//! The StorageClass `longhorn` of the release: `longhorn-storageclass`. And `longhorn-static`, for claims of volumes that are
//! there already.
//!
//! A class can't be changed: when the text is another one, it is deleted and made anew. Claims and volumes that name it don't
//! notice. What somebody changed of a class of the same text (that it is not the default any more) stays.

use k8s_openapi::api::storage::v1::StorageClass;
use kube::Client;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::driver::DRIVER_NAME;
use super::super::dynamic::asked;
use super::{Error, STORAGE_CLASS, Said};
use crate::yaml;

/// Noted at the class: which text it was made of.
const MADE_OF: &str = "aurochs.io/made-of-text-sha256";
/// The class that the chart may give another text, and only that one: others are their owners'.
const NAME: &str = "longhorn";
const STATIC_NAME: &str = "longhorn-static";

pub(super) async fn take(client: &Client, said: &Said) -> Result<(), Error> {
    let classes: Api<StorageClass> = Api::all(client.clone());
    if let Some(wanted) = wanted(&said.text) {
        let there = asked("reading the StorageClass", classes.get_opt(NAME)).await?;
        if there.as_ref().and_then(made_of) != made_of(&wanted) {
            if there.is_some() {
                asked("deleting the StorageClass", classes.delete(NAME, &DeleteParams::default())).await?;
            }
            asked("making the StorageClass", classes.create(&PostParams::default(), &wanted)).await?;
            tracing::info!("made StorageClass {NAME}");
        }
    }
    if asked("reading the StorageClass", classes.get_opt(STATIC_NAME)).await?.is_none()
        && let Some(wanted) = static_class()
    {
        asked("making the StorageClass", classes.create(&PostParams::default(), &wanted)).await?;
    }
    Ok(())
}

fn made_of(class: &StorageClass) -> Option<&String> {
    class.metadata.annotations.as_ref()?.get(MADE_OF)
}

/// The class of this text. None where it is no such class, which the log says.
pub(super) fn wanted(text: &str) -> Option<StorageClass> {
    let refuse = |why: &str| {
        tracing::warn!(config_map = STORAGE_CLASS, "left out: {why}");
        None
    };
    let read = match yaml::read(text) {
        Ok(read) => read,
        Err(error) => return refuse(&error.to_string()),
    };
    let mut class: StorageClass = match serde_json::from_value(read) {
        Ok(class) => class,
        Err(error) => return refuse(&format!("it is no StorageClass: {error}")),
    };
    if class.metadata.name.as_deref() != Some(NAME) || class.provisioner != DRIVER_NAME {
        return refuse(&format!("it is no class {NAME} of the driver {DRIVER_NAME}"));
    }
    let digest = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    class.metadata.annotations.get_or_insert_default().insert(MADE_OF.to_owned(), digest);
    Some(class)
}

fn static_class() -> Option<StorageClass> {
    let class: Value = json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": STATIC_NAME},
        "provisioner": DRIVER_NAME,
        "allowVolumeExpansion": true,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
        "parameters": {"staleReplicaTimeout": "30"},
    });
    serde_json::from_value(class).ok()
}
