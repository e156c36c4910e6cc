//! What processes and the machine use, from `/proc`. Reading it waits for nobody.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Instant;

/// The clock of `/proc`, the same on every Linux that this runs on (`sysconf(_SC_CLK_TCK)`).
const TICKS_PER_SECOND: f64 = 100.0;
/// Processes that are gone are forgotten when this many are remembered.
const REMEMBERED_MAXIMUM: usize = 20_000;

/// What a process uses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Usage {
    /// Thousandths of a processor, since the last look (at the first look: since its start).
    pub(super) cpu_millicpu: f64,
    pub(super) memory_bytes: f64,
}

/// What the machine has and uses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Machine {
    pub(super) cpu_used_millicpu: f64,
    pub(super) cpu_capacity_millicpu: f64,
    pub(super) memory_used_bytes: f64,
    pub(super) memory_capacity_bytes: f64,
}

/// A counter of ticks at a moment.
type Seen = (Instant, f64);

static LAST: LazyLock<Mutex<HashMap<Counter, Seen>>> = LazyLock::new(Mutex::default);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Counter {
    /// A process, with the tick of its start: ids are used again.
    Process(u32, u64),
    Machine,
}

/// Processors used since the last look at this counter, which shows these ticks now; `since_start` is how long it has
/// counted.
fn processors(counter: Counter, ticks: f64, since_start_seconds: f64) -> f64 {
    let now = Instant::now();
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if last.len() >= REMEMBERED_MAXIMUM {
        last.clear();
    }
    let (spent, seconds) = match last.insert(counter, (now, ticks)) {
        Some((then, before)) => (ticks - before, (now - then).as_secs_f64()),
        None => (ticks, since_start_seconds),
    };
    // Two looks at once see no time between them.
    if seconds < 0.01 { 0.0 } else { (spent / TICKS_PER_SECOND / seconds).max(0.0) }
}

/// What a process of ours uses; none when it is gone, or when the id is somebody else's: a node's processes can only
/// be seen from the machine that they run on.
pub(super) fn usage_of(pid: u32, name: &str) -> Option<Usage> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let stat = Stat::parse(&stat)?;
    if !stat.name.starts_with(name) {
        return None;
    }
    let age = uptime_seconds()? - stat.started_ticks as f64 / TICKS_PER_SECOND;
    let cpu = processors(Counter::Process(pid, stat.started_ticks), stat.cpu_ticks as f64, age);
    Some(Usage { cpu_millicpu: cpu * 1000.0, memory_bytes: stat.resident_pages as f64 * page_bytes() })
}

/// The manager itself.
pub(super) fn own_usage() -> Option<Usage> {
    usage_of(std::process::id(), "")
}

/// What every process that Prometheus looks at tells of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Own {
    pub(super) cpu_seconds: f64,
    /// Since 1970.
    pub(super) started_seconds: f64,
    pub(super) virtual_bytes: f64,
    /// Files that it may have open; none without a limit.
    pub(super) files_maximum: Option<f64>,
}

pub(super) fn own() -> Option<Own> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let (own, machine, limits) = (read("/proc/self/stat")?, read("/proc/stat")?, read("/proc/self/limits")?);
    let stat = Stat::parse(&own)?;
    let booted: f64 = machine.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(Own {
        cpu_seconds: stat.cpu_ticks as f64 / TICKS_PER_SECOND,
        started_seconds: booted + stat.started_ticks as f64 / TICKS_PER_SECOND,
        virtual_bytes: stat.virtual_bytes as f64,
        files_maximum: files_maximum(&limits),
    })
}

/// The limit that holds now, which stands first.
fn files_maximum(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn page_bytes() -> f64 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().map_or(4096.0, |bytes| bytes as f64)
}

fn uptime_seconds() -> Option<f64> {
    std::fs::read_to_string("/proc/uptime").ok()?.split_ascii_whitespace().next()?.parse().ok()
}

