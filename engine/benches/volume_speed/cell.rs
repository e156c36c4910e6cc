//! One job on one target in one round, and what several of them say together.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::cpu::{Moment, QUIET_CORES, load};
use crate::fio;
use crate::job::Job;
use crate::settings::Settings;
use crate::target::Target;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) round: u32,
    pub(crate) job: String,
    pub(crate) target: String,
    pub(crate) iops: f64,
    pub(crate) megabytes_per_second: f64,
    pub(crate) requests: f64,
    pub(crate) bytes: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) max_us: f64,
    /// Processor time of the server's processes, by what they are.
    pub(crate) server_cpu_s: BTreeMap<String, f64>,
    pub(crate) client_cpu_s: f64,
    pub(crate) kernel_cpu_s: f64,
    /// What processes that take no part used, in processors.
    pub(crate) foreign_cores: f64,
    pub(crate) load: f64,
}

impl Cell {
    /// Measures once.
    pub(crate) async fn measure(settings: &Settings, round: u32, job: &Job, target: &Target) -> Self {
        let pids: Vec<u32> = target.servers.iter().map(|server| server.pid).collect();
        let arguments = fio::arguments(&target.place, job, target.size, settings.seconds());
        let (before, begin) = (Moment::now(&pids), Instant::now());
        let seen = fio::run(&fio::program(settings), &arguments).await;
        let (after, elapsed) = (Moment::now(&pids), begin.elapsed().as_secs_f64());
        let mut server_cpu_s = BTreeMap::new();
        for (server, (after, before)) in target.servers.iter().zip(after.servers_s.iter().zip(&before.servers_s)) {
            *server_cpu_s.entry(server.role.to_owned()).or_insert(0.0) += after - before;
        }
        let client_cpu_s = after.client_s - before.client_s;
        let kernel_cpu_s = after.kernel_s_since(&before);
        let ours = server_cpu_s.values().sum::<f64>() + client_cpu_s + kernel_cpu_s;
        Self {
            round,
            job: job.name.to_owned(),
            target: target.name.to_owned(),
            iops: seen.iops,
            megabytes_per_second: seen.megabytes_per_second,
            requests: seen.requests,
            bytes: seen.bytes,
            p50_us: seen.p50_us,
            p99_us: seen.p99_us,
            max_us: seen.max_us,
            server_cpu_s,
            client_cpu_s,
            kernel_cpu_s,
            foreign_cores: (after.busy_s - before.busy_s - ours) / elapsed,
            load: load(),
        }
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.foreign_cores <= QUIET_CORES
    }

    /// Seconds of all server processes for a million requests.
    pub(crate) fn server_s_per_million(&self) -> f64 {
        self.server_cpu_s.values().fold(0.0, |sum, one| sum + one) / self.requests * 1e6
    }
}

/// Median and range.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// How many values it rests on.
    pub(crate) count: usize,
    /// Others used the processors in all of them.
    pub(crate) noisy: bool,
}

impl Spread {
    /// `None` of nothing.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[middle] } else { (*values.get(middle)? + values[middle - 1]) / 2.0 };
        Some(Self { median, min: values[0], max: values[values.len() - 1], count: values.len(), noisy: false })
    }
}

/// All cells of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Cells(pub(crate) Vec<Cell>);

impl Cells {
    fn of<'a>(&'a self, job: &'a str, target: &'a str) -> impl Iterator<Item = &'a Cell> {
        self.0.iter().filter(move |cell| cell.job == job && cell.target == target)
    }

    pub(crate) fn has(&self, job: &str, target: &str) -> bool {
        self.of(job, target).next().is_some()
    }

    /// A figure over the quiet rounds; over all where none was quiet.
    pub(crate) fn spread(&self, job: &str, target: &str, figure: impl Fn(&Cell) -> f64) -> Option<Spread> {
        let quiet = Spread::of(self.of(job, target).filter(|cell| cell.is_quiet()).map(&figure));
        quiet.or_else(|| Some(Spread { noisy: true, ..Spread::of(self.of(job, target).map(&figure))? }))
    }

    /// The quotient of a figure of two targets, each pair from one round; over pairs that were both quiet if there is
    /// one.
    pub(crate) fn ratio(&self, job: &str, target: &str, base: &str, figure: impl Fn(&Cell) -> f64) -> Option<Spread> {
        let pairs: Vec<(bool, f64)> = self
            .of(job, target)
            .filter_map(|cell| {
                let other = self.of(job, base).find(|other| other.round == cell.round)?;
                Some((cell.is_quiet() && other.is_quiet(), figure(cell) / figure(other)))
            })
            .collect();
        let quiet = Spread::of(pairs.iter().filter(|(quiet, _)| *quiet).map(|(_, ratio)| *ratio));
        quiet.or_else(|| Some(Spread { noisy: true, ..Spread::of(pairs.iter().map(|(_, ratio)| *ratio))? }))
    }
}
