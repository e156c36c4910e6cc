//! The programs of this binary, one a file.

pub mod engine;
pub mod instance_manager;
pub mod replica;

use tokio::signal::unix::{SignalKind, signal};

/// What every program may fail with; the text is its last word.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    #[error("{0}")]
    Usage(String),
    #[error("cannot {what}: {source}")]
    Io { what: String, source: std::io::Error },
    #[error(transparent)]
    Replica(#[from] crate::replica::ReplicaError),
    #[error(transparent)]
    Start(#[from] crate::volume::start::StartError),
    #[error("cannot offer the volume: {0}")]
    Frontend(#[from] crate::frontend::FrontendError),
    #[error("the gRPC server ended: {0}")]
    Grpc(#[from] tonic::transport::Error),
    #[error("the volume did not close cleanly: {0}")]
    Close(crate::frontend::IoError),
}

impl ProgramError {
    /// Longhorn's engine ends with 61 (ENODATA) when no replica can be used, else with 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Start(crate::volume::start::StartError::NoReplica { .. }) => 61,
            _ => 1,
        }
    }
}

/// Resolves when the process is asked to end (SIGTERM or SIGINT). Call early: signals before that kill it.
pub(crate) fn asked_to_end() -> Result<impl Future<Output = ()>, ProgramError> {
    let io = |source| ProgramError::Io { what: "listen to signals".to_owned(), source };
    let mut terminate = signal(SignalKind::terminate()).map_err(io)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(io)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(io)?;
    Ok(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = interrupt.recv() => return,
                // A closed terminal is no reason to end: volumes outlive those who started them.
                _ = hangup.recv() => {}
            }
        }
    })
}
