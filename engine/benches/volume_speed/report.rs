//! The tables, in Markdown.

pub(crate) mod table;

use crate::cell::{Cell, Cells, Spread};
use crate::cpu::QUIET_CORES;
use crate::job::{self, Job, Measures};
use crate::ladder::{
    self,
    bare_hops::{BARE_1, BARE_3},
};
use crate::record::Record;
use crate::target::{self, NBD_1, NBD_3, RAW};
use crate::verdict;

use self::table::Table;

pub(crate) fn markdown(record: &Record) -> String {
    let mut text = circumstances(record);
    for job in &job::ALL {
        text.push_str(&job_table(&record.cells, job));
    }
    text.push_str(&ladder_table(&record.cells));
    text.push_str(&parts(record));
    text.push_str("\n### What has to be reached\n\n");
    text.push_str(&verdict::table(record).text());
    text
}

fn circumstances(record: &Record) -> String {
    let noisy = record.cells.0.iter().filter(|cell| !cell.is_quiet()).count();
    let mut text = format!(
        "{}. {} rounds of {} s a cell, images of {} MiB. Load {:.1} at the begin, {:.1} at the end. In {noisy} of {} cells \
         other processes used more than {QUIET_CORES} processors; figures that rest on such cells alone are marked *.\n",
        record.machine,
        record.rounds,
        record.seconds,
        record.size_bytes >> 20,
        record.load_at_begin,
        record.load_at_end,
        record.cells.0.len(),
    );
    for absent in &record.absent {
        text.push_str(&format!("\nNot measured: {absent}.\n"));
    }
    text
}

/// Median, with the range behind it.
pub(crate) fn spread(spread: &Spread, digits: usize) -> String {
    let mark = if spread.noisy { "*" } else { "" };
    let Spread { median, min, max, count, .. } = spread;
    if *count == 1 {
        format!("{median:.digits$}{mark}")
    } else {
        format!("{median:.digits$}{mark} ({min:.digits$}–{max:.digits$})")
    }
}

fn job_table(cells: &Cells, job: &Job) -> String {
    let throughput = job.measures == Measures::Throughput;
    let unit = match job.measures {
        Measures::Throughput => "MB/s",
        Measures::Flushes => "pairs/s",
        Measures::Requests | Measures::BlockDevices => "requests/s",
    };
    let cpu = if throughput { "server CPU s/GB" } else { "server CPU s/M" };
    let mut table = Table::new(["target", unit, "÷ raw", "p50 µs", "p99 µs", cpu, "client", "kernel", "foreign cores"]);
    for name in target::NAMES.into_iter().filter(|name| cells.has(job.name, name)) {
        let speed = |cell: &Cell| if throughput { cell.megabytes_per_second } else { cell.iops };
        let amount = |cell: &Cell| if throughput { cell.bytes / 1e9 } else { cell.requests / 1e6 };
        let figure = |of: &dyn Fn(&Cell) -> f64| cells.spread(job.name, name, of);
        let short = |of: &dyn Fn(&Cell) -> f64, digits: usize| {
            figure(of).map_or(String::new(), |found| format!("{:.digits$}", found.median))
        };
        table.row([
            name.to_owned(),
            figure(&speed).map_or(String::new(), |found| spread(&found, 0)),
            cells.ratio(job.name, name, RAW, speed).map_or(String::new(), |ratio| spread(&ratio, 2)),
            short(&|cell| cell.p50_us, 0),
            short(&|cell| cell.p99_us, 0),
            server_cpu(cells, job.name, name, &amount),
            short(&|cell| cell.client_cpu_s / amount(cell), 1),
            short(&|cell| cell.kernel_cpu_s / amount(cell), 1),
            short(&|cell| cell.foreign_cores, 2),
        ]);
    }
    if table.is_empty() { String::new() } else { format!("\n### {} ({})\n\n{}", job.title, job.name, table.text()) }
}

/// The sum, and its parts where there are several.
fn server_cpu(cells: &Cells, job: &str, target: &str, amount: &dyn Fn(&Cell) -> f64) -> String {
    let sum = cells.spread(job, target, |cell| cell.server_cpu_s.values().sum::<f64>() / amount(cell));
    let Some(sum) = sum else { return String::new() };
    let roles: Vec<&String> = cells
        .0
        .iter()
        .find(|cell| cell.job == job && cell.target == target)
        .map_or(vec![], |cell| cell.server_cpu_s.keys().collect());
    let part = |role: &&String| {
        let spread = cells
            .spread(job, target, |cell| cell.server_cpu_s.get(*role).copied().unwrap_or_default() / amount(cell))?;
        Some(format!("{role} {:.1}", spread.median))
    };
    let parts: Vec<String> = roles.iter().filter_map(part).collect();
    match parts.len() {
        0 => String::new(),
        1 => format!("{:.1}", sum.median),
        _ => format!("{:.1} ({})", sum.median, parts.join(", ")),
    }
}

