//! What volumes have to reach, and whether they do.

use crate::cell::{Cell, Spread};
use crate::ladder::bare_hops::{BARE_1, BARE_3};
use crate::record::{Rebuild, Record};
use crate::report::{spread, table::Table};
use crate::target::{ISCSI_1, ISCSI_3, LOOP_3, NBD_1, NBD_3, NBDFUSE, RAW, TGT};

/// A bound.
#[derive(Clone, Copy)]
enum Must {
    AtLeast(f64),
    AtMost(f64),
}

struct Verdicts(Table);

/// Every line; those without figures say so.
pub(crate) fn table(record: &Record) -> Table {
    let mut verdicts = Verdicts(Table::new(["what", "must be", "measured", "bare", ""]));
    against_raw(&mut verdicts, record);
    against_peers(&mut verdicts, record);
    costs(&mut verdicts, record);
    parts(&mut verdicts, record);
    verdicts.0
}

fn against_raw(verdicts: &mut Verdicts, record: &Record) {
    use Must::{AtLeast, AtMost};
    let iops = |cell: &Cell| cell.iops;
    // Every write of three replicas is three on the same disk.
    let third = |found: Option<Spread>| found.map(|found| scaled(found, 3.0));
    let ratio = |job, target, figure: fn(&Cell) -> f64| record.cells.ratio(job, target, RAW, figure);
    let one = |job, figure| [NBD_1, BARE_1].map(|target| ratio(job, target, figure));
    let three = |job, figure| [NBD_3, BARE_3].map(|target| ratio(job, target, figure));
    verdicts.line("NBD, 1 replica, 4 KiB write, depth 32 ÷ raw", AtLeast(0.55), one("rw4k-q32", iops), 2);
    verdicts.line("NBD, 1 replica, 4 KiB read, depth 32 ÷ raw", AtLeast(0.50), one("rr4k-q32", iops), 2);
    let write = three("rw4k-q32", iops).map(third);
    verdicts.line("NBD, 3 replicas, 4 KiB write, depth 32 ÷ a third of raw", AtLeast(0.75), write, 2);
    verdicts.line("NBD, 3 replicas, 4 KiB read, depth 32 ÷ raw", AtLeast(0.50), three("rr4k-q32", iops), 2);
    let p50 = |cell: &Cell| cell.p50_us;
    verdicts.line("NBD, 3 replicas, 4 KiB write, depth 1, p50 ÷ raw", AtMost(4.0), three("rw4k-q1", p50), 2);
    verdicts.line("NBD, 3 replicas, 4 KiB read, depth 1, p50 ÷ raw", AtMost(2.5), three("rr4k-q1", p50), 2);
    let rate = |cell: &Cell| cell.megabytes_per_second;
    let write = three("sw1m-q4", rate).map(third);
    verdicts.line("NBD, 3 replicas, 1 MiB write, depth 4 ÷ a third of raw", AtLeast(0.50), write, 2);
    verdicts.line("NBD, 3 replicas, 1 MiB read, depth 4 ÷ raw", AtLeast(0.80), three("sr1m-q4", rate), 2);
    let flushes = three("rw4k-q1-sync", iops);
    verdicts.line("NBD, 3 replicas, write and flush, depth 1 ÷ raw with fdatasync", AtLeast(0.35), flushes, 2);
}

fn against_peers(verdicts: &mut Verdicts, record: &Record) {
    let ratio = |job, target, base| record.cells.ratio(job, target, base, |cell| cell.iops);
    // The bare hops speak NBD: what they lack of iSCSI and of FUSE would cost them something.
    let one = [ISCSI_1, BARE_1].map(|target| ratio("rw4k-q32", target, TGT));
    let three = [ISCSI_3, BARE_3].map(|target| ratio("rw4k-q32", target, TGT));
    verdicts.line("iSCSI, 1 replica, 4 KiB write, depth 32 ÷ tgt", Must::AtLeast(1.5), one, 2);
    verdicts.line("iSCSI, 3 replicas, 4 KiB write, depth 32 ÷ tgt", Must::AtLeast(0.8), three, 2);
    let device = [LOOP_3, BARE_3].map(|target| ratio("rw4k-q16", target, NBDFUSE));
    verdicts.line("FUSE and loop, 3 replicas, 4 KiB write, depth 16 ÷ nbdfuse", Must::AtLeast(1.2), device, 2);
}

