//! Work that goes on when whoever waited for it goes away.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// Runs as part of its caller, which costs no task; where the caller drops it unfinished, the rest runs as a task. Where
/// the runtime is ending, nobody is left for whom it would matter.
pub(super) struct RunsOn<F: Future + Send + 'static>
where
    F::Output: Send,
{
    work: Option<Pin<Box<F>>>,
    /// Being polled; still so when it is dropped where it has panicked.
    polled: bool,
}

impl<F> RunsOn<F>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    pub(super) fn new(work: F) -> Self {
        Self { work: Some(Box::pin(work)), polled: false }
    }
}

impl<F> Future for RunsOn<F>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.polled = true;
        let Some(work) = &mut self.work else { return Poll::Pending };
        let outcome = work.as_mut().poll(context);
        self.polled = false;
        if outcome.is_ready() {
            self.work = None;
        }
        outcome
    }
}

impl<F> Drop for RunsOn<F>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn drop(&mut self) {
        // What panicked is broken, and is not run again.
        if let Some(work) = self.work.take().filter(|_| !self.polled)
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn what_is_dropped_unfinished_runs_on() {
        let (go, wait) = oneshot::channel::<()>();
        let (tell, told) = oneshot::channel();
        let mut work = Box::pin(RunsOn::new(async move {
            let _ = wait.await;
            tell.send("done").unwrap();
        }));
        assert!((&mut work).now_or_never().is_none(), "it has begun, and waits");
        drop(work);
        go.send(()).unwrap();
        assert_eq!(told.await, Ok("done"));
    }

    #[tokio::test]
    async fn what_was_never_looked_at_runs_all_the_same() {
        let (tell, told) = oneshot::channel();
        drop(RunsOn::new(async move { tell.send(7).unwrap() }));
        assert_eq!(told.await, Ok(7));
    }

    #[tokio::test]
    async fn who_waits_gets_the_outcome() {
        assert_eq!(RunsOn::new(async { 7 }).await, 7);
    }
}
