//! What all calls work with, and how a call is run.
//!
//! Work goes on to its end even when the caller gives up: a half-made file system or mount is worse than one that nobody waits
//! for, and the caller repeats the call.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tonic::{Response, Status};

use crate::failure::{Failure, Kind};
use crate::manager::Manager;
use crate::turns::Turns;

/// Calls at work at the same time. Each has a few requests and a program or two.
const CALLS_MAXIMUM: usize = 128;

/// Asked every minute for each volume or node; that they were answered is worth no line of the log.
const OFTEN: [&str; 3] = ["NodeGetVolumeStats", "GetCapacity", "NodeGetInfo"];

/// The driver. Clones share it.
#[derive(Clone, Debug)]
pub struct Driver(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    node: String,
    manager: Manager,
    controller_turns: Turns,
    node_turns: Turns,
    calls: Arc<Semaphore>,
}

impl Driver {
    /// `name` of the driver and of the node that it runs on.
    #[must_use]
    pub fn new(name: &str, node: &str, manager: Manager) -> Self {
        Self(Arc::new(Inner {
            name: name.to_owned(),
            node: node.to_owned(),
            manager,
            controller_turns: Turns::default(),
            node_turns: Turns::default(),
            calls: Arc::new(Semaphore::new(CALLS_MAXIMUM)),
        }))
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    #[must_use]
    pub fn node(&self) -> &str {
        &self.0.node
    }

    #[must_use]
    pub fn manager(&self) -> &Manager {
        &self.0.manager
    }

    /// Whose turn it is with what concerns a volume anywhere.
    #[must_use]
    pub fn controller_turns(&self) -> &Turns {
        &self.0.controller_turns
    }

    /// Whose turn it is with a volume on this node.
    #[must_use]
    pub fn node_turns(&self) -> &Turns {
        &self.0.node_turns
    }

    /// Runs a call to its end, and tells the log how it ended. `what` names the call and its volume; nothing else of a request
    /// is ever logged.
    pub async fn run<T, Work>(&self, call: &'static str, what: String, work: Work) -> Result<Response<T>, Status>
    where
        T: Send + 'static,
        Work: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let Ok(permit) = Arc::clone(&self.0.calls).try_acquire_owned() else {
            return Err(Failure::new(Kind::Unavailable, "too many calls are at work", "It is tried again.").into());
        };
        let task = tokio::spawn(async move {
            let start = std::time::Instant::now();
            let ended = work.await;
            let milliseconds = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            match &ended {
                Ok(_) if OFTEN.contains(&call) => tracing::debug!(call, what, milliseconds, "done"),
                Ok(_) => tracing::info!(call, what, milliseconds, "done"),
                Err(failure) => {
                    let code = failure.kind.code();
                    tracing::warn!(call, what, milliseconds, ?code, %failure, "not done");
                }
            }
            drop(permit);
            ended
        });
        let ended = task.await.map_err(|error| Failure::internal(format_args!("{call} broke: {error}"), ""))?;
        Ok(Response::new(ended?))
    }
}
