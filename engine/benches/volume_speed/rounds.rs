//! Round → job → target: neighbours in time are compared, and what drifts hits all of them.

use crate::cell::Cell;
use crate::job::{Job, Measures};
use crate::record::Record;
use crate::settings::Settings;
use crate::target::{Kind, Target};

pub(crate) async fn run(settings: &Settings, targets: &[Target], record: &mut Record) {
    for round in 1..=settings.rounds() {
        for job in settings.jobs() {
            let mut order: Vec<&Target> = targets.iter().filter(|target| takes_part(target, job)).collect();
            if round % 2 == 0 {
                order.reverse();
            }
            for target in order {
                let cell = quietest(settings, round, job, target).await;
                tell(settings, &cell);
                record.cells.0.push(cell);
            }
        }
    }
}

fn takes_part(target: &Target, job: &Job) -> bool {
    match (job.measures, target.kind) {
        (_, Kind::Raw | Kind::BareHops) => true,
        (Measures::BlockDevices, kind) => kind == Kind::BlockDevice,
        (measures, Kind::Step) => measures == Measures::Requests,
        (_, Kind::BlockDevice | Kind::Server) => true,
    }
}

/// Measures again while others use the processors, and keeps the quietest.
async fn quietest(settings: &Settings, round: u32, job: &Job, target: &Target) -> Cell {
    let mut best = Cell::measure(settings, round, job, target).await;
    for _ in 0..settings.repeats() {
        if best.is_quiet() {
            break;
        }
        let again = Cell::measure(settings, round, job, target).await;
        if again.foreign_cores < best.foreign_cores {
            best = again;
        }
    }
    best
}

fn tell(settings: &Settings, cell: &Cell) {
    eprintln!(
        "round {}/{} {:<13} {:<14} {:>8.0} /s {:>7.0} MB/s  p50 {:>7.0} µs  p99 {:>7.0} µs  {:>6.1} CPU s/M  foreign {:.2}",
        cell.round,
        settings.rounds(),
        cell.job,
        cell.target,
        cell.iops,
        cell.megabytes_per_second,
        cell.p50_us,
        cell.p99_us,
        cell.server_s_per_million(),
        cell.foreign_cores,
    );
}