fn costs(verdicts: &mut Verdicts, record: &Record) {
    for (what, job, most) in [("writes", "rw4k-q32", 45.0), ("reads", "rr4k-q32", 20.0)] {
        let cost = [NBD_3, BARE_3].map(|target| record.cells.spread(job, target, Cell::server_s_per_million));
        let title = format!("NBD, 3 replicas, CPU s per million 4 KiB {what}, depth 32");
        verdicts.line(&title, Must::AtMost(most), cost, 1);
    }
}

fn parts(verdicts: &mut Verdicts, record: &Record) {
    use Must::AtMost;
    let one = |value: f64| Spread::of([value]);
    let idle = record.memory.and_then(|memory| one(memory.fresh.rss_mib.max(memory.after_load.rss_mib)));
    verdicts.line("idle volume of 10 GiB, 3 replicas, RSS of all processes, MiB", AtMost(26.0), [idle, None], 1);
    let peak = record.memory.and_then(|memory| one(memory.peak_mib));
    verdicts.line("its peak under load, MiB", AtMost(120.0), [peak, None], 1);
    let rebuild = |what: &str| record.rebuilds.iter().find(|rebuild| rebuild.what.starts_with(what));
    for what in ["dense, no snapshot", "dense, 3 snapshots"] {
        let ratio = rebuild(what).and_then(|rebuild| one(rebuild.rebuild_s / rebuild.copy_s));
        verdicts.line(&format!("rebuild, {what} ÷ cp --sparse=always"), AtMost(2.0), [ratio, None], 2);
    }
    let both = rebuild("4 KiB").zip(rebuild("dense, no"));
    let ratio = |time: fn(&Rebuild) -> f64| {
        both.and_then(|(holes, dense)| {
            one(time(holes) / holes.data_bytes as f64 / (dense.rebuild_s / dense.data_bytes as f64))
        })
    };
    // Beside it what is left of such a rebuild when nothing has to be read or sent.
    let ratios = [ratio(|rebuild| rebuild.rebuild_s), ratio(|rebuild| rebuild.bare_write_s)];
    verdicts.line("rebuild, 4 KiB data / 4 KiB hole ÷ dense, time per byte of data", AtMost(3.0), ratios, 2);
    let longest = Spread::of(record.snapshots.iter().map(|snapshot| snapshot.longest_during_ms));
    verdicts.line("snapshot while writing at depth 32: longest request, ms", AtMost(50.0), [longest, None], 1);
    let [replica, engine] =
        [record.starts.map(|starts| starts.replica_ms), record.starts.map(|starts| starts.engine_ms)];
    verdicts.line("start of a replica, ms", AtMost(20.0), [replica, None], 1);
    verdicts.line("start of an engine, ms", AtMost(30.0), [engine, None], 1);
}

fn scaled(spread: Spread, by: f64) -> Spread {
    Spread { median: spread.median * by, min: spread.min * by, max: spread.max * by, ..spread }
}

impl Verdicts {
    /// `ceiling` is what the bare hops of such a volume reach, or a bare writer, where that can be told.
    fn line(&mut self, what: &str, must: Must, [found, ceiling]: [Option<Spread>; 2], digits: usize) {
        let (bound, holds) = match must {
            Must::AtLeast(least) => (format!("≥ {least}"), found.is_some_and(|found| found.median >= least)),
            Must::AtMost(most) => (format!("≤ {most}"), found.is_some_and(|found| found.median <= most)),
        };
        let verdict = match (&found, holds) {
            (None, _) => "not measured",
            (Some(_), true) => "ok",
            (Some(_), false) => "short",
        };
        let [figure, ceiling] = [found, ceiling].map(|one| one.map_or(String::new(), |one| spread(&one, digits)));
        self.0.row([what.to_owned(), bound, figure, ceiling, verdict.to_owned()]);
    }
}
