//! The block device of a volume on this node.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aurochs_api::size::ByteSize;
use aurochs_api::volume::{Frontend, Volume, VolumeState};
use nix::errno::Errno;
use nix::libc;
use nix::sys::stat::{major, minor};

use super::crypt;
use super::mounts::Number;
use crate::failure::{Failure, Kind};

/// Where attached volumes have their devices.
const DIRECTORY: &str = "/dev/longhorn";
/// A device that does not answer in this time is taken for one that does not answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);

/// Where it is, and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) path: PathBuf,
    pub(super) number: Number,
    /// Of one that shows what another stores encrypted: that one.
    pub(super) below: Option<Below>,
}

/// Where a device's bytes are stored: on the device at `path`, from `offset` bytes on to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Below {
    pub(super) path: PathBuf,
    pub(super) offset: u64,
}

impl Device {
    /// The device of a volume that is attached to this node, and that workloads may use.
    pub(super) fn of(volume: &Volume, node: &str) -> Result<Self, Failure> {
        let name = &volume.name;
        if volume.disable_frontend || !matches!(volume.frontend, Frontend::Blockdev | Frontend::Ublk) {
            let message = format_args!("volume {name} has no block device: it is attached without one");
            return Err(Failure::wrong_state(message, "Detach it, and let Kubernetes attach it."));
        }
        let [controller] = volume.controllers.as_slice() else {
            return Err(Failure::wrong_state(format_args!("volume {name} has not one engine: it is being moved"), ""));
        };
        if volume.state != VolumeState::Attached || controller.host_id != node || controller.endpoint.is_empty() {
            let place = if controller.host_id.is_empty() { "no node" } else { controller.host_id.as_str() };
            let message = format_args!("volume {name} is {:?} with {place}, not attached to {node}", volume.state);
            return Err(Failure::wrong_state(message, "It is tried again when Kubernetes has attached it."));
        }
        if !volume.ready {
            return Err(Failure::busy(format_args!("volume {name} is not ready: {}", volume.not_ready_message)));
        }
        Self::at(Path::new(&controller.endpoint))
    }

    pub(super) fn at(path: &Path) -> Result<Self, Failure> {
        let found = std::fs::metadata(path).map_err(|error| {
            let message = format_args!("the device {} can't be found: {error}", path.display());
            Failure::new(Kind::Busy, message, "Is the node's /dev mounted where the driver runs?")
        })?;
        if !found.file_type().is_block_device() {
            return Err(Failure::internal(format_args!("{} is no block device", path.display()), ""));
        }
        let number = Number { major: major(found.rdev()), minor: minor(found.rdev()) };
        Ok(Self { path: path.to_owned(), number, below: None })
    }

    /// The device of a node of the file system, whatever its path is; none for what is no block device, or is not there.
    pub(super) fn number_of(path: &Path) -> Option<Number> {
        let found = std::fs::metadata(path).ok().filter(|found| found.file_type().is_block_device())?;
        Some(Number { major: major(found.rdev()), minor: minor(found.rdev()) })
    }

    /// The volume whose device, or the plain side of whose device, has this number now; none for a device that is no more, or is
    /// not a volume's.
    pub(super) fn owner(number: Number) -> Option<String> {
        Self::volume(number).or_else(|| crypt::owner(number))
    }

    /// The volume whose own device has this number now.
    pub(super) fn volume(number: Number) -> Option<String> {
        let nodes = std::fs::read_dir(DIRECTORY).into_iter().flatten().flatten();
        let names = nodes.filter(|node| Self::number_of(&node.path()) == Some(number)).map(|node| node.file_name());
        // Names that begin with a dot are those of engines at work.
        names.filter_map(|name| name.into_string().ok()).find(|name| !name.starts_with('.'))
    }

    /// Of a volume that is attached to this node, as far as that can be told without the manager.
    pub(super) fn attached(volume: &str) -> Option<Self> {
        Self::at(&Path::new(DIRECTORY).join(volume)).ok()
    }

    pub(super) async fn size(&self) -> Result<ByteSize, Failure> {
        let path = self.path.clone();
        self.blocking("finding the size of", move || {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::End(0)).map(ByteSize)
        })
        .await
    }

    /// What the kernel has of it in memory is with the volume afterwards.
    pub(super) async fn write_out(&self) -> Result<(), Failure> {
        let path = self.path.clone();
        self.blocking("writing out", move || File::open(path)?.sync_all()).await
    }

    /// Opens it for ourselves alone. While the file is open nobody mounts or formats it; that somebody has it already, in
    /// whatever mount namespace, is [`Kind::Busy`].
    pub(super) async fn open_alone(&self) -> Result<File, Failure> {
        let path = self.path.clone();
        let opened = move || match OpenOptions::new().read(true).custom_flags(libc::O_EXCL).open(path) {
            Err(error) if error.raw_os_error() == Some(Errno::EBUSY as i32) => Ok(None),
            opened => opened.map(Some),
        };
        let opened = self.blocking("opening", opened).await?;
        opened.ok_or_else(|| {
            let message = format_args!("{} is in use: it is mounted, or being formatted", self.path.display());
            Failure::busy(message)
        })
    }

    /// Runs what may wait for the device.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        tried: &str,
        work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let path = self.path.display();
        let done = tokio::time::timeout(ANSWER_PATIENCE, tokio::task::spawn_blocking(work)).await;
        let Ok(done) = done else {
            let message = format_args!("{tried} {path} has not ended within {} s", ANSWER_PATIENCE.as_secs());
            return Err(Failure::new(Kind::TimedOut, message, "Does the volume answer? Look at its state."));
        };
        let done = done.map_err(|error| Failure::internal(format_args!("{tried} {path} broke: {error}"), ""))?;
        done.map_err(|error| {
            let kind = if error.kind() == ErrorKind::NotFound { Kind::Busy } else { Kind::Internal };
            Failure::new(kind, format_args!("{tried} {path} failed: {error}"), "Look at the state of the volume.")
        })
    }
}

#[cfg(test)]
mod tests {
    use aurochs_api::volume::Controller;

    use super::*;

    #[test]
    fn only_of_a_volume_that_is_here_and_ready() {
        let controller = Controller { host_id: "n".into(), endpoint: "/dev/null".into(), ..Controller::default() };
        let good =
            Volume { state: VolumeState::Attached, ready: true, controllers: vec![controller], ..Volume::default() };
        let kind = |volume: &Volume, node: &str| Device::of(volume, node).unwrap_err().kind;
        // It gets as far as looking at the device.
        assert_eq!(kind(&good, "n"), Kind::Internal);
        assert_eq!(kind(&good, "m"), Kind::WrongState);
        assert_eq!(kind(&Volume { ready: false, ..good.clone() }, "n"), Kind::Busy);
        assert_eq!(kind(&Volume { disable_frontend: true, ..good.clone() }, "n"), Kind::WrongState);
        assert_eq!(kind(&Volume { frontend: Frontend::Iscsi, ..good.clone() }, "n"), Kind::WrongState);
        assert_eq!(kind(&Volume { state: VolumeState::Detached, ..good.clone() }, "n"), Kind::WrongState);
        assert_eq!(kind(&Volume { controllers: Vec::new(), ..good }, "n"), Kind::WrongState);
    }
}
