//! Waiting for something that the manager does: with a progress line, an end, and Ctrl-C, which leaves the work alone.

use std::time::Duration;

use clap::Args;
use tokio::time::Instant;

use super::duration;
use super::failure::{Failure, Kind};
use super::progress::{Progress, ProgressLine};

/// Between two looks.
const PERIOD: Duration = Duration::from_millis(400);
/// A manager that is started again is back by then.
const AWAY_MAXIMUM: Duration = Duration::from_secs(60);

/// Arguments of what is waited for unless told otherwise.
#[derive(Debug, Args)]
pub(super) struct Waiting {
    /// Return as soon as it is begun
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    patience: Patience,
}

#[derive(Debug, Args)]
pub(super) struct Patience {
    /// Give up waiting after this time, such as 90s or 10m; the work goes on
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    timeout: Option<Duration>,
}

/// Long for what should take moments.
pub(super) const MOMENTS: Duration = Duration::from_secs(300);

/// What a look finds.
pub(super) enum Look<T> {
    Done(T),
    GoesOn(Progress),
}

impl Waiting {
    pub(super) const fn is_wanted(&self) -> bool {
        !self.no_wait
    }

    pub(super) const fn patience(&self) -> &Patience {
        &self.patience
    }
}

impl Patience {
    /// The same, with an end also where none was given: for what takes moments, unless something is wrong.
    pub(super) fn or(&self, timeout: Duration) -> Self {
        Self { timeout: self.timeout.or(Some(timeout)) }
    }

    /// Looks until it is done. `what` names it in messages: "attaching volume vol".
    pub(super) async fn until<T>(
        &self,
        what: &str,
        mut look: impl AsyncFnMut() -> Result<Look<T>, Failure>,
    ) -> Result<T, Failure> {
        let end = self.timeout.map(|timeout| Instant::now() + timeout);
        let mut line = ProgressLine::new();
        let mut seen_at = Instant::now();
        let mut last = Progress::default();
        let watching = async {
            loop {
                match look().await {
                    Ok(Look::Done(result)) => return Ok(result),
                    Ok(Look::GoesOn(progress)) => {
                        (seen_at, last) = (Instant::now(), progress);
                        line.draw(&last);
                    }
                    Err(failure) if failure.kind == Kind::Unreachable && seen_at.elapsed() < AWAY_MAXIMUM => {
                        line.draw(&Progress::at(format!("{what}: the manager does not answer")));
                    }
                    Err(failure) => return Err(failure),
                }
                if end.is_some_and(|end| Instant::now() >= end) {
                    let message = format!("{what} is not done in time: {}", last.line(usize::MAX));
                    return Err(Failure::new(
                        Kind::TimedOut,
                        message,
                        "It goes on; look again later, or wait longer (--timeout).",
                    ));
                }
                tokio::time::sleep(PERIOD).await;
            }
        };
        tokio::select! {
            result = watching => result,
            _ = tokio::signal::ctrl_c() => {
                drop(line);
                let message = format!("\n{what} goes on without you");
                Err(Failure::new(Kind::Interrupted, message.trim_start(), ""))
            }
        }
    }
}
