//! Accepts initiators and ends them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::future::select_all;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::connection::{self, ConnectionError};
use super::target::Target;
use crate::frontend::BlockDevice;

/// Connections at a time, over all sessions. Each may hold 64 MiB, and 32 MiB of data that came unasked.
const MAX_CONNECTIONS: usize = 64;
/// After a stop, so long may the device take to finish what is in flight and the initiators to send what was asked for
/// and to read the answers. Then the rest is cut off: an answer that nobody has read acknowledges nothing.
const DRAIN_PATIENCE: Duration = Duration::from_secs(10);
/// Pause after `accept` failed (out of file descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Returns when `stop` has become true, or when nobody is left who could say so.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone: nobody owns this target any more.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Serves the target until `stop` turns true, then lets the connections finish.
pub(super) async fn run<D: BlockDevice>(
    target: Arc<Target<D>>,
    portals: Vec<TcpListener>,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // In this order, so that places of initiators that have left are free before the next one is counted.
            biased;
            () = stopped(&mut stop) => break,
            Some(finished) = connections.join_next() => report(finished),
            accepted = accept(&portals) => match accepted {
                Ok(_) if connections.len() >= MAX_CONNECTIONS => {
                    tracing::warn!("an iSCSI initiator was turned away: {MAX_CONNECTIONS} connections are served already");
                }
                Ok(stream) => {
                    connections.spawn(connection::serve(Arc::clone(&target), stream, stop.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "an iSCSI initiator could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(portals);
    drain(connections).await;
}

/// The next initiator on any portal. May be dropped while it waits.
async fn accept(portals: &[TcpListener]) -> io::Result<TcpStream> {
    let (accepted, _, _) = select_all(portals.iter().map(|portal| Box::pin(portal.accept()))).await;
    accepted.map(|(stream, _)| stream)
}

async fn drain(mut connections: JoinSet<Result<(), ConnectionError>>) {
    let all = async {
        while let Some(finished) = connections.join_next().await {
            report(finished);
        }
    };
    if tokio::time::timeout(DRAIN_PATIENCE, all).await.is_err() {
        tracing::warn!(
            left = connections.len(),
            "iSCSI connections are cut off: their last commands were not finished, or their answers not read, in time"
        );
        connections.shutdown().await;
    }
}

fn report(finished: Result<Result<(), ConnectionError>, tokio::task::JoinError>) {
    match finished {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::info!(%error, "an iSCSI connection ended early"),
        Err(error) => tracing::error!(%error, "an iSCSI connection failed inside"),
    }
}
