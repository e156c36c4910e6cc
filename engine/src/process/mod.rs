//! The programs of this binary, one a file.

pub mod backup;
pub mod check;
pub mod engine;
pub mod export;
pub mod files;
mod findings;
pub mod inspect;
pub mod instance_manager;
pub mod launch_simple;
pub mod log_lines;
pub mod memory;
mod nbd_tls;
pub mod replica;
mod terminal;
pub mod verify;

pub use nbd_tls::NbdTlsArguments;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::link::tls::Identity;

/// What every program may fail with; the text is its last word.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    #[error("{0}")]
    Usage(String),
    #[error("cannot {what}: {source}")]
    Io { what: String, source: std::io::Error },
    #[error(transparent)]
    Host(#[from] crate::instance::host::HostError),
    #[error(transparent)]
    Replica(#[from] crate::replica::ReplicaError),
    #[error(transparent)]
    Start(#[from] crate::volume::start::StartError),
    #[error("the certificate for other machines can't be used: {0}")]
    Identity(crate::frontend::nbd::TlsError),
    #[error("cannot offer the volume: {0}")]
    Frontend(#[from] crate::frontend::FrontendError),
    #[error("the gRPC server ended: {0}")]
    Grpc(#[from] tonic::transport::Error),
    #[error(
        "asked to end while the volume was being offered, which did not succeed within {seconds} s; the next engine clears away what is left of its device"
    )]
    NotOffered { seconds: u64 },
    /// The process ends as if it had been killed: what its users wait for is left to the next one.
    #[error("{0}; the engine ends so that the next one serves the volume")]
    FrontendBroke(String),
    #[error(
        "the restore of backup {backup} into volume {volume} is not complete; attach the volume in maintenance mode and \
         restore it again, or put it back to the snapshot of the backup before"
    )]
    NotRestored { volume: String, backup: String },
    #[error("the volume did not close cleanly: {0}")]
    Close(crate::frontend::IoError),
    #[error(transparent)]
    Offline(#[from] crate::offline::OfflineError),
    #[error(transparent)]
    Browse(#[from] crate::backup::browse::BrowseError),
    #[error(transparent)]
    Export(#[from] crate::image_format::ExportError),
    #[error(transparent)]
    Backup(#[from] crate::backup::BackupError),
    #[error(
        "{count} blocks of backup {backup:?} cannot be restored; a backup in full mode of the same volume stores them again"
    )]
    BackupDamaged { backup: String, count: usize },
    #[error("{0} this machine from serving volumes; see what stands below each")]
    NotReady(String),
    #[error("{count} found in {}; nothing was changed", directory.display())]
    ProblemsFound { directory: std::path::PathBuf, count: String },
    #[error(
        "the replica that was in {} is gone; put its files back, or let it be rebuilt from another one", .0.display()
    )]
    ReplicaGone(std::path::PathBuf),
}

impl ProgramError {
    /// Longhorn's engine ends with 61 (ENODATA) when no replica can be used, else with 1. The commands that look at a
    /// directory, or a backup target, end with 2 when they cannot.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Start(crate::volume::start::StartError::NoReplica { .. }) => 61,
            Self::Offline(error) if error.is_refusal() => 2,
            Self::Backup(crate::backup::BackupError::Store(_)) => 2,
            _ => 1,
        }
    }
}

/// Takes the certificate in the directory, if there is one, as this process's own towards other machines.
fn become_member(tls: Option<&std::path::Path>) -> Result<(), ProgramError> {
    let Some(directory) = tls else { return Ok(()) };
    Identity::open(directory).map_err(ProgramError::Identity)?.become_own();
    Ok(())
}

/// Resolves when the process is asked to end (SIGTERM or SIGINT). Call early: signals before that kill it.
pub(crate) fn asked_to_end() -> Result<impl Future<Output = ()>, ProgramError> {
    let mut requests = EndRequests::listen()?;
    Ok(async move { requests.next().await })
}

/// Requests to end the process (SIGTERM or SIGINT), one after the other. Signals before it listens kill the process.
pub(crate) struct EndRequests {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl EndRequests {
    pub(crate) fn listen() -> Result<Self, ProgramError> {
        let io = |source| ProgramError::Io { what: "listen to signals".to_owned(), source };
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(io)?,
            interrupt: signal(SignalKind::interrupt()).map_err(io)?,
            hangup: signal(SignalKind::hangup()).map_err(io)?,
        })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                // A closed terminal is no reason to end: volumes outlive those who started them.
                _ = self.hangup.recv() => {}
            }
        }
    }
}
