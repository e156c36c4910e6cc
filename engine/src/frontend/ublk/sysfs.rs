//! What the kernel shows of its ublk devices.
//!
//! | file | |
//! |---|---|
//! | `/sys/class/ublk-char/ublkc<id>/dev` | number of the character device that its server opens |
//! | `/sys/block/ublkb<id>/dev` | number of the block device, while it is started |
//! | `/sys/block/ublkb<id>/size` | its size in sectors |

use std::io;
use std::path::{Path, PathBuf};

use super::layout::SECTOR_BYTES;
use crate::frontend::node::DeviceNumber;

/// `/sys`, elsewhere in tests.
#[derive(Clone, Debug)]
pub(super) struct Sysfs(PathBuf);

impl Default for Sysfs {
    fn default() -> Self {
        Self("/sys".into())
    }
}

impl Sysfs {
    #[cfg(test)]
    pub(super) fn at(root: &Path) -> Self {
        Self(root.to_owned())
    }

    /// All devices, also those that are not started.
    ///
    /// # Errors
    /// When they can't be seen; without the driver there are none.
    pub(super) fn ids(&self) -> io::Result<Vec<u32>> {
        let devices = match std::fs::read_dir(self.0.join("class/ublk-char")) {
            Ok(devices) => devices,
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.0.join("class").try_exists()? => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let names = devices.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
        Ok(names.iter().filter_map(|name| name.to_str()?.strip_prefix("ublkc")?.parse().ok()).collect())
    }

    pub(super) fn channel_number(&self, id: u32) -> io::Result<DeviceNumber> {
        number(&self.0.join(format!("class/ublk-char/ublkc{id}/dev")))
    }

    pub(super) fn block_number(&self, id: u32) -> io::Result<DeviceNumber> {
        number(&self.0.join(format!("block/ublkb{id}/dev")))
    }

    pub(super) fn size_bytes(&self, id: u32) -> io::Result<u64> {
        let text = std::fs::read_to_string(self.0.join(format!("block/ublkb{id}/size")))?;
        text.trim().parse::<u64>().map(|sectors| sectors * SECTOR_BYTES).map_err(io::Error::other)
    }
}

fn number(path: &Path) -> io::Result<DeviceNumber> {
    let text = std::fs::read_to_string(path)?;
    DeviceNumber::parse(&text).ok_or_else(|| io::Error::other(format!("{text:?} is no device number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_and_their_numbers_are_found() {
        let root = tempfile::tempdir().unwrap();
        let sysfs = Sysfs::at(root.path());
        assert!(sysfs.ids().is_err(), "sysfs is not mounted");
        std::fs::create_dir(root.path().join("class")).unwrap();
        assert_eq!(sysfs.ids().unwrap(), Vec::<u32>::new(), "without the driver there is no such directory");
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("class/ublk-char/ublkc12/dev", "241:12\n");
        put("class/ublk-char/other/dev", "1:1\n");
        put("block/ublkb12/dev", "259:3\n");
        put("block/ublkb12/size", "2048\n");
        assert_eq!(sysfs.ids().unwrap(), [12]);
        assert_eq!(sysfs.channel_number(12).unwrap(), DeviceNumber { major: 241, minor: 12 });
        assert_eq!(sysfs.block_number(12).unwrap(), DeviceNumber { major: 259, minor: 3 });
        assert_eq!(sysfs.size_bytes(12).unwrap(), 1 << 20);
        assert!(sysfs.block_number(3).is_err());
    }
}
