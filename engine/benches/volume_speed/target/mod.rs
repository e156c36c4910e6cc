//! Everything that is measured side by side, started at once, each on a fully written image of its own.

pub(crate) mod images;
mod peers;
pub(crate) mod volume;

use crate::fio::Place;
use crate::ladder;
use crate::server::{Counted, Server, run};
use crate::settings::Settings;
use crate::workplace::Workplace;

use self::images::Images;
use self::volume::{Offer, Spec, Storage, Volume};

pub(crate) const RAW: &str = "raw";
pub(crate) const NBD_1: &str = "ours-nbd-1";
pub(crate) const NBD_3: &str = "ours-nbd-3";
/// With checksums of blocks.
pub(crate) const CHECKED_1: &str = "ours-nbd-1-checked";
pub(crate) const CHECKED_3: &str = "ours-nbd-3-checked";
pub(crate) const ISCSI_1: &str = "ours-iscsi-1";
pub(crate) const ISCSI_3: &str = "ours-iscsi-3";
pub(crate) const LOOP_3: &str = "ours-loop-3";
pub(crate) const TGT: &str = "tgt-aio";
pub(crate) const QSD: &str = "qsd-nbd";
pub(crate) const NBDKIT: &str = "nbdkit";
pub(crate) const NBDFUSE: &str = "nbdfuse-loop";

/// In the order of the tables.
pub(crate) const NAMES: [&str; 21] = [
    RAW,
    QSD,
    NBDKIT,
    TGT,
    NBDFUSE,
    NBD_1,
    NBD_3,
    CHECKED_1,
    CHECKED_3,
    ISCSI_1,
    ISCSI_3,
    LOOP_3,
    ladder::bare_hops::BARE_1,
    ladder::bare_hops::BARE_3,
    ladder::FRONTEND,
    ladder::ISCSI,
    ladder::FUSE_LOOP,
    ladder::LINK_1,
    ladder::LINK_3,
    ladder::MEMORY_1,
    ladder::MEMORY_3,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The bare file.
    Raw,
    /// A server for clients of a network protocol.
    Server,
    /// A block device of this machine.
    BlockDevice,
    /// A part of a volume, for the ladder.
    Step,
    /// The hops of a volume alone, which every bound can be held against.
    BareHops,
}

pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) place: Place,
    /// Bytes.
    pub(crate) size: u64,
    /// The processes behind it; several targets may share them.
    pub(crate) servers: Vec<Counted>,
}

/// All targets and what keeps them up.
#[derive(Default)]
pub(crate) struct Running {
    pub(crate) targets: Vec<Target>,
    pub(crate) servers: Vec<Server>,
    pub(crate) volumes: Vec<Volume>,
    /// Detached at the end, before their servers go.
    pub(crate) loop_devices: Vec<String>,
}

impl Running {
    pub(crate) async fn stop(self) {
        for device in self.loop_devices {
            run("losetup", ["--detach", &device]).await;
        }
        for volume in self.volumes {
            volume.stop().await;
        }
        for server in self.servers.into_iter().rev() {
            server.stop().await;
        }
    }
}

/// Starts what was asked for. What this machine or this engine does not have is left out; `absent` says what and why.
pub(crate) async fn start(settings: &Settings, workplace: &Workplace, absent: &mut Vec<String>) -> Running {
    let mut running = Running::default();
    let images = Images::new(workplace, settings.size());
    if settings.wants(RAW) {
        let place = Place::File(images.full("raw").await);
        running.targets.push(Target { name: RAW, kind: Kind::Raw, place, size: settings.size(), servers: vec![] });
    }
    peers::start(settings, workplace, &images, &mut running).await;
    start_volumes(settings, workplace, &images, &mut running, absent).await;
    ladder::start(settings, workplace, &images, &mut running).await;
    running
}

/// One volume with one replica and one with three; all frontends of a volume have the same processes behind them.
async fn start_volumes(
    settings: &Settings,
    workplace: &Workplace,
    images: &Images,
    running: &mut Running,
    absent: &mut Vec<String>,
) {
    for (copies, nbd, iscsi, device) in [(1, NBD_1, ISCSI_1, None), (3, NBD_3, ISCSI_3, Some(LOOP_3))] {
        let device = device.filter(|name| settings.wants(name));
        let mut with_iscsi = settings.wants(iscsi);
        if with_iscsi && !volume::has_iscsi(settings).await {
            absent.push(format!("{iscsi}: this engine has no iSCSI target"));
            with_iscsi = false;
        }
        if !settings.wants(nbd) && !with_iscsi && device.is_none() {
            continue;
        }
        let name = format!("bench-{copies}");
        let offer = Offer { iscsi: with_iscsi, block_device: device.is_some(), ..Offer::default() };
        let spec = Spec { name: &name, size: settings.size(), copies, storage: Storage::Disk, offer };
        let volume = Volume::start(settings, workplace, &spec).await;
        images.fill(&volume.nbd_uri).await;
        let mut push = |name, kind, place| {
            let (size, servers) = (settings.size(), volume.counted());
            running.targets.push(Target { name, kind, place, size, servers });
        };
        if settings.wants(nbd) {
            push(nbd, Kind::Server, Place::Nbd(volume.nbd_uri.clone()));
        }
        if let Some(url) = &volume.iscsi_url {
            push(iscsi, Kind::Server, Place::Iscsi(url.clone()));
        }
        if let Some((name, path)) = device.zip(volume.device.clone()) {
            push(name, Kind::BlockDevice, Place::File(path));
        }
        running.volumes.push(volume);
    }
    for (copies, target) in [(1, CHECKED_1), (3, CHECKED_3)] {
        if !settings.wants(target) {
            continue;
        }
        let name = format!("bench-checked-{copies}");
        let (storage, offer) = (Storage::Checked, Offer::default());
        let spec = Spec { name: &name, size: settings.size(), copies, storage, offer };
        let volume = Volume::start(settings, workplace, &spec).await;
        images.fill(&volume.nbd_uri).await;
        let (size, servers, place) = (settings.size(), volume.counted(), Place::Nbd(volume.nbd_uri.clone()));
        running.targets.push(Target { name: target, kind: Kind::Server, place, size, servers });
        running.volumes.push(volume);
    }
}
