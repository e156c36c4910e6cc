//! What a new volume is made of: nothing, a snapshot, a backup, a backing image, another volume.

use aurochs_api::size::{ByteSize, VOLUME_SIZE_ALIGNMENT};
use aurochs_api::volume::Volume;

use crate::csi::VolumeContentSource;
use crate::csi::volume_content_source::Type;
use crate::driver::Driver;
use crate::failure::{Failure, Kind};
use crate::handle::{Handle, Image};
use crate::parameters::{
    self, BACKING_IMAGE, DATA_SOURCE, FROM_BACKUP, IMAGE_CHECKSUM, IMAGE_SOURCE_PARAMETERS, IMAGE_SOURCE_TYPE,
    Parameters,
};

/// As the parameters of a volume say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Nothing,
    /// `vol://…` or `snap://…`.
    Data(String),
    /// Address of the backup.
    Backup(String),
    Image(Image),
}

impl Origin {
    /// Says it in the parameters, over what a class says.
    pub(super) fn enter(&self, parameters: &mut Parameters) -> Result<(), Failure> {
        let mut say = |key: &str, value: &str| parameters.insert(key.to_owned(), value.to_owned());
        match self {
            Self::Nothing => {}
            Self::Data(source) => {
                say(DATA_SOURCE, source);
            }
            Self::Backup(url) => {
                say(FROM_BACKUP, url);
            }
            Self::Image(image) => {
                say(BACKING_IMAGE, &image.name);
                say(IMAGE_SOURCE_TYPE, &image.source_type);
                say(IMAGE_CHECKSUM, &image.checksum);
                let made_of = serde_json::to_string(&image.parameters);
                let made_of = made_of.map_err(|error| Failure::internal(error, ""))?;
                say(IMAGE_SOURCE_PARAMETERS, &made_of);
            }
        }
        Ok(())
    }
}

/// Looks for the source, and whether it fits.
pub(super) async fn find(
    driver: &Driver,
    source: Option<&VolumeContentSource>,
    class: &Parameters,
    wanted: ByteSize,
) -> Result<Origin, Failure> {
    let Some(source) = asked(source)? else {
        check_class(driver, parameters::text(class, FROM_BACKUP), wanted).await?;
        return Ok(Origin::Nothing);
    };
    match source {
        Asked::Volume(name) => {
            let found = driver.manager().volume(name).await?;
            check_size("volume", name, found.size, wanted)?;
            Ok(Origin::Data(format!("vol://{name}")))
        }
        Asked::Handle(Handle::Snapshot { volume, snapshot }) => {
            let none = || Failure::new(Kind::NotFound, format_args!("volume {volume} has no snapshot {snapshot}"), "");
            let found = driver.manager().find_snapshot(&volume, &snapshot).await?.ok_or_else(none)?;
            // The volume may have grown since then; what is made of its snapshots has its size at least.
            let least = driver.manager().volume(&volume).await?.size.max(found.restore_size);
            if wanted < least {
                let message = format_args!(
                    "a volume made of snapshot {snapshot} has at least {} bytes, as volume {volume} has now, not {}",
                    least.bytes(),
                    wanted.bytes()
                );
                return Err(Failure::new(Kind::OutOfRange, message, "Ask for that size."));
            }
            Ok(Origin::Data(format!("snap://{volume}/{snapshot}")))
        }
        Asked::Handle(Handle::Backup { volume, backup }) => of_backup(driver, &volume, &backup, wanted).await,
        // It is looked for, and made, as one that a class names.
        Asked::Handle(Handle::Image(image)) => Ok(Origin::Image(image)),
    }
}

async fn of_backup(driver: &Driver, volume: &str, name: &str, wanted: ByteSize) -> Result<Origin, Failure> {
    let backups = driver.manager().backups(volume).await?;
    let found = backups.into_iter().find(|backup| backup.name == name);
    let none = || Failure::new(Kind::NotFound, format_args!("volume {volume} has no backup {name}"), "");
    let found = found.ok_or_else(none)?;
    if found.url.is_empty() {
        return Err(Failure::busy(format_args!("backup {name} is not complete yet")));
    }
    if let Ok(size) = found.volume_size.parse::<ByteSize>() {
        check_size("backup", name, size, wanted)?;
    }
    Ok(Origin::Backup(found.url))
}

/// A class may name a backup that all its volumes are made of: they have its size, whatever is asked for. That is said before
/// there is a volume that nobody can use.
async fn check_class(driver: &Driver, url: &str, wanted: ByteSize) -> Result<(), Failure> {
    let (Some(volume), Some(backup)) = (part(url, "volume"), part(url, "backup")) else { return Ok(()) };
    match of_backup(driver, volume, backup, wanted).await {
        // Addresses of other installations' backups are the manager's affair.
        Err(failure) if failure.is(Kind::NotFound) => Ok(()),
        checked => checked.map(drop),
    }
}

