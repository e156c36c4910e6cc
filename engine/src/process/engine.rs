//! `aurochs-engine engine`: the engine of one volume.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::sync::watch;

use super::nbd_tls::NbdTlsArguments;
use super::{ProgramError, asked_to_end, become_member};
use crate::frontend::iscsi::Chap;
use crate::frontend::tenure::{self, Tenure};
use crate::frontend::{FrontendError, FrontendKind, IoErrorKind, Offering, ServeConfig, Serving, StopRefused, serve};
use crate::grpc::engine_service::{Offer, Phase, Service};
use crate::grpc::engine_v1::engine_server::EngineServer;
use crate::grpc::keeper::InstanceManagerKeeper;
use crate::link::{Address, nearby};
use crate::volume::Volume;
use crate::volume::record::{Epoch, Keeper};
use crate::volume::snapshot_limits::{self, SnapshotLimits};
use crate::volume::start::{StartError, StartOptions};
use crate::volume::watchdog;

/// How long the start of the frontends may go on after the process was asked to end.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// How long the file systems on a device that is taken away may take to write what they have in memory.
const SYNC_PATIENCE: Duration = Duration::from_secs(60);

/// The engine of one volume.
#[derive(Debug, Args)]
pub struct Arguments {
    #[arg(long)]
    volume: String,
    /// Name of this engine.
    #[arg(long)]
    name: String,
    /// Size of the volume in bytes.
    #[arg(long)]
    size: u64,
    /// Epoch of this start, already raised in the control record.
    #[arg(long)]
    epoch: u64,
    /// A replica and where it listens: name=address. Repeat for each.
    #[arg(long = "replica", value_parser = name_and_address)]
    replicas: Vec<(String, Address)>,
    /// How the volume is offered: blockdev, nbd, iscsi, or empty for maintenance.
    #[arg(long, default_value = "", value_parser = offering)]
    frontend: Offering,
    /// Where the gRPC service listens.
    #[arg(long)]
    listen: Address,
    /// Address of the instance manager that keeps the control record.
    #[arg(long)]
    keeper: Address,
    /// Directory of this process's certificate for other machines (ca.crt, tls.crt, tls.key).
    #[arg(long)]
    tls: Option<PathBuf>,
    /// Sockets and mounts of this node's volumes.
    #[arg(long)]
    run_directory: PathBuf,
    /// Where the block device appears.
    #[arg(long, default_value = "/dev/longhorn")]
    device_directory: PathBuf,
    /// TCP address of the NBD server; without it the server is on its unix socket only.
    #[arg(long)]
    nbd_listen: Option<SocketAddr>,
    #[command(flatten)]
    nbd_tls: NbdTlsArguments,
    /// Address of an iSCSI portal. Repeat for several paths. Without one there is no target, or with --frontend iscsi
    /// one on a free port of the loopback address.
    #[arg(long)]
    iscsi_listen: Vec<SocketAddr>,
    /// File with the accounts that initiators log in with (docs/frontends.md); without it anybody may log in.
    #[arg(long)]
    iscsi_chap_file: Option<PathBuf>,
    /// Live snapshots that the volume may have, at most 250.
    #[arg(long, default_value_t = snapshot_limits::DEFAULT_COUNT, value_parser = clap::value_parser!(u32).range(1..=i64::from(snapshot_limits::DEFAULT_COUNT)))]
    snapshot_max_count: u32,
    /// Bytes that the head and the live snapshots may take together; 0 for no limit.
    #[arg(long, default_value_t = 0)]
    snapshot_max_size: u64,
    /// Go on with another replica if none of those with all data can be used. Loses every acknowledged write that it
    /// lacks; only for replicas that are lost for ever.
    #[arg(long)]
    salvage: bool,
    /// Discards mark the snapshots below the head as removed and free what they hold.
    #[arg(long)]
    unmap_mark_snap_chain_removed: bool,
    /// Seconds after which a replica that lets a request wait, while another one answers, is dropped.
    #[arg(long, default_value_t = watchdog::REPLICA_TIMEOUT.as_secs(), value_parser = clap::value_parser!(u64).range(1..=300))]
    replica_timeout: u64,
}

fn name_and_address(text: &str) -> Result<(String, Address), String> {
    let (name, address) = text.split_once('=').ok_or("it has to be name=address")?;
    Ok((name.to_owned(), address.parse().map_err(|error| format!("{error}"))?))
}

