//! How a volume is to be used: as a file system or as a device, by one pod, one node or many.

use crate::csi::VolumeCapability;
use crate::csi::volume_capability::AccessType;
use crate::csi::volume_capability::access_mode::Mode;
use crate::failure::Failure;

/// What a volume gets where nothing was said.
pub const DEFAULT_FILESYSTEM: &str = "ext4";

/// In what form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    Block,
    Filesystem { kind: String, options: Vec<String> },
}

/// How many may use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// All pods of one node.
    Node,
    /// One pod.
    Pod,
}

/// A wish that can be fulfilled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    pub form: Form,
    pub sharing: Sharing,
}

impl Use {
    pub fn of(asked: Option<&VolumeCapability>) -> Result<Self, Failure> {
        let asked = asked.ok_or_else(|| Failure::missing("volume_capability"))?;
        let mode = asked.access_mode.as_ref().ok_or_else(|| Failure::missing("access_mode"))?;
        let sharing = sharing(mode.mode())?;
        let form = match asked.access_type.as_ref().ok_or_else(|| Failure::missing("access_type"))? {
            AccessType::Block(_) => Form::Block,
            AccessType::Mount(mount) => {
                Form::Filesystem { kind: filesystem(&mount.fs_type)?, options: mount.mount_flags.clone() }
            }
        };
        Ok(Self { form, sharing })
    }

    /// All of a request's wishes, of which there is at least one.
    pub fn all(asked: &[VolumeCapability]) -> Result<Vec<Self>, Failure> {
        if asked.is_empty() {
            return Err(Failure::missing("volume_capabilities"));
        }
        asked.iter().map(|one| Self::of(Some(one))).collect()
    }

    #[must_use]
    pub fn is_block(&self) -> bool {
        self.form == Form::Block
    }
}

fn sharing(mode: Mode) -> Result<Sharing, Failure> {
    match mode {
        Mode::SingleNodeWriter | Mode::SingleNodeMultiWriter => Ok(Sharing::Node),
        Mode::SingleNodeSingleWriter => Ok(Sharing::Pod),
        Mode::MultiNodeMultiWriter => Err(no_sharing()),
        Mode::Unknown | Mode::SingleNodeReaderOnly | Mode::MultiNodeReaderOnly | Mode::MultiNodeSingleWriter => {
            Err(Failure::invalid(
                format_args!("volumes can't be had with the access mode {}", mode.as_str_name()),
                "Use ReadWriteOnce or ReadWriteOncePod.",
            ))
        }
    }
}

/// Of a volume that many nodes mount.
#[must_use]
pub fn no_sharing() -> Failure {
    Failure::invalid(
        "this version has no volumes that several nodes mount at once (ReadWriteMany)",
        "Use ReadWriteOnce, and one pod, or pods of one node.",
    )
}

/// A name that becomes a part of a program's.
fn filesystem(asked: &str) -> Result<String, Failure> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    match asked {
        "" => Ok(DEFAULT_FILESYSTEM.to_owned()),
        name if name.len() <= 16 && name.bytes().all(is_plain) => Ok(name.to_owned()),
        name => Err(Failure::invalid(format_args!("{name:?} is no file system"), "Give ext4 or xfs.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::csi::volume_capability::{AccessMode, BlockVolume, MountVolume};

    fn asked(mode: Mode, access_type: AccessType) -> VolumeCapability {
        VolumeCapability { access_mode: Some(AccessMode { mode: mode.into() }), access_type: Some(access_type) }
    }

    fn mount(fs_type: &str) -> AccessType {
        AccessType::Mount(MountVolume { fs_type: fs_type.to_owned(), ..MountVolume::default() })
    }

    #[test]
    fn who_may_use_it() {
        for (mode, sharing) in [
            (Mode::SingleNodeWriter, Some(Sharing::Node)),
            (Mode::SingleNodeMultiWriter, Some(Sharing::Node)),
            (Mode::SingleNodeSingleWriter, Some(Sharing::Pod)),
            (Mode::MultiNodeMultiWriter, None),
            (Mode::MultiNodeReaderOnly, None),
            (Mode::MultiNodeSingleWriter, None),
            (Mode::SingleNodeReaderOnly, None),
            (Mode::Unknown, None),
        ] {
            let found = Use::of(Some(&asked(mode, AccessType::Block(BlockVolume {}))));
            assert_eq!(found.ok().map(|found| found.sharing), sharing, "{mode:?}");
        }
        let shared = Use::of(Some(&asked(Mode::MultiNodeMultiWriter, mount("")))).unwrap_err();
        assert!(shared.message.contains("ReadWriteMany"), "{shared}");
    }

    #[test]
    fn in_what_form() {
        let form = |kind: &str| Use::of(Some(&asked(Mode::SingleNodeWriter, mount(kind)))).map(|found| found.form);
        assert!(matches!(form("").unwrap(), Form::Filesystem { kind, .. } if kind == "ext4"));
        assert!(matches!(form("xfs").unwrap(), Form::Filesystem { kind, .. } if kind == "xfs"));
        for wrong in ["../x", "ext4 -F", "EXT4", "a-very-long-name-of-a-file-system"] {
            assert!(form(wrong).is_err(), "{wrong}");
        }
        assert!(Use::of(None).is_err() && Use::all(&[]).is_err());
        let nothing = VolumeCapability { access_type: None, ..asked(Mode::SingleNodeWriter, mount("")) };
        assert!(Use::of(Some(&nothing)).is_err());
    }
}