fn ladder_table(cells: &Cells) -> String {
    let steps = [
        ("frontend", ladder::FRONTEND, ladder::FRONTEND),
        ("frontend: iSCSI", ladder::ISCSI, ladder::ISCSI),
        ("frontend: FUSE and loop", ladder::FUSE_LOOP, ladder::FUSE_LOOP),
        ("+ engine and link", ladder::LINK_1, ladder::LINK_3),
        ("+ replica", ladder::MEMORY_1, ladder::MEMORY_3),
        ("+ disk", NBD_1, NBD_3),
        ("bare hops", BARE_1, BARE_3),
    ];
    let head = ["", "step", "p50 µs, depth 1", "requests/s, depth 32", "CPU s/M, depth 1", "CPU s/M, depth 32"];
    let mut table = Table::new(head);
    for (what, copies) in [("write", 1), ("read", 1), ("write", 3), ("read", 3)] {
        let (slow, fast) = if what == "write" { ("rw4k-q1", "rw4k-q32") } else { ("rr4k-q1", "rr4k-q32") };
        for (step, one, three) in steps {
            let name = if copies == 1 { one } else { three };
            if !cells.has(slow, name) && !cells.has(fast, name) {
                continue;
            }
            let figure = |job, of: &dyn Fn(&Cell) -> f64| {
                cells.spread(job, name, of).map_or(String::new(), |found| spread(&found, 0))
            };
            let million = |cell: &Cell| cell.requests / 1e6;
            table.row([
                format!("{what}, {copies} replica{}", if copies == 1 { "" } else { "s" }),
                step.to_owned(),
                figure(slow, &|cell| cell.p50_us),
                figure(fast, &|cell| cell.iops),
                server_cpu(cells, slow, name, &million),
                server_cpu(cells, fast, name, &million),
            ]);
        }
    }
    if table.is_empty() {
        String::new()
    } else {
        format!("\n### The ladder: where the time of 4 KiB goes\n\n{}", table.text())
    }
}

fn parts(record: &Record) -> String {
    let mut text = String::new();
    if let Some(starts) = &record.starts {
        let (replica, engine) = (spread(&starts.replica_ms, 1), spread(&starts.engine_ms, 1));
        text.push_str(&format!(
            "\nProcess start until ready: replica {replica} ms, engine with three replicas {engine} ms.\n"
        ));
    }
    if let Some(memory) = &record.memory {
        let mut table = Table::new(["volume of 10 GiB, 3 replicas, all processes, MiB", "RSS", "PSS"]);
        for (when, resident) in
            [("fresh, idle for 30 s", memory.fresh), ("idle for 30 s after load", memory.after_load)]
        {
            table.row([when.to_owned(), format!("{:.1}", resident.rss_mib), format!("{:.1}", resident.pss_mib)]);
        }
        table.row(["peak".to_owned(), format!("{:.1}", memory.peak_mib), String::new()]);
        text.push_str(&format!("\n### Memory\n\n{}", table.text()));
    }
    if !record.snapshots.is_empty() {
        let all = |of: fn(&crate::record::SnapshotUnderLoad) -> f64| {
            Spread::of(record.snapshots.iter().map(of)).map_or(String::new(), |found| spread(&found, 1))
        };
        text.push_str(&format!(
            "\nSnapshot of a volume with 3 replicas under random 4 KiB writes, depth 32: the call {} ms; longest request \
             while it was taken {} ms, at other times {} ms.\n",
            all(|one| one.call_ms),
            all(|one| one.longest_during_ms),
            all(|one| one.longest_otherwise_ms),
        ));
    }
    if !record.rebuilds.is_empty() {
        let mut table =
            Table::new(["rebuild", "data MiB", "s", "cp s", "cp and sync s", "bare write s", "÷ cp", "ns per byte"]);
        for rebuild in &record.rebuilds {
            table.row([
                rebuild.what.clone(),
                (rebuild.data_bytes >> 20).to_string(),
                format!("{:.2}", rebuild.rebuild_s),
                format!("{:.2}", rebuild.copy_s),
                format!("{:.2}", rebuild.copy_and_sync_s),
                format!("{:.2}", rebuild.bare_write_s),
                format!("{:.2}", rebuild.rebuild_s / rebuild.copy_s),
                format!("{:.2}", rebuild.rebuild_s * 1e9 / rebuild.data_bytes as f64),
            ]);
        }
        text.push_str(&format!("\n### Rebuild\n\n{}", table.text()));
    }
    text
}
