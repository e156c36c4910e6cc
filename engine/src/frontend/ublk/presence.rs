//! Whether the block device of a ublk device is there.

use std::sync::{Arc, Mutex, PoisonError};

/// Shared by whoever resizes the device and whoever stops it.
///
/// **Invariant: a device is resized only while its block device is there.** Linux 6.16 to 6.19 may crash when they are
/// told to resize one that is stopped (`ublk_ctrl_set_size`; fixed in 7.0, and in later stable versions of those).
#[derive(Clone, Debug)]
pub(super) struct Presence(Arc<Mutex<bool>>);

impl Presence {
    pub(super) fn of_started() -> Self {
        Self(Arc::new(Mutex::new(true)))
    }

    /// Carries `work` out while the device stays. `None`: it is gone.
    pub(super) fn during<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let is_there = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The lock is held until the work is done.
        is_there.then(work)
    }

    /// Stops the device by `stop`; it is gone when that succeeds.
    pub(super) fn end<E>(&self, stop: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let mut is_there = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stop()?;
        *is_there = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_done_to_a_device_that_was_stopped() {
        let presence = Presence::of_started();
        let shared = presence.clone();
        assert_eq!(shared.during(|| 5), Some(5));
        assert_eq!(presence.end(|| Err("refused")), Err("refused"));
        assert_eq!(shared.during(|| 5), Some(5), "it could not be stopped");
        presence.end(|| Ok::<_, ()>(())).unwrap();
        assert_eq!(shared.during(|| 5), None);
    }
}
