//! `aurochs-engine launch-simple-longhorn`: the block device of a volume from one replica directory, and nothing else:
//! no cluster, no manager. Replica and engine run in this one process, in front of each other as they do on a node.
//!
//! The epoch of a start is above the highest that the directory has seen. The replica makes it durable before the
//! first request is served, so that epochs rise over restarts without any other file (see [`keeper`]).

mod directory;
mod keeper;
mod places;
mod size;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aurochs_api::ids::VolumeName;
use aurochs_api::size::ByteSize;
use clap::Args;
use tokio::task::JoinHandle;

use self::directory::Prepared;
use self::keeper::LoneKeeper;
use self::places::Places;
use super::nbd_tls::NbdTlsArguments;
use super::{EndRequests, ProgramError, terminal};
use crate::frontend::{
    FrontendError, IoErrorKind, Offering, ServeConfig, Serving, StopRefused, mounted_at, serve, tenure,
};
use crate::link::Address;
use crate::link::server::ReplicaServer;
use crate::replica::OpenOptions;
use crate::volume::Volume;
use crate::volume::start::StartOptions;

/// Name of the one replica; it is seen in messages only.
const REPLICA: &str = "the-only-replica";
/// How often a stop looks whether the device is free by now.
const FREE_INTERVAL: Duration = Duration::from_millis(500);

/// Offers a volume from one replica directory as a block device, without a cluster.
///
/// As root the device is /dev/longhorn/<name>; else, or with --frontend nbd, an NBD server on a unix socket. An empty
/// directory gets a new volume; one that Longhorn or Aurochs made is opened as it is. Runs in the foreground until
/// Ctrl-C or SIGTERM; while the device is mounted it waits for that to end, and a second Ctrl-C detaches it anyway.
///
/// A replica that an Aurochs cluster has served is refused: copies on other nodes would know nothing of what is written
/// here. With --take-over it leaves its cluster for good.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  aurochs-engine launch-simple-longhorn /srv/demo --name demo --size 10g
  aurochs-engine launch-simple-longhorn /var/lib/longhorn/replicas/pvc-1f2e-0a1b2c3d --name rescued
  aurochs-engine launch-simple-longhorn /srv/demo --name demo --frontend nbd --nbd-listen 127.0.0.1:10809
  aurochs-engine launch-simple-longhorn /srv/demo --name demo --frontend iscsi --iscsi-listen 127.0.0.1:3260")]
pub struct Arguments {
    /// Directory with volume.meta and the images, or an empty one.
    directory: PathBuf,
    /// Name of the volume and of its device.
    #[arg(long)]
    name: VolumeName,
    /// Size of a new volume: bytes, or with a unit that counts in 1024 (42kb, 42mb, 1g, 10Gi). One that is there
    /// keeps its size. [default: 1g]
    #[arg(long, value_parser = size::parse)]
    size: Option<ByteSize>,
    /// blockdev, nbd or iscsi (tgt-blockdev and tgt-iscsi are taken for blockdev and iscsi).
    #[arg(long, default_value = "blockdev", value_parser = frontend)]
    frontend: Offering,
    /// Where the NBD server has its unix socket; in a directory of the volume's own by default.
    #[arg(long)]
    nbd_socket: Option<PathBuf>,
    /// TCP address of the NBD server, such as 127.0.0.1:10809. Without TLS it serves everybody who reaches it.
    #[arg(long)]
    nbd_listen: Option<SocketAddr>,
    #[command(flatten)]
    nbd_tls: NbdTlsArguments,
    /// Address of an iSCSI portal, such as 127.0.0.1:3260. Repeat for several paths. With --frontend iscsi and without
    /// this it is a free port of the loopback address.
    #[arg(long)]
    iscsi_listen: Vec<SocketAddr>,
    /// File with the accounts that initiators log in with; without it anybody may log in.
    #[arg(long)]
    iscsi_chap_file: Option<PathBuf>,
    /// Launch a replica that an Aurochs cluster has served. The cluster refuses it from then on.
    #[arg(long)]
    take_over: bool,
    /// Sockets and mounts of running volumes; below /run as root.
    #[arg(long)]
    run_directory: Option<PathBuf>,
    /// Where the block device appears.
    #[arg(long, default_value = "/dev/longhorn")]
    device_directory: PathBuf,
}

fn frontend(text: &str) -> Result<Offering, String> {
    match text {
        "blockdev" | "tgt-blockdev" => Ok(Offering::BlockDevice),
        "nbd" => Ok(Offering::Nbd),
        "iscsi" | "tgt-iscsi" => Ok(Offering::Iscsi),
        other => Err(format!("{other:?} is no frontend; use blockdev, nbd or iscsi")),
    }
}

/// Runs until it is asked to end and the device is free.
///
/// # Errors
/// The directory cannot be used, or the volume not offered; a started volume that did not close cleanly.
pub async fn run(arguments: Arguments) -> Result<(), ProgramError> {
    let mut requests = EndRequests::listen()?;
    let prepared = directory::prepare(&arguments.directory, arguments.size, arguments.take_over)?;
    let places = Places::make(arguments.run_directory.as_deref(), &arguments.name)?;
    let running = Running::start(&arguments, &prepared, places).await?;
    terminal::print(&announcement(&arguments, &prepared, &running.serving))?;
    tokio::select! {
        () = requests.next() => {}
        () = running.volume.fenced() => {}
        reason = running.volume.frontend_failure() => {
            std::mem::forget(running);
            return Err(ProgramError::FrontendBroke(reason));
        }
    }
    running.stop(&mut requests).await
}

/// Everything that has to be ended again, the last started first.
struct Running {
    server: Arc<ReplicaServer>,
    listening: JoinHandle<()>,
    volume: Volume,
    serving: Serving,
    places: Places,
}

