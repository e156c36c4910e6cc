//! What the machine had to do: whether anything but its processors held a transfer up.

use std::fs;
use std::time::Instant;

use crate::report::Figure;

/// Clock ticks of `/proc/stat` in a second: the same in every Linux that programs see.
const TICKS: f64 = 100.0;

/// A moment of `/proc/stat` and `/proc/diskstats`.
pub(crate) struct Machine {
    moment: Instant,
    idle_ticks: f64,
    all_ticks: f64,
    /// Most that a disk was busy, in milliseconds, by its name.
    disks: Vec<(String, f64)>,
}

impl Machine {
    pub(crate) fn now() -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap();
        let line = text.lines().next().unwrap_or_default();
        let ticks: Vec<f64> = line.split_whitespace().skip(1).filter_map(|number| number.parse().ok()).collect();
        // proc(5): user, nice, system, idle, waiting for I/O, interrupts (two), taken by the host; guests are in user.
        let (idle_ticks, all_ticks) = (ticks[3] + ticks[4], ticks[..8].iter().sum());
        Self { moment: Instant::now(), idle_ticks, all_ticks, disks: disks() }
    }

    /// What `what`, which has moved so many MiB since then, took of it.
    pub(crate) fn taken_since(&self, what: &str, mib: f64) -> Vec<Figure> {
        let now = Self::now();
        let idle = (now.idle_ticks - self.idle_ticks) / (now.all_ticks - self.all_ticks);
        let busy = (now.all_ticks - self.all_ticks - (now.idle_ticks - self.idle_ticks)) / TICKS;
        let milliseconds = (now.moment - self.moment).as_secs_f64() * 1000.0;
        let of_disk = |(name, busy): &(String, f64)| {
            let before = self.disks.iter().find(|(known, _)| known == name).map_or(0.0, |(_, before)| *before);
            (busy - before) / milliseconds
        };
        let disk = now.disks.iter().map(of_disk).fold(0.0, f64::max);
        vec![
            Figure::ratio(&format!("idle processors: {what}"), idle),
            Figure::seconds_a_gib(&format!("processor time: {what}"), busy / (mib / 1024.0)),
            Figure::ratio(&format!("busiest disk: {what}"), disk),
        ]
    }
}

/// Name, and milliseconds in which it had something to do (the kernel's `iostats.rst`, field 10 behind the name).
fn disks() -> Vec<(String, f64)> {
    let text = fs::read_to_string("/proc/diskstats").unwrap_or_default();
    let disk = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let name = *fields.get(2)?;
        // What lies on other disks would be the volume itself.
        let is_real = !["loop", "dm-", "nbd", "ublk", "ram", "zram"].iter().any(|kind| name.starts_with(kind));
        Some((name.to_owned(), fields.get(12)?.parse().ok()?)).filter(|_| is_real)
    };
    text.lines().filter_map(disk).collect()
}
