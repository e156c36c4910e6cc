//! What the machine's processors had to do: whether anything but them held a transfer up.

use std::fs;

/// A moment of `/proc/stat`.
pub(crate) struct Processors {
    idle_ticks: f64,
    all_ticks: f64,
}

impl Processors {
    pub(crate) fn now() -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap();
        let line = text.lines().next().unwrap_or_default();
        let ticks: Vec<f64> = line.split_whitespace().skip(1).filter_map(|number| number.parse().ok()).collect();
        // proc(5): user, nice, system, idle, waiting for I/O, interrupts (two), taken by the host; guests are in user.
        Self { idle_ticks: ticks[3] + ticks[4], all_ticks: ticks[..8].iter().sum() }
    }

    /// How much of all processors nobody used since then.
    pub(crate) fn idle_since(&self) -> f64 {
        let now = Self::now();
        (now.idle_ticks - self.idle_ticks) / (now.all_ticks - self.all_ticks)
    }
}