fn offering(text: &str) -> Result<Offering, String> {
    match text {
        "blockdev" => Ok(Offering::BlockDevice),
        "nbd" => Ok(Offering::Nbd),
        "iscsi" => Ok(Offering::Iscsi),
        "" => Ok(Offering::Nothing),
        other => Err(format!("{other:?} is no frontend of this version; use blockdev, nbd, iscsi or nothing")),
    }
}

/// Runs until it is asked to end, or a newer engine owns the volume.
pub async fn run(arguments: Arguments) -> Result<(), ProgramError> {
    let asked = asked_to_end()?;
    // A wrong one is told of before anything is touched.
    let chap = chap(arguments.iscsi_chap_file.as_deref())?;
    become_member(arguments.tls.as_deref())?;
    nearby::set(&arguments.listen, arguments.run_directory.clone());
    let (phase, phases) = watch::channel(Phase::Starting { volume: arguments.volume.clone() });
    let listener = arguments
        .listen
        .listen()
        .await
        .map_err(|source| ProgramError::Io { what: format!("listen on {}", arguments.listen), source })?;
    let connections = async_stream::stream! {
        loop {
            yield listener.accept().await;
        }
    };
    let server = tonic::transport::Server::builder().add_service(EngineServer::new(Service { phase: phases }));
    let grpc = tokio::spawn(server.serve_with_incoming(connections));
    let keeper = Arc::new(InstanceManagerKeeper::new(crate::grpc::connect::channel(&arguments.keeper)));
    let options = StartOptions {
        volume: arguments.volume.clone(),
        size: arguments.size,
        epoch: Epoch(arguments.epoch),
        replicas: arguments.replicas.iter().cloned().collect::<BTreeMap<_, _>>(),
        salvage: arguments.salvage,
    };
    tokio::pin!(asked);
    let start = async {
        let tenure = begin(&arguments, keeper.as_ref()).await?;
        Ok::<_, ProgramError>((tenure, Volume::start(options, keeper).await?))
    };
    let (tenure, volume) = tokio::select! {
        started = start => started?,
        // Nothing was served: the next start finds things as after a crash.
        () = &mut asked => return Ok(()),
    };
    volume.set_snapshot_limits(SnapshotLimits {
        max_count: arguments.snapshot_max_count,
        max_size_bytes: arguments.snapshot_max_size,
    });
    volume.set_unmap_mark_snap_chain_removed(arguments.unmap_mark_snap_chain_removed);
    volume.set_replica_timeout(Duration::from_secs(arguments.replica_timeout));
    refuse_unfinished(&volume, arguments.frontend).await?;
    let places = places(&arguments, chap, tenure);
    let (serving, is_asked) = start_frontends(&volume, places, asked.as_mut()).await?;
    volume.offered_by(serving.resizer()).await;
    tracing::info!(engine = arguments.name, endpoint = serving.endpoint(), reason = serving.reason(), "volume is up");
    phase.send_replace(Phase::Up { volume: volume.clone(), offer: offer(&serving) });
    tokio::select! {
        () = std::future::ready(()), if is_asked => {}
        () = &mut asked, if !is_asked => {}
        () = volume.fenced() => {}
        reason = volume.frontend_failure() => {
            phase.send_replace(Phase::Stopping { volume: arguments.volume.clone() });
            // Stopping it would fail what its users wait for, which the next engine may still answer.
            std::mem::forget(serving);
            return Err(ProgramError::FrontendBroke(reason));
        }
        // The server ends only with a fault of its own; the volume goes down cleanly, and is started again.
        _ = grpc => {}
    }
    phase.send_replace(Phase::Stopping { volume: arguments.volume.clone() });
    volume.will_close();
    stop_frontends(serving).await;
    match volume.close().await {
        // Nobody waits for a clean end of an engine that has lost its volume.
        Err(error) if error.kind != IoErrorKind::Shutdown => Err(ProgramError::Close(error)),
        _ => Ok(()),
    }
}

/// A volume whose restore is not complete is neither the backup nor what it was before: nobody may take it for either.
async fn refuse_unfinished(volume: &Volume, offering: Offering) -> Result<(), ProgramError> {
    let Some(backup) = volume.unfinished_restore().filter(|_| offering != Offering::Nothing) else { return Ok(()) };
    if let Err(error) = volume.close().await {
        tracing::warn!(%error, "the volume did not close cleanly");
    }
    Err(ProgramError::NotRestored { volume: volume.name().to_owned(), backup })
}

