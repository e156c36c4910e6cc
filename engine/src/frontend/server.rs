//! A server of connections, whatever they speak: takes clients in while there is room, and ends them.

use std::fmt::Display;
use std::io;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

/// After a stop, so long may the device take to finish what is in flight and the clients to send what they were asked for
/// and to read the answers. Then the rest is cut off: an answer that nobody has read acknowledges nothing.
const DRAIN_PATIENCE: Duration = Duration::from_secs(10);
/// Pause after a client could not be accepted (out of file descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A running server. Dropping it cuts off its clients.
#[derive(Debug)]
pub(super) struct Server {
    /// For people: what it speaks, and for which volume.
    name: String,
    stop: watch::Sender<bool>,
    /// One task, in a set so that it ends with this value.
    task: JoinSet<()>,
}

/// Returns when `stop` has become true, or when nobody is left who could say so.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone: nobody owns this server any more.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Where clients come from, and what is done with them.
pub(super) trait Clients: Send + 'static {
    type Stream: Send;
    type Error: Display + Send + 'static;
    /// Connections at a time; further ones are closed.
    const MOST: usize;

    /// The next client. May be dropped while it waits.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Serves a client until it leaves or is cut off, or until `stop` turns true and everything in flight is answered.
    fn serve(
        &self,
        stream: Self::Stream,
        stop: watch::Receiver<bool>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + use<Self> + 'static;
}

impl Server {
    pub(super) fn start<C: Clients>(name: String, clients: C) -> Self {
        let (stop, stopping) = watch::channel(false);
        let mut task = JoinSet::new();
        task.spawn(run(name.clone(), clients, stopping));
        Self { name, stop, task }
    }

    /// Lets clients have the answers of what is in flight; with `force` they are cut off at once, and what was in flight is
    /// not acknowledged.
    pub(super) async fn end(mut self, force: bool) {
        if force {
            self.task.shutdown().await;
            return;
        }
        self.stop.send_replace(true);
        while let Some(finished) = self.task.join_next().await {
            if let Err(error) = finished {
                tracing::error!(server = self.name, %error, "the server failed inside");
            }
        }
    }
}

async fn run<C: Clients>(name: String, clients: C, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // In this order, so that places of clients that have left are free before the next one is counted.
            biased;
            () = stopped(&mut stop) => break,
            Some(finished) = connections.join_next() => report(&name, finished),
            accepted = clients.accept() => match accepted {
                Ok(_) if connections.len() >= C::MOST => {
                    tracing::warn!(server = name, "a client was turned away: {} are served already", C::MOST);
                }
                Ok(stream) => {
                    connections.spawn(clients.serve(stream, stop.clone()));
                }
                Err(error) => {
                    tracing::warn!(server = name, %error, "a client could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(clients);
    drain(&name, connections).await;
}

async fn drain<E: Display + Send + 'static>(name: &str, mut connections: JoinSet<Result<(), E>>) {
    let all = async {
        while let Some(finished) = connections.join_next().await {
            report(name, finished);
        }
    };
    if tokio::time::timeout(DRAIN_PATIENCE, all).await.is_err() {
        tracing::warn!(
            server = name,
            left = connections.len(),
            "clients are cut off: their last requests were not finished, or their answers not read, in time"
        );
        connections.shutdown().await;
    }
}

fn report<E: Display>(name: &str, finished: Result<Result<(), E>, JoinError>) {
    match finished {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::info!(server = name, %error, "a connection ended early"),
        Err(error) => tracing::error!(server = name, %error, "a connection failed inside"),
    }
}
