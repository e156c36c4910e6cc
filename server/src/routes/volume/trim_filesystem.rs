//! `trimFilesystem`: the file system on the volume gives back what it does not use.

use std::time::Duration;

use aurochs_api::action::NoInput;
use aurochs_api::schema::Resource;
use aurochs_api::size::ByteSize;
use aurochs_api::volume::Volume;
use tonic::Code;

use super::action::{self, Target};
use super::engine::RunningEngine;
use crate::controllers::snapshot::trim::{self, Trimmed};
use crate::error::{ApiError, ErrorKind};
use crate::instance::ClientError;
use crate::jobs::{Cancel, Failure, JobHandle, JobKind, Level, NewJob, Outcome, StartedBy};
use crate::resources::{Engine, Object};

/// Past this the client gets its answer; the trim goes on, and an event tells if it fails.
const PATIENCE: Duration = Duration::from_secs(45);

/// Answers with the volume when the file system has been trimmed, or after 45 s while it still is.
pub async fn handle(target: Target, _: NoInput) -> Result<Resource<Volume>, ApiError> {
    let volume = action::volume(&target).await?;
    let engine = RunningEngine::of(&target).await?.resource;
    if engine.spec.disable_frontend {
        let message =
            format_args!("volume {} is in maintenance mode: it has no device, so nothing is mounted", target.name);
        return Err(ApiError::new(
            ErrorKind::Conflict,
            message,
            "Detach it, attach it without disableFrontend, mount it, then trim.",
        ));
    }
    let (clients, events) = (target.app.clients.clone(), target.app.events.clone());
    let job = target.app.jobs.begin(new_job(&target, &engine)).await;
    // In a task of its own: a client that goes away does not end it.
    let trim = tokio::spawn(async move {
        let trimmed = trim::trim(&clients, &events, &volume, &engine).await;
        let outcome = outcome(&job, &trimmed);
        job.finish(outcome).await;
        trimmed
    });
    match tokio::time::timeout(PATIENCE, trim).await {
        Ok(Ok(Ok(_))) => {}
        Ok(Ok(Err(error))) => return Err(refused(&error)),
        Ok(Err(error)) => return Err(ApiError::internal("trimming a file system", error)),
        Err(_) => tracing::info!(volume = target.name, "a trim takes long; it goes on"),
    }
    action::answer(&target).await
}

fn new_job(target: &Target, engine: &Object<Engine>) -> NewJob {
    NewJob {
        volume: Some(target.name.clone()),
        node: Some(engine.spec.node_id.clone()),
        started_by: StartedBy::User(target.user.clone()),
        cancel: Cancel::Impossible("The kernel trims a file system to its end; nothing stops it.".to_owned()),
        ..NewJob::new(JobKind::Trim, target.name.as_str(), "")
    }
}

fn outcome(job: &JobHandle, trimmed: &Result<Trimmed, ClientError>) -> Outcome {
    match trimmed {
        Ok(trimmed) => {
            job.done(trimmed.bytes);
            let (bytes, place) = (ByteSize(trimmed.bytes), &trimmed.mounted_at);
            job.log(Level::Info, format!("The file system at {place} gave back {bytes}."));
            Outcome::Succeeded
        }
        Err(error) => Outcome::Failed(Failure::new(error.to_string(), remedy(error).1)),
    }
}

fn refused(error: &ClientError) -> ApiError {
    let (kind, next_step) = remedy(error);
    ApiError::new(kind, error, next_step)
}

fn remedy(error: &ClientError) -> (ErrorKind, &'static str) {
    match error {
        ClientError::Rpc { status, .. } => match status.code() {
            Code::FailedPrecondition => {
                (ErrorKind::Conflict, "Mount the volume's file system on its node, then try again.")
            }
            Code::Unavailable | Code::DeadlineExceeded => (ErrorKind::Unavailable, "Try again when the node answers."),
            _ => (ErrorKind::Conflict, "Look into the log of the node's instance manager, then try again."),
        },
        ClientError::UnknownNode(_) | ClientError::Address { .. } | ClientError::NoKeeper { .. } => {
            (ErrorKind::Unavailable, "Try again when the volume's node is known.")
        }
    }
}