/// Of the query of a backup's address.
fn part<'a>(url: &'a str, key: &str) -> Option<&'a str> {
    let found = url.split(['?', '&']).skip(1).find_map(|part| part.strip_prefix(key)?.strip_prefix('='));
    found.filter(|value| !value.is_empty())
}

/// Longhorn's rule: a copy is as large as what it is a copy of. It can be expanded afterwards.
fn check_size(what: &str, name: &str, has: ByteSize, wanted: ByteSize) -> Result<(), Failure> {
    let has = has.round_up(VOLUME_SIZE_ALIGNMENT);
    if has == wanted {
        return Ok(());
    }
    let message = format_args!("a volume made of {what} {name} has {} bytes, not {}", has.bytes(), wanted.bytes());
    Err(Failure::new(Kind::OutOfRange, message, "Ask for that size, and expand the volume when it is there."))
}

/// For a volume that is there: what was asked for is what it was made of, or it is another one.
pub(super) fn known(found: &Volume, source: Option<&VolumeContentSource>) -> Result<Origin, Failure> {
    let other = || {
        let message = format_args!("volume {} is there and was not made of what is asked for", found.name);
        Failure::new(Kind::Exists, message, "Choose another name.")
    };
    let origin = match asked(source)? {
        None => Origin::Nothing,
        Some(Asked::Volume(name)) => Origin::Data(format!("vol://{name}")),
        Some(Asked::Handle(handle @ Handle::Snapshot { .. })) => Origin::Data(handle.to_string()),
        Some(Asked::Handle(Handle::Backup { volume, backup })) => {
            let (of, is) = (part(&found.from_backup, "volume"), part(&found.from_backup, "backup"));
            if of != Some(volume.as_str()) || is != Some(backup.as_str()) {
                return Err(other());
            }
            Origin::Backup(found.from_backup.clone())
        }
        Some(Asked::Handle(Handle::Image(image))) => Origin::Image(image),
    };
    let fits = match &origin {
        Origin::Nothing | Origin::Backup(_) => true,
        Origin::Data(source) => found.data_source == *source,
        Origin::Image(image) => found.backing_image == image.name,
    };
    if fits { Ok(origin) } else { Err(other()) }
}

enum Asked<'a> {
    Volume(&'a str),
    Handle(Handle),
}

fn asked(source: Option<&VolumeContentSource>) -> Result<Option<Asked<'_>>, Failure> {
    let Some(source) = source else { return Ok(None) };
    match source.r#type.as_ref().ok_or_else(|| Failure::missing("volume_content_source"))? {
        Type::Volume(volume) => Ok(Some(Asked::Volume(&volume.volume_id))),
        Type::Snapshot(snapshot) => Ok(Some(Asked::Handle(Handle::parse(&snapshot.snapshot_id)?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::csi::volume_content_source::{SnapshotSource, VolumeSource};

    fn snapshot(id: &str) -> VolumeContentSource {
        VolumeContentSource { r#type: Some(Type::Snapshot(SnapshotSource { snapshot_id: id.to_owned() })) }
    }

    #[test]
    fn one_that_is_there_was_made_of_the_same() {
        let copy = Volume { data_source: "snap://v/s".into(), ..Volume::default() };
        assert!(known(&copy, Some(&snapshot("snap://v/s"))).is_ok());
        assert_eq!(known(&copy, Some(&snapshot("snap://v/t"))).unwrap_err().kind, Kind::Exists);
        let other = VolumeContentSource { r#type: Some(Type::Volume(VolumeSource { volume_id: "v".into() })) };
        assert_eq!(known(&copy, Some(&other)).unwrap_err().kind, Kind::Exists);
        let restored = Volume { from_backup: "s3://b@r/?backup=backup-1&volume=v".into(), ..Volume::default() };
        let origin = known(&restored, Some(&snapshot("bs://v/backup-1"))).unwrap();
        assert_eq!(origin, Origin::Backup(restored.from_backup.clone()));
        assert!(known(&restored, Some(&snapshot("bak://v/backup-12"))).is_err());
        assert_eq!(known(&copy, None), Ok(Origin::Nothing), "a class may say it");
    }

    #[test]
    fn copies_have_the_size_of_their_source() {
        assert!(check_size("volume", "v", ByteSize(10 << 20), ByteSize(10 << 20)).is_ok());
        for wanted in [8, 12] {
            let failure = check_size("volume", "v", ByteSize(10 << 20), ByteSize(wanted << 20)).unwrap_err();
            assert_eq!(failure.kind, Kind::OutOfRange);
        }
    }
}
