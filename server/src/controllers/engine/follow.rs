//! Follows a running engine: what it tells becomes the status of its resource. Changes of state are written at once,
//! numbers that move all the time only now and then, and nothing at all when nothing changed.

use std::time::Duration;

use aurochs_engine::grpc::engine_v1;
use tokio::time::Instant;

use super::super::queue::WorkQueue;
use super::super::{Context, Error};
use super::told;
use crate::instance::rpc;
use crate::metrics;
use crate::resources::engine::EngineStatus;
use crate::resources::{Engine, Metadata};

/// A person watches a rebuild, a purge, a copy; once a second is live enough and bearable for the store.
const PROGRESS_PERIOD: Duration = Duration::from_secs(1);
/// Sizes under load: each is a row of the engine and one of its volume.
const SIZES_PERIOD: Duration = Duration::from_secs(60);
/// Pause before connecting again to an engine whose stream broke although its process runs.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

/// What is kept in memory of an engine, by its uid, goes with whoever listens to it, also when that one is aborted.
struct Kept<'a>(&'a str);

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        metrics::forget_engine(self.0);
    }
}

/// Follows until the task is aborted.
pub(super) async fn follow(context: Context, queue: WorkQueue, engine: Metadata, address: String) {
    let Metadata { name, uid, .. } = engine;
    let _kept = Kept(&uid);
    loop {
        if let Err(error) = listen(&context, &name, &uid, &address).await {
            tracing::debug!(engine = name, %error, "the stream of an engine broke");
        }
        metrics::forget_engine(&uid);
        context.samples.forget(&name);
        // Whoever sees first that the process is gone looks at the engine again.
        queue.add(&name);
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}

async fn listen(context: &Context, name: &str, uid: &str, address: &str) -> Result<(), Error> {
    let mut client = context.clients.engine(address)?;
    let doing = || format!("watching engine {name}");
    let mut stream = client.watch(engine_v1::StatusRequest {}).await.map_err(rpc(doing()))?.into_inner();
    let mut written: Option<(EngineStatus, Instant)> = None;
    let mut pending: Option<engine_v1::EngineStatus> = None;
    loop {
        let due = written.as_ref().map(|(status, when)| *when + period(status));
        let message = match (due, &pending) {
            (Some(due), Some(_)) => match tokio::time::timeout_at(due, stream.message()).await {
                Ok(message) => message,
                Err(_) => {
                    written = write(context, name, address, pending.take()).await?;
                    continue;
                }
            },
            _ => stream.message().await,
        };
        let Some(message) = message.map_err(rpc(doing()))? else { return Ok(()) };
        metrics::engine_told(uid, &message);
        context.samples.told(name, &message);
        let at_once = match &written {
            None => true,
            Some((before, _)) => {
                told::without_numbers(told::applied(before, &message, address)) != told::without_numbers(before.clone())
            }
        };
        pending = Some(message);
        if at_once || due.is_some_and(|due| due <= Instant::now()) {
            written = write(context, name, address, pending.take()).await?;
        }
    }
}

async fn write(
    context: &Context,
    name: &str,
    address: &str,
    message: Option<engine_v1::EngineStatus>,
) -> Result<Option<(EngineStatus, Instant)>, Error> {
    let Some(message) = message else { return Ok(None) };
    let change = |status: &mut EngineStatus| *status = told::applied(status, &message, address);
    let engine = context.store.modify_status::<Engine>(name, change).await?;
    Ok(Some((engine.status, Instant::now())))
}

fn period(status: &EngineStatus) -> Duration {
    if told::is_busy(status) { PROGRESS_PERIOD } else { SIZES_PERIOD }
}
