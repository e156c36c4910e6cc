//! `aurochs-engine replica`: owns one directory and serves it to the volume's engine.

use std::path::PathBuf;

use clap::Args;
use futures::future::join_all;

use super::{ProgramError, asked_to_end, become_member};
use crate::link::Address;
use crate::link::server::{ReplicaServer, ServeOptions};
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
    /// Where the engine connects: unix:/path or tls:host:port. Repeat for several.
    #[arg(long, required = true)]
    listen: Vec<Address>,
    /// Directory of this process's certificate for other machines (ca.crt, tls.crt, tls.key).
    #[arg(long)]
    tls: Option<PathBuf>,
    /// Keep Longhorn's revision.counter.
    #[arg(long)]
    revision_counter: bool,
    /// Keep checksums of blocks, so that what the disk changes is noticed. Without it, those that there are are forgotten.
    #[arg(long)]
    checksums: bool,
    /// Image (raw or qcow2) under the volume, or a directory that holds nothing else. Without it, the one recorded in
    /// the directory, if any.
    #[arg(long)]
    backing_file: Option<PathBuf>,
    /// Lock file that allows one hash of a snapshot at a time on this node. By default `<disk>/.lock/hash` where the
    /// directory is `<disk>/replicas/<name>`, else none.
    #[arg(long)]
    hash_lock: Option<PathBuf>,
    /// The replica held data once: fail if its directory holds none, instead of making an empty one.
    #[arg(long)]
    must_exist: bool,
}

/// Runs until it is asked to end; then the directory is closed cleanly.
pub async fn run(arguments: Arguments) -> Result<(), ProgramError> {
    let end = asked_to_end()?;
    let options = OpenOptions { revision_counter: arguments.revision_counter, no_checksums: !arguments.checksums };
    if !Replica::exists(&arguments.directory) {
        if arguments.must_exist {
            return Err(ProgramError::ReplicaGone(arguments.directory));
        }
        let backing_file = arguments.backing_file.as_deref();
        Replica::create_on(&arguments.directory, arguments.size, backing_file, options)?;
    }
    become_member(arguments.tls.as_deref())?;
    let mut listeners = Vec::new();
    for address in &arguments.listen {
        let failed = |source| ProgramError::Io { what: format!("listen on {address}"), source };
        listeners.push(address.listen().await.map_err(failed)?);
    }
    tracing::info!(replica = arguments.name, directory = %arguments.directory.display(), "serving");
    let Arguments { volume, name, directory, backing_file, .. } = arguments;
    let options =
        ServeOptions { open: options, backing_file, hash_lock: arguments.hash_lock.as_deref().map(NodeLock::at) };
    let server = ReplicaServer::with_options(&volume, &name, directory, options);
    tokio::select! {
        _ = join_all(listeners.into_iter().map(|listener| std::sync::Arc::clone(&server).serve(listener))) => {}
        () = end => {}
    }
    server.close().await?;
    tracing::info!(replica = name, "closed");
    Ok(())
}
