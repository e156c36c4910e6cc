//! `aurochs-engine instance-manager`: one per node.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures::Stream;
use tokio::sync::Notify;

use super::{ProgramError, asked_to_end, become_member};
use crate::grpc::instance_v1::instance_manager_server::InstanceManagerServer;
use crate::instance::disk::{Health, Looks};
use crate::instance::host;
use crate::instance::images::Images;
use crate::instance::process::{Network, Processes, Settings};
use crate::instance::records::{ApiServerRecords, RecordFiles, Records};
use crate::instance::service::Service;
use crate::instance::trim::Trims;
use crate::link::Address;
use crate::link::address::Listener;

/// The instance manager of one node.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the node.
    #[arg(long)]
    node: String,
    /// The node's data directory: its default disk, and logs of its processes.
    #[arg(long)]
    data: PathBuf,
    /// Control records of volumes; shared by all nodes of one machine.
    #[arg(long)]
    records: PathBuf,
    /// Sockets and notes of running processes.
    #[arg(long)]
    run_dir: PathBuf,
    /// Where block devices appear.
    #[arg(long, default_value = "/dev/longhorn")]
    dev_dir: PathBuf,
    /// Where to listen; <run-dir>/im.sock by default.
    #[arg(long)]
    listen: Option<Address>,
    /// Where other machines reach it, over TLS, IP[:PORT]; its processes get ports of the same address.
    #[arg(long, value_name = "IP[:PORT]", requires = "tls", value_parser = instance_address)]
    instance_address: Option<SocketAddr>,
    /// Directory of the certificate for other machines (ca.crt, tls.crt, tls.key), of this process and those it starts.
    #[arg(long)]
    tls: Option<PathBuf>,
    /// File that says how the API server of a cluster is reached, which keeps the control records then.
    #[arg(long)]
    api_server: Option<PathBuf>,
    /// In a container: where the node's root directory is mounted. Its directories are shown at their own paths, to which all others
    /// of these arguments lead; and when the container ends, engines and replicas do so in order before.
    #[arg(long, value_name = "DIRECTORY")]
    host: Option<PathBuf>,
}

/// As Longhorn's instance managers have it.
const PORT: u16 = 8500;
/// What a container's processes have for ending in order: the pod that it is of grants a little more.
const FAREWELL: Duration = Duration::from_secs(45);

fn instance_address(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse().or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, PORT)));
    address.map_err(|_| "it has to be an IP address, with :PORT or without".to_owned())
}

/// Runs until it is told to shut down. A signal ends it alone, and its processes go on and are found again; those of a container end
/// before it, since they would be killed.
pub async fn run(arguments: Arguments) -> Result<(), ProgramError> {
    let asked = asked_to_end()?;
    let io = |what: &str| {
        let what = what.to_owned();
        move |source| ProgramError::Io { what, source }
    };
    std::fs::create_dir_all(&arguments.run_dir).map_err(io("make the run directory"))?;
    if let Some(host) = &arguments.host {
        host::begin(host, &arguments.run_dir)?;
    }
    let own_address = arguments.listen.unwrap_or_else(|| Address::Unix(arguments.run_dir.join("im.sock")));
    // Before anything else: a second instance manager of the node must not touch the first one's processes.
    let listener = own_address.listen().await.map_err(io(&format!("listen on {own_address}")))?;
    become_member(arguments.tls.as_deref())?;
    let far = match arguments.instance_address {
        None => None,
        Some(address) => {
            let address = Address::Tls(address.to_string());
            Some(address.listen().await.map_err(io(&format!("listen on {address}")))?)
        }
    };
    let network = arguments.instance_address.map(|address| address.ip()).zip(arguments.tls);
    let settings = Settings {
        network: network.map(|(ip, tls)| Network { ip, tls }),
        node: arguments.node.clone(),
        binary: std::env::current_exe().map_err(io("find this program's own file"))?,
        run_directory: arguments.run_dir,
        log_directory: arguments.data.join("logs"),
        device_directory: arguments.dev_dir,
        own_address,
    };
    let end = Arc::new(Notify::new());
    let records: Arc<dyn Records> = match &arguments.api_server {
        Some(file) => Arc::new(ApiServerRecords::new(file)),
        None => Arc::new(RecordFiles::open(&arguments.records).map_err(io("open the control records"))?),
    };
    let address = far.as_ref().and_then(Listener::tls_address).map(|address| address.to_string());
    let processes = Processes::open(settings).map_err(io("look for running processes"))?;
    let service = Service {
        node: arguments.node.clone(),
        address: address.unwrap_or_default(),
        processes: processes.clone(),
        records,
        disks: Looks::default(),
        health: Health::default(),
        trims: Trims::default(),
        images: Images::default(),
        end: Arc::clone(&end),
    };
    tracing::info!(node = arguments.node, "instance manager ready");
    let listeners = std::iter::once(listener).chain(far).map(|listener| Box::pin(connections(listener)));
    let connections = futures::stream::select_all(listeners);
    let ended = async move {
        tokio::select! {
            () = end.notified() => {}
            () = asked => {
                if arguments.host.is_some() {
                    say_goodbye(&processes).await;
                }
            }
        }
    };
    let server = tonic::transport::Server::builder().add_service(InstanceManagerServer::new(service));
    tokio::select! {
        served = server.serve_with_incoming(connections) => served?,
        // Watches never end by themselves; the answer to `Shutdown` gets a moment to leave.
        () = async { ended.await; tokio::time::sleep(std::time::Duration::from_millis(200)).await } => {}
    }
    Ok(())
}

/// Engines note that all replicas are equal, and their devices go.
async fn say_goodbye(processes: &Processes) {
    processes.close();
    for error in processes.stop_all(FAREWELL / 2).await {
        tracing::error!(%error, "a process of the container does not end in order");
    }
}

fn connections(listener: Listener) -> impl Stream<Item = std::io::Result<crate::link::address::Stream>> {
    async_stream::stream! {
        loop {
            yield listener.accept().await;
        }
    }
}
