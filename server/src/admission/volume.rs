//! Volumes: "Volume defaults set by the mutator" and "Volume validation" of the facts.

use aurochs_api::ids::VolumeName;
use aurochs_api::volume::VolumeCreateInput;
use serde_json::Value;

use super::Judge;
use super::asked::Asked;
use super::review::Operation;
use crate::controllers::volume::default_group;
use crate::error::{ApiError, ErrorKind};
use crate::resources::volume::{LABEL_BACKUP_TARGET, VolumeSpec};
use crate::resources::{Object, Volume};
use crate::routes::volume::{create, expand, new_volume, rules};

/// A new volume becomes what the same wish over the API becomes; a larger one gets what has to go with its size.
pub(super) async fn complete(judge: &Judge, asked: &mut Asked<Volume>) -> Result<(), ApiError> {
    match &asked.before {
        None => complete_new(judge, asked).await,
        Some(before) if before.spec.size != asked.object.spec.size => {
            let size = new_volume::size(&asked.object.spec.size.bytes().to_string())?;
            expand::grow(&mut asked.object.spec, size);
            Ok(())
        }
        Some(_) => Ok(()),
    }
}

async fn complete_new(judge: &Judge, asked: &mut Asked<Volume>) -> Result<(), ApiError> {
    let wish = wish(asked)?;
    let made = create::spec(&judge.store, &judge.settings, &judge.backups, wish).await?;
    let volume = &mut asked.object;
    let told = std::mem::take(&mut volume.spec);
    // What a wish over the API can't say.
    volume.spec = VolumeSpec {
        node_id: told.node_id,
        engine_node_id: told.engine_node_id,
        migration_node_id: told.migration_node_id,
        disable_frontend: told.disable_frontend,
        image: if told.image.is_empty() { made.image.clone() } else { told.image },
        last_attached_by: told.last_attached_by,
        snapshot_hashing_requested_at: told.snapshot_hashing_requested_at,
        ..made
    };
    let target = volume.spec.backup_target_name.clone();
    volume.metadata.labels.entry(LABEL_BACKUP_TARGET.to_owned()).or_insert(target);
    default_group::join(volume);
    Ok(())
}

/// The manifest's spec as the body of a create. It has the same fields, but for one.
fn wish(asked: &Asked<Volume>) -> Result<VolumeCreateInput, ApiError> {
    let mut fields = asked.sent.clone();
    if let Some(standby) = fields.remove("Standby") {
        fields.insert("standby".to_owned(), standby);
    }
    fields.insert("name".to_owned(), asked.object.name().into());
    serde_json::from_value(Value::Object(fields)).map_err(|error| {
        let message = format_args!("the spec of volume {} can't be read: {error}", asked.object.name());
        ApiError::new(ErrorKind::Invalid, message, "kubectl explain volumes.longhorn.io.spec tells what it can be.")
    })
}

pub(super) fn check(judge: &Judge, asked: &Asked<Volume>) -> Result<(), ApiError> {
    let volume = &asked.object;
    match (asked.operation, &asked.before) {
        (Operation::Create, _) => {
            let name: Result<VolumeName, _> = volume.name().parse();
            name.map_err(|error| ApiError::new(ErrorKind::Invalid, error, "Choose another name."))?;
            new_volume::check_found(volume.name(), &volume.spec, &judge.settings)
        }
        (Operation::Update, Some(before)) if !asked.is_going() && before.spec != volume.spec => {
            check_change(before, volume)
        }
        _ => Ok(()),
    }
}

fn check_change(before: &Object<Volume>, after: &Object<Volume>) -> Result<(), ApiError> {
    let (was, is) = (&before.spec, &after.spec);
    let is_valid_before = was.backup_block_size.bytes() > 0;
    for (field, stays) in [
        ("dataSource", was.data_source == is.data_source),
        ("cloneMode", was.clone_mode == is.clone_mode),
        ("dataEngine", was.data_engine == is.data_engine),
        ("backupCompressionMethod", was.backup_compression_method == is.backup_compression_method),
        ("backupBlockSize", was.backup_block_size == is.backup_block_size || !is_valid_before),
        ("encrypted", was.encrypted == is.encrypted),
    ] {
        if !stays {
            let message = format_args!("{field} of volume {} can't be changed", after.name());
            return Err(ApiError::new(ErrorKind::Invalid, message, "Leave it as it is, or make another volume."));
        }
    }
    expand::check_growth(before, is.size)?;
    rules::strict_local_change(before, is.data_locality)?;
    new_volume::check_changed(after.name(), is)
}
