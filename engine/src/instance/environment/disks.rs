//! Directories that hold, or are to hold, replicas.

use std::path::{Path, PathBuf};

use aurochs_api::size::ByteSize;

use super::{Item, Severity};
use crate::instance::disk::{self, Disk, DiskError, Make};

pub(super) fn check(paths: &[PathBuf]) -> Vec<Item> {
    paths.iter().map(|path| item(path, disk::inspect(path, Make::Nothing))).collect()
}

fn item(path: &Path, found: Result<Disk, DiskError>) -> Item {
    let (name, severity) = (format!("disk {}", path.display()), Severity::Error);
    let disk = match found {
        Ok(disk) => disk,
        Err(error) => return Item::bad(&name, severity, error.to_string(), ""),
    };
    let kind = &disk.filesystem_type;
    if !disk.ability.write_error.is_empty() {
        let message = format!("no file can be written: {}", disk.ability.write_error);
        return Item::bad(&name, severity, message, "Make the directory writable for this user, or mount it writable.");
    }
    let lacks: Vec<&str> =
        [(disk.ability.direct_io, "direct I/O (O_DIRECT)"), (disk.ability.extent_map, "maps of files (FIEMAP)")]
            .into_iter()
            .filter_map(|(there, what)| (!there).then_some(what))
            .collect();
    if !lacks.is_empty() {
        let message =
            format!("the file system {kind} has no {}, without which no replica can be kept", lacks.join(" and no "));
        return Item::bad(&name, severity, message, "Use a directory on ext4 or xfs.");
    }
    let (free, all) = (ByteSize(disk.available_bytes), ByteSize(disk.maximum_bytes));
    let identity = if disk.uuid.is_empty() { "not a disk yet".to_owned() } else { format!("disk {}", disk.uuid) };
    let mounted = disk.mount_point.display();
    Item::good(&name, severity, format!("{free} of {all} free on {kind}, mounted at {mounted}; {identity}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::disk::Ability;

    #[test]
    fn what_a_disk_lacks() {
        let able = Ability { direct_io: true, extent_map: true, write_error: String::new() };
        let of =
            |ability| item(Path::new("/d"), Ok(Disk { ability, filesystem_type: "fat".into(), ..Disk::default() }));
        assert!(of(able.clone()).ok);
        let lacking = of(Ability { direct_io: false, extent_map: false, ..able.clone() });
        assert!(!lacking.ok && lacking.message.contains("fat has no direct I/O (O_DIRECT) and no maps"), "{lacking:?}");
        assert!(of(Ability { write_error: "gone".into(), ..able }).message.contains("gone"));
        let missing = item(Path::new("/d"), Err(DiskError::Missing("/d".into())));
        assert!(!missing.ok && missing.message.contains("there is no directory /d"));
    }
}
