//! `aurochs sample`: what volumes did and what disks had, over time.

use aurochs_api::sample::{IoPoint, LatencyPoint, Samples, SpacePoint};
use aurochs_api::size::ByteSize;
use clap::{Args, Subcommand};
use reqwest::Method;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::api::{Seen, seen};
use super::failure::Failure;
use super::http::query;
use super::output::Format;
use super::table::{Cell, Column};
use super::{Client, Run};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Requests, throughput and latency of a volume
    Volume(Volume),
    /// Space of a disk
    Disk(Disk),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs sample volume data
  aurochs sample volume data --from 2026-11-01T00:00:00Z --to 2026-11-02T00:00:00Z --step 3600")]
pub struct Volume {
    /// Name of the volume
    volume: String,
    #[command(flatten)]
    span: Span,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  aurochs sample disk node-1 disk-1")]
pub struct Disk {
    /// Name of the node
    node: String,
    /// Name of the disk
    disk: String,
    #[command(flatten)]
    span: Span,
}

#[derive(Debug, Args)]
struct Span {
    /// Beginning, such as 2026-11-01T00:00:00Z; an hour ago otherwise
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// End; now otherwise
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Seconds for which one row stands
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    step: u32,
}

const IO: &[Column] = &[
    Column::text("TIME"),
    Column::number("READS/s"),
    Column::number("WRITES/s"),
    Column::number("READ"),
    Column::number("WRITTEN"),
    Column::number("READ p50").spare(),
    Column::number("READ p99"),
    Column::number("WRITE p50").spare(),
    Column::number("WRITE p99"),
];
const SPACE: &[Column] = &[
    Column::text("TIME"),
    Column::number("TOTAL"),
    Column::number("AVAILABLE"),
    Column::number("LEAST"),
    Column::number("SCHEDULED"),
    Column::number("RESERVED"),
];

impl Run for Command {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let (volume, node, disk, span) = match self {
            Self::Volume(Volume { volume, span }) => (Some(volume), None, None, span),
            Self::Disk(Disk { node, disk, span }) => (None, Some(node), Some(disk), span),
        };
        let step = Some(span.step.to_string());
        let query = query([
            ("volume", volume),
            ("node", node),
            ("disk", disk),
            ("from", span.from),
            ("to", span.to),
            ("step", step),
        ]);
        let answer: Seen<Samples> = seen(client.api.raw(Method::GET, &format!("/v1/samples{query}"), None).await?)?;
        let samples = &answer.thing.data;
        match client.output.format {
            Format::Json => client.output.json(&answer.raw),
            Format::Name => client.output.line(if samples.volume.is_empty() { &samples.disk } else { &samples.volume }),
            Format::Table if samples.io.is_empty() && samples.space.is_empty() => {
                client.output.line("Nothing is known of that time.")
            }
            Format::Table if samples.volume.is_empty() => {
                client.output.table(SPACE, samples.space.iter().map(space).collect())
            }
            Format::Table => client.output.table(IO, samples.io.iter().map(io).collect()),
        }
    }
}

fn io(point: &IoPoint) -> Vec<Cell> {
    let latency =
        |of: Option<LatencyPoint>, which: fn(LatencyPoint) -> u64| of.map(which).map(length).unwrap_or_default();
    vec![
        moment(point.at).into(),
        format!("{:.1}", point.reads_per_second).into(),
        format!("{:.1}", point.writes_per_second).into(),
        rate(point.read_bytes_per_second).into(),
        rate(point.written_bytes_per_second).into(),
        latency(point.read, |read| read.p50).into(),
        latency(point.read, |read| read.p99).into(),
        latency(point.write, |write| write.p50).into(),
        latency(point.write, |write| write.p99).into(),
    ]
}

fn space(point: &SpacePoint) -> Vec<Cell> {
    let size = |bytes: u64| Cell::from(ByteSize(bytes).to_string());
    vec![
        moment(point.at).into(),
        size(point.maximum),
        size(point.available),
        size(point.available_minimum),
        size(point.scheduled),
        size(point.reserved),
    ]
}

fn moment(seconds: u64) -> String {
    let at = i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates; a rate is never below zero")]
fn rate(bytes_per_second: f64) -> String {
    format!("{}/s", ByteSize(bytes_per_second as u64))
}

/// In the unit that people compare: `85 us`, `1.25 ms`, `2.50 s`.
fn length(nanoseconds: u64) -> String {
    let thousandths = |unit: u64| format!("{}.{:02}", nanoseconds / unit, nanoseconds % unit * 100 / unit);
    match nanoseconds {
        0..1_000_000 => format!("{} us", nanoseconds / 1000),
        1_000_000..1_000_000_000 => format!("{} ms", thousandths(1_000_000)),
        _ => format!("{} s", thousandths(1_000_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_rates() {
        for (nanoseconds, text) in [(85_400, "85 us"), (1_250_000, "1.25 ms"), (2_500_000_000, "2.50 s")] {
            assert_eq!(length(nanoseconds), text);
        }
        assert_eq!(rate(1_048_576.4), "1 MiB/s");
        assert_eq!(moment(1_793_487_600), "2026-10-31T23:00:00Z");
    }
}
