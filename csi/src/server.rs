//! The three services on one socket.

use std::path::Path;
use std::time::Duration;

use nix::sys::stat::{Mode, umask};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;

use crate::controller::ControllerService;
use crate::csi::controller_server::ControllerServer;
use crate::csi::identity_server::IdentityServer;
use crate::csi::node_server::NodeServer;
use crate::driver::Driver;
use crate::failure::Failure;
use crate::identity::IdentityService;
use crate::node::NodeService;
use crate::socket;

/// A request is names, paths, labels and secrets.
const REQUEST_LIMIT_BYTES: usize = 1 << 20;
/// Calls of one connection at a time; the others wait.
const CALLS_PER_CONNECTION: usize = 64;
/// How long calls at work may hold up the end of the driver.
const GRACE: Duration = Duration::from_secs(25);

/// Files that this process makes are for their owner alone. To be called before there is a second thread.
pub fn keep_others_out() {
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
}

/// Serves until the process is told to end.
pub async fn serve(driver: Driver, path: &Path) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::internal(format_args!("serving {} failed: {error}", path.display()), "")
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| failed(&error))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| failed(&error))?;
    let (listener, bound) = socket::bind(path)?;
    let incoming = UnixListenerStream::new(UnixListener::from_std(listener).map_err(|error| failed(&error))?);
    let (node, driver_name) = (driver.node().to_owned(), driver.name().to_owned());
    tracing::info!(node, driver = driver_name, socket = %path.display(), "serving");
    let (ending, mut end) = tokio::sync::watch::channel(false);
    let told = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("ending; calls at work are waited for");
        // The receiver lives as long as this function.
        let _ = ending.send(true);
    };
    let serving = Server::builder()
        .concurrency_limit_per_connection(CALLS_PER_CONNECTION)
        .add_service(
            IdentityServer::new(IdentityService(driver.clone())).max_decoding_message_size(REQUEST_LIMIT_BYTES),
        )
        .add_service(
            ControllerServer::new(ControllerService(driver.clone())).max_decoding_message_size(REQUEST_LIMIT_BYTES),
        )
        .add_service(NodeServer::new(NodeService(driver)).max_decoding_message_size(REQUEST_LIMIT_BYTES))
        .serve_with_incoming_shutdown(incoming, told);
    let out_of_patience = async {
        // An error means that the sender is gone, which it is not before the server ends.
        let _ = end.wait_for(|ended| *ended).await;
        tokio::time::sleep(GRACE).await;
    };
    let ended = tokio::select! {
        ended = serving => ended.map_err(|error| failed(&error)),
        () = out_of_patience => Ok(()),
    };
    drop(bound);
    ended
}