/// The fields of `/proc/PID/stat` that are of interest.
#[derive(Debug, PartialEq, Eq)]
struct Stat<'a> {
    name: &'a str,
    cpu_ticks: u64,
    started_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl<'a> Stat<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        // The name stands in parentheses and may have any of them in it.
        let (name, rest) = (text.get(text.find('(')? + 1..text.rfind(')')?)?, text.get(text.rfind(')')? + 1..)?);
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // Behind the name comes field 3, the state.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            name,
            cpu_ticks: field(14)? + field(15)?,
            started_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

/// The machine as a whole.
pub(super) fn machine() -> Option<Machine> {
    let (stat, memory) = (std::fs::read_to_string("/proc/stat").ok()?, std::fs::read_to_string("/proc/meminfo").ok()?);
    let busy = busy_ticks(&stat)?;
    let bytes = |name: &str| {
        let line = memory.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok().map(|kib| kib * 1024.0)
    };
    let processors_there = stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count();
    let (total, available) = (bytes("MemTotal")?, bytes("MemAvailable")?);
    Some(Machine {
        cpu_used_millicpu: processors(Counter::Machine, busy, uptime_seconds()?) * 1000.0,
        cpu_capacity_millicpu: processors_there as f64 * 1000.0,
        memory_used_bytes: total - available,
        memory_capacity_bytes: total,
    })
}

/// All but idle and waiting for disks. Time of guests is in the user's already.
fn busy_ticks(stat: &str) -> Option<f64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<f64> = line.split_ascii_whitespace().map_while(|field| field.parse().ok()).collect();
    let busy = ticks.iter().take(8).enumerate().filter(|(place, _)| !matches!(place, 3 | 4));
    Some(busy.map(|(_, ticks)| ticks).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let text = "42 (aurochs-engine) x) S 1 42 42 0 -1 4194560 100 0 0 0 300 200 0 0 20 0 9 0 12345 9999999 777 1 2";
        let stat = Stat::parse(text).unwrap();
        let (name, started_ticks, virtual_bytes) = ("aurochs-engine) x", 12345, 9_999_999);
        assert_eq!(stat, Stat { name, cpu_ticks: 500, started_ticks, virtual_bytes, resident_pages: 777 });
        assert_eq!(Stat::parse("42 (short) S 1"), None);
        assert_eq!(Stat::parse(")("), None);
    }

    #[test]
    fn this_process_and_machine_use_something() {
        let own = own_usage().unwrap();
        assert!(own.memory_bytes > 100_000.0 && own.cpu_millicpu >= 0.0, "{own:?}");
        assert_eq!(usage_of(std::process::id(), "no-such-name"), None);
        let machine = machine().unwrap();
        assert!(machine.cpu_capacity_millicpu >= 1000.0, "{machine:?}");
        assert!(machine.memory_used_bytes > 0.0 && machine.memory_used_bytes < machine.memory_capacity_bytes);
    }

    #[test]
    fn this_process_tells_when_it_began_and_how_far_it_may_go() {
        let own = own().unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        // A test lasts no day; clocks that are set while it runs move both by the same.
        assert!((now - own.started_seconds).abs() < 86_400.0, "{own:?}");
        assert!(own.virtual_bytes >= own_usage().unwrap().memory_bytes && own.cpu_seconds >= 0.0, "{own:?}");
        let limits =
            "Limit   Soft Limit  Hard Limit  Units\nMax open files            1024                 4096     files\n";
        assert_eq!(files_maximum(limits), Some(1024.0));
        assert_eq!(files_maximum("Max open files            unlimited            unlimited            files"), None);
    }

    #[test]
    fn busy_is_all_but_idle_and_waiting() {
        assert_eq!(busy_ticks("cpu  10 1 5 1000 50 2 3 4 7 0\ncpu0 1 2"), Some(25.0));
        assert_eq!(busy_ticks(""), None);
    }
}
