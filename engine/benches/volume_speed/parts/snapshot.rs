//! How long a snapshot holds up a client that writes at depth 32.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aurochs_engine::grpc::engine_v1::SnapshotCreateRequest;

use crate::fio::{self, Place};
use crate::job;
use crate::record::SnapshotUnderLoad;
use crate::settings::Settings;
use crate::target::images::Images;
use crate::target::volume::{Offer, Spec, Storage, Volume};
use crate::workplace::Workplace;

/// Of a run with one snapshot in its middle.
const SECONDS: u32 = 3;
/// Requests that the snapshot held up have ended so long after its answer.
const AFTERWARDS: Duration = Duration::from_millis(250);

/// One for each round, one on top of the other, on a volume with three replicas that is full.
pub(crate) async fn measure(settings: &Settings, workplace: &Workplace) -> Vec<SnapshotUnderLoad> {
    let (storage, offer) = (Storage::Disk, Offer::default());
    let size = settings.size();
    let spec = Spec { name: "snapshot", size, copies: 3, storage, offer };
    let volume = Volume::start(settings, workplace, &spec).await;
    Images::new(workplace, size).fill(&volume.nbd_uri).await;
    let mut found = Vec::new();
    for round in 1..=settings.rounds() {
        found.push(one(settings, workplace, &volume, size, round).await);
    }
    volume.stop().await;
    found
}

async fn one(settings: &Settings, workplace: &Workplace, volume: &Volume, size: u64, round: u32) -> SnapshotUnderLoad {
    let logs = workplace.directory(&format!("snapshot-{round}"));
    let mut arguments = fio::arguments(&Place::Nbd(volume.nbd_uri.clone()), job::named("rw4k-q32"), size, SECONDS);
    arguments.extend([format!("--write_lat_log={}", logs.join("log").display()), "--log_unix_epoch=1".to_owned()]);
    let take = async {
        tokio::time::sleep(Duration::from_secs(SECONDS.into()) / 2).await;
        let request = SnapshotCreateRequest { name: format!("s{round}"), ..SnapshotCreateRequest::default() };
        let (begin, clock) = (Instant::now(), unix_ms());
        volume.client.clone().snapshot_create(request).await.unwrap();
        (clock, begin.elapsed())
    };
    let program = fio::program(settings);
    let (_, (begin_ms, call)) = tokio::join!(fio::run(&program, &arguments), take);
    let end_ms = begin_ms + (call + AFTERWARDS).as_millis() as u64;
    let [longest_during_ms, longest_otherwise_ms] = longest(&logs.join("log_clat.1.log"), begin_ms, end_ms);
    SnapshotUnderLoad { call_ms: call.as_secs_f64() * 1000.0, longest_during_ms, longest_otherwise_ms }
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// Longest latency of requests that ended within these moments, and of the others, in milliseconds.
fn longest(log: &Path, begin_ms: u64, end_ms: u64) -> [f64; 2] {
    let text = std::fs::read_to_string(log).unwrap_or_else(|error| panic!("{}: {error}", log.display()));
    let mut longest = [0_f64; 2];
    for line in text.lines() {
        // When it ended (ms), latency (ns), direction, size, offset.
        let mut fields = line.split(',').map(str::trim);
        let (Some(Ok(at)), Some(Ok(latency))) =
            (fields.next().map(str::parse::<u64>), fields.next().map(str::parse::<f64>))
        else {
            panic!("fio's log has a line {line:?}")
        };
        let which = usize::from(!(begin_ms..=end_ms).contains(&at));
        longest[which] = longest[which].max(latency / 1e6);
    }
    longest
}
