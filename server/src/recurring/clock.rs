//! What time it is for recurring jobs: the system's clock, or one that a test sets.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

/// No pause is longer: clocks are set, and machines sleep.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Cheap to clone; the system's by default.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    simulated: Option<watch::Receiver<Timestamp>>,
}

/// A moment without its fraction of a second.
#[must_use]
pub fn whole(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}

/// Sets a simulated clock.
#[derive(Debug)]
pub struct Hands(watch::Sender<Timestamp>);

impl Hands {
    pub fn set(&self, to: Timestamp) {
        self.0.send_replace(to);
    }
}

impl Clock {
    /// One that stands still between the moments that it is set to.
    #[must_use]
    pub fn simulated(at: Timestamp) -> (Self, Hands) {
        let (hands, simulated) = watch::channel(at);
        (Self { simulated: Some(simulated) }, Hands(hands))
    }

    /// In whole seconds, as all times in resources.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        whole(self.exactly())
    }

    fn exactly(&self) -> Timestamp {
        self.simulated.as_ref().map_or_else(Timestamp::now, |simulated| *simulated.borrow())
    }

    /// How long to pause until then; it may take several pauses.
    #[must_use]
    pub fn pause_until(&self, moment: Timestamp) -> Duration {
        let left = Duration::try_from(moment.duration_since(self.exactly())).unwrap_or_default();
        left.min(LONGEST_PAUSE)
    }

    /// Returns when a simulated clock was set; never for the system's.
    pub async fn set(&mut self) {
        let Some(simulated) = &mut self.simulated else { return std::future::pending().await };
        if simulated.changed().await.is_err() {
            // Nobody can set it any more.
            std::future::pending::<()>().await;
        }
    }
}