impl Running {
    async fn start(arguments: &Arguments, prepared: &Prepared, places: Places) -> Result<Self, ProgramError> {
        let address = Address::Unix(places.replica_socket());
        let listener = address.listen().await.map_err(|source| ProgramError::Io {
            what: format!("listen on {address}; is volume {} running already?", arguments.name),
            source,
        })?;
        let options = OpenOptions { revision_counter: prepared.revision_counter, no_checksums: true };
        let server = ReplicaServer::new(arguments.name.as_str(), REPLICA, arguments.directory.clone(), options);
        let listening = tokio::spawn(Arc::clone(&server).serve(listener));
        match Self::offer(arguments, prepared, &places, address).await {
            Ok((volume, serving)) => Ok(Self { server, listening, volume, serving, places }),
            Err(error) => {
                listening.abort();
                server.close().await?;
                places.clear();
                Err(error)
            }
        }
    }

    async fn offer(
        arguments: &Arguments,
        prepared: &Prepared,
        places: &Places,
        address: Address,
    ) -> Result<(Volume, Serving), ProgramError> {
        let epoch = prepared.epoch();
        let options = StartOptions {
            volume: arguments.name.to_string(),
            size: prepared.size,
            epoch,
            replicas: BTreeMap::from([(REPLICA.to_owned(), address)]),
            salvage: false,
        };
        let keeper = Arc::new(LoneKeeper::new(arguments.name.as_str(), epoch, REPLICA));
        let identity = directory::identity(&arguments.directory);
        let tenure = tenure::begin(places.directory(), epoch.0, identity.as_deref(), false);
        let tenure = tenure.map_err(FrontendError::from)?;
        let volume = Volume::start(options, keeper).await?;
        let config = ServeConfig {
            volume: arguments.name.to_string(),
            offering: arguments.frontend,
            runtime_dir: places.directory().to_path_buf(),
            device_dir: arguments.device_directory.clone(),
            nbd_socket: arguments.nbd_socket.clone(),
            nbd_tcp: arguments.nbd_listen,
            nbd_tls: arguments.nbd_tls.tls(),
            iscsi_portals: arguments.iscsi_listen.clone(),
            iscsi_chap: super::engine::chap(arguments.iscsi_chap_file.as_deref())?,
            tenure,
        };
        match serve(Arc::new(volume.clone()), config).await {
            Ok(serving) => Ok((volume, serving)),
            Err(error) => {
                if let Err(error) = volume.close().await {
                    tracing::warn!(%error, "the volume did not close cleanly");
                }
                Err(error.into())
            }
        }
    }

    /// Users first, data next, the directory last.
    async fn stop(self, requests: &mut EndRequests) -> Result<(), ProgramError> {
        stop_when_free(self.serving, requests).await;
        let closed = self.volume.close().await;
        self.listening.abort();
        let released = self.server.close().await;
        self.places.clear();
        match closed {
            // Nobody waits for a clean end of an engine that has lost its volume.
            Err(error) if error.kind != IoErrorKind::Shutdown => return Err(ProgramError::Close(error)),
            _ => released?,
        }
        terminal::print("stopped; the directory is closed\n")
    }
}

/// Waits for the last user of the device, unless a second request says that nobody will.
async fn stop_when_free(mut serving: Serving, requests: &mut EndRequests) {
    let mut told = false;
    loop {
        serving = match serving.stop(false).await {
            Ok(()) => return,
            Err(StopRefused { frontend, error }) => {
                if !std::mem::replace(&mut told, true) {
                    tell_why(&frontend.endpoint(), &error.to_string());
                }
                *frontend
            }
        };
        tokio::select! {
            () = requests.next() => break,
            () = tokio::time::sleep(FREE_INTERVAL) => {}
        }
    }
    super::engine::stop_frontends(serving).await;
}

fn tell_why(endpoint: &str, error: &str) {
    let mounts: Vec<_> =
        mounted_at(std::path::Path::new(endpoint)).iter().map(|path| path.display().to_string()).collect();
    let todo = match mounts.first() {
        Some(mount) => format!("umount {mount}"),
        None => "close what has it open".to_owned(),
    };
    terminal::tell(&format!(
        "not stopped yet: {error}\n  it stops by itself after: {todo}\n  Ctrl-C (or SIGTERM) again detaches it at once: \
         what is in memory is written first, and its users get I/O errors after that"
    ));
}

fn announcement(arguments: &Arguments, prepared: &Prepared, serving: &Serving) -> String {
    let endpoint = serving.endpoint();
    let made = if prepared.is_new { "new, empty" } else { "as it was left" };
    let mut text = format!(
        "volume {} ({}, {made}) from {}\n",
        arguments.name,
        ByteSize(prepared.size),
        arguments.directory.display()
    );
    let mut line = |name: &str, value: &str| text.push_str(&format!("  {name:13} {value}\n"));
    if serving.kind().is_some_and(crate::frontend::FrontendKind::gives_block_device) {
        line("device", &endpoint);
        if prepared.is_new {
            line("format", &format!("mkfs.ext4 {endpoint}"));
        }
        line("mount", &format!("mount {endpoint} /mnt"));
    } else {
        line("no device", serving.reason());
    }
    if let Some(uri) = serving.iscsi_uri() {
        line("iSCSI", &format!("{uri}    (try: iscsi-inq '{uri}')"));
    }
    for uri in [serving.nbd_uri(), serving.nbd_tcp_uri()].into_iter().flatten() {
        line("NBD", &format!("{uri}    (try: nbdinfo '{uri}')"));
    }
    line("stop", &format!("unmount it, then Ctrl-C here or: kill {}", std::process::id()));
    text
}
