//! Processor time, from `/proc`.

use std::collections::BTreeMap;
use std::fs;

/// More than this by processes that take no part, and a cell is not quiet.
pub(crate) const QUIET_CORES: f64 = 0.3;
/// `USER_HZ`, the unit of `/proc`, is this on every architecture that Linux runs the engine on.
const TICKS_PER_SECOND: f64 = 100.0;
/// `PF_KTHREAD` of `linux/sched.h`.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// A moment; differences of two are what is used.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    /// Of each server, in the order asked for; ended children included.
    pub(crate) servers_s: Vec<f64>,
    /// Ended children of this process: fio.
    pub(crate) client_s: f64,
    /// Threads of the kernel, by process id: loop devices, writeback.
    kernel_s: BTreeMap<u32, f64>,
    /// All processors, whoever used them.
    pub(crate) busy_s: f64,
}

impl Moment {
    pub(crate) fn now(servers: &[u32]) -> Self {
        let own = Stat::of("self").expect("/proc/self/stat");
        let servers_s = servers.iter().map(|pid| {
            let stat =
                Stat::of(&pid.to_string()).unwrap_or_else(|| panic!("the server with process id {pid} has ended"));
            stat.own_s + stat.children_s
        });
        Self {
            servers_s: servers_s.collect(),
            client_s: own.children_s,
            kernel_s: kernel_threads_s(),
            busy_s: busy_s(),
        }
    }

    /// Of the kernel's threads since an earlier moment. They come and go; what one used that has ended is lost.
    pub(crate) fn kernel_s_since(&self, earlier: &Self) -> f64 {
        let used = |(pid, now): (&u32, &f64)| now - earlier.kernel_s.get(pid).unwrap_or(&0.0).min(*now);
        self.kernel_s.iter().map(used).sum()
    }
}

struct Stat {
    own_s: f64,
    children_s: f64,
    flags: u64,
}

impl Stat {
    fn of(process: &str) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name is in brackets and may hold anything. What follows begins with the third field of proc(5).
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        let seconds = |field: usize| number(field).map(|ticks| ticks as f64 / TICKS_PER_SECOND);
        Some(Self { own_s: seconds(14)? + seconds(15)?, children_s: seconds(16)? + seconds(17)?, flags: number(9)? })
    }
}

fn kernel_threads_s() -> BTreeMap<u32, f64> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let stats = pids.filter_map(|pid| Some((pid, Stat::of(&pid.to_string())?)));
    stats.filter(|(_, stat)| stat.flags & KERNEL_THREAD != 0).map(|(pid, stat)| (pid, stat.own_s)).collect()
}

fn busy_s() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap();
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<f64> = line.split_whitespace().skip(1).filter_map(|number| number.parse().ok()).collect();
    // user, nice, system, irq, softirq: what is neither idle, waiting, nor taken by the host.
    [0, 1, 2, 5, 6].iter().filter_map(|&field| ticks.get(field)).sum::<f64>() / TICKS_PER_SECOND
}

/// Processes that wanted to run, mean of the last minute.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap();
    text.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
}
