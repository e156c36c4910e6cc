//! `aurochs-engine replica`: owns one directory and serves it to the volume's engine.

use std::path::PathBuf;

use clap::Args;

use super::{ProgramError, asked_to_end};
use crate::link::Address;
use crate::link::server::ReplicaServer;
use crate::replica::hash::NodeLock;
use crate::replica::{OpenOptions, Replica};

/// One copy of a volume.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Directory with the replica's files; made when it holds no replica yet.
    #[arg(long)]
    directory: PathBuf,
    /// Size of the volume in bytes.
    #[arg(long)]
    size: u64,
    #[arg(long)]
    volume: String,
    /// Name of the replica.
    #[arg(long)]
    name: String,
    /// Where the engine connects: unix:/path or tcp:host:port.
    #[arg(long)]
    listen: Address,
    /// Keep Longhorn's revision.counter.
    #[arg(long)]
    revision_counter: bool,
    /// Lock file that allows one hash of a snapshot at a time on this node. By default `<disk>/.lock/hash` where the
    /// directory is `<disk>/replicas/<name>`, else none.
    #[arg(long)]
    hash_lock: Option<PathBuf>,
}

/// Runs until it is asked to end; then the directory is closed cleanly.
pub async fn run(arguments: Arguments) -> Result<(), ProgramError> {
    let end = asked_to_end()?;
    let options = OpenOptions { revision_counter: arguments.revision_counter };
    if !Replica::exists(&arguments.directory) {
        Replica::create(&arguments.directory, arguments.size, options)?;
    }
    let listener = arguments
        .listen
        .listen()
        .await
        .map_err(|source| ProgramError::Io { what: format!("listen on {}", arguments.listen), source })?;
    tracing::info!(replica = arguments.name, directory = %arguments.directory.display(), "serving");
    let lock = match &arguments.hash_lock {
        Some(path) => NodeLock::at(path),
        None => NodeLock::beside(&arguments.directory),
    };
    let server = ReplicaServer::with_hash_lock(&arguments.volume, &arguments.name, arguments.directory, options, lock);
    tokio::select! {
        () = std::sync::Arc::clone(&server).serve(listener) => {}
        () = end => {}
    }
    server.close().await?;
    tracing::info!(replica = arguments.name, "closed");
    Ok(())
}
