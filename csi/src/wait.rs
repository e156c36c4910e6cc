//! Waiting for what has no event to wait for: looking again and again, for so long.

use std::time::Duration;

use tokio::time::Instant;

use crate::failure::{Failure, Kind};

/// How long the manager gets to bring a volume or a snapshot into a state. Sidecars give up after 110 s.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// The first pause; each is longer than the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// One wait.
#[derive(Debug)]
pub struct Wait {
    until: Instant,
    patience: Duration,
    pause: Duration,
}

impl Wait {
    #[must_use]
    pub fn new(patience: Duration) -> Self {
        Self { until: Instant::now() + patience, patience, pause: FIRST_PAUSE }
    }

    /// Waits until it is time to look again.
    ///
    /// # Errors
    /// When the patience is over; `what` says what did not come true.
    pub async fn again(&mut self, what: &str) -> Result<(), Failure> {
        if Instant::now() + self.pause > self.until {
            let message = format_args!("{what} within {} s", self.patience.as_secs());
            return Err(Failure::new(Kind::TimedOut, message, "It goes on; it is tried again by itself."));
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 3 / 2).min(LONGEST_PAUSE);
        Ok(())
    }
}