/// Which volume of the name it is stands in the control record.
async fn begin(arguments: &Arguments, keeper: &dyn Keeper) -> Result<Tenure, ProgramError> {
    let record = keeper.get(&arguments.volume).await.map_err(StartError::from)?;
    let (epoch, salvage) = (arguments.epoch, arguments.salvage);
    let begun = tenure::begin(&runtime_dir(arguments), epoch, Some(&record.incarnation), salvage);
    Ok(begun.map_err(FrontendError::from)?)
}

fn runtime_dir(arguments: &Arguments) -> PathBuf {
    arguments.run_directory.join("volumes").join(&arguments.volume)
}

/// The second value says whether the process was asked to end meanwhile. A device that is being set up is finished even
/// then: half of one would be left to the next engine to clear away.
async fn start_frontends(
    volume: &Volume,
    places: ServeConfig,
    mut asked: Pin<&mut impl Future<Output = ()>>,
) -> Result<(Serving, bool), ProgramError> {
    let starting = serve(Arc::new(volume.clone()), places);
    tokio::pin!(starting);
    let (started, is_asked) = tokio::select! {
        started = &mut starting => (started, false),
        () = &mut asked => match tokio::time::timeout(START_PATIENCE, &mut starting).await {
            Ok(started) => (started, true),
            Err(_) => return Err(ProgramError::NotOffered { seconds: START_PATIENCE.as_secs() }),
        },
    };
    match started {
        Ok(serving) => Ok((serving, is_asked)),
        Err(error) => {
            // Nothing was written: a clean end spares the next start the comparison of all members.
            if let Err(error) = volume.close().await {
                tracing::warn!(%error, "the volume did not close cleanly");
            }
            Err(error.into())
        }
    }
}

fn places(arguments: &Arguments, iscsi_chap: Option<Chap>, tenure: Tenure) -> ServeConfig {
    ServeConfig {
        volume: arguments.volume.clone(),
        offering: arguments.frontend,
        runtime_dir: runtime_dir(arguments),
        device_dir: arguments.device_directory.clone(),
        nbd_socket: None,
        nbd_tcp: arguments.nbd_listen,
        nbd_tls: arguments.nbd_tls.tls(),
        iscsi_portals: arguments.iscsi_listen.clone(),
        iscsi_chap,
        tenure,
    }
}

/// The accounts of an iSCSI target, from their file.
pub(super) fn chap(file: Option<&Path>) -> Result<Option<Chap>, ProgramError> {
    file.map(Chap::read).transpose().map_err(|error| ProgramError::Usage(error.to_string()))
}

fn offer(serving: &Serving) -> Offer {
    let nbd = serving.nbd_tcp_uri().or_else(|| serving.nbd_uri());
    Offer {
        frontend: serving.kind().map(FrontendKind::name).unwrap_or_default().to_owned(),
        reason: serving.reason().to_owned(),
        endpoint: serving.endpoint(),
        nbd_uri: nbd.unwrap_or_default(),
        resizer: serving.resizer(),
    }
}

/// A device that is still mounted is synced first and then detached all the same: whoever asked the process to end has
/// decided, and what the file system had in memory is on the replicas.
pub(super) async fn stop_frontends(serving: Serving) {
    let endpoint = serving.endpoint();
    let node = std::path::Path::new(&endpoint);
    crate::frontend::freeze::thaw_before_stop(node).await;
    let mounted_at = crate::frontend::mounted_at(node);
    let Err(StopRefused { frontend, error }) = serving.stop(false).await else { return };
    tracing::warn!(%error, ?mounted_at, "still in use; synced and detached");
    let synced = tokio::task::spawn_blocking(move || {
        for mount in mounted_at {
            let synced = std::fs::File::open(&mount)
                .and_then(|directory| nix::unistd::syncfs(&directory).map_err(std::io::Error::from));
            if let Err(error) = synced {
                tracing::error!(mount = %mount.display(), %error, "could not sync the file system");
            }
        }
    });
    if tokio::time::timeout(SYNC_PATIENCE, synced).await.is_err() {
        let seconds = SYNC_PATIENCE.as_secs();
        tracing::error!(seconds, "the volume does not take what its file system has in memory; detached all the same");
    }
    if let Err(StopRefused { error, .. }) = frontend.stop(true).await {
        tracing::error!(%error, "frontend did not stop");
    }
}
