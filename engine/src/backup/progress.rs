//! How far a backup, restore or verification is, for whoever watches.

use std::sync::Arc;

use tokio::sync::watch;

/// Bytes of uncompressed data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// All that has to be looked at. 0 until that is known, which takes no reading of data.
    pub planned: u64,
    /// What has been dealt with: stored, found to be there already, or restored.
    pub done: u64,
}

/// Told by the operation, watched by any number. Clones are the same progress.
#[derive(Clone, Debug)]
pub struct Progress {
    sender: Arc<watch::Sender<Amounts>>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { sender: Arc::new(watch::Sender::new(Amounts::default())) }
    }
}

impl Progress {
    /// How far it is now.
    #[must_use]
    pub fn now(&self) -> Amounts {
        *self.sender.borrow()
    }

    /// To wait for changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Amounts> {
        self.sender.subscribe()
    }

    /// The work is known now; nothing of it is done.
    pub fn plan(&self, planned: u64) {
        self.sender.send_replace(Amounts { planned, done: 0 });
    }

    /// So many bytes more are done.
    pub fn advance(&self, bytes: u64) {
        self.sender.send_modify(|amounts| amounts.done += bytes);
    }
}
