//! Samples of real I/O.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::installation::{Installation, VOLUME};
use crate::nbd::Nbd;

const WRITES: u64 = 300;
const READS: u64 = 200;
const BLOCK: usize = 8192;

/// How long requests took, as the client saw it; sorted.
fn timed(count: u64, mut request: impl FnMut(u64)) -> Vec<Duration> {
    let mut times: Vec<Duration> = (0..count)
        .map(|number| {
            let started = Instant::now();
            request(number);
            started.elapsed()
        })
        .collect();
    times.sort_unstable();
    times
}

fn sum(samples: &Value, field: &str) -> f64 {
    let points = samples["io"].as_array().unwrap();
    points.iter().map(|point| point[field].as_f64().unwrap() * point["seconds"].as_f64().unwrap()).sum()
}

fn is(found: f64, expected: f64) -> bool {
    (found - expected).abs() < 1e-3
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_are_those_of_the_io_done() {
    let mut installation = Installation::start(1).await;
    installation.create(1, |_| {}).await;
    installation.attach("node-1").await;
    installation.until_healthy().await;
    let address = format!("/v1/samples?volume={VOLUME}&step=10");
    installation
        .until("rest is known", async |_| {
            let samples = installation.call("GET", &address, Value::Null).await;
            samples["io"].as_array().is_some_and(|points| !points.is_empty())
        })
        .await;
    let uri = installation.engine().await.status.nbd_uri;
    let (writes, reads) = tokio::task::block_in_place(|| {
        let mut nbd = Nbd::connect(&uri).unwrap();
        let writes = timed(WRITES, |number| nbd.write(number * BLOCK as u64, &[7; BLOCK]).unwrap());
        (writes, timed(READS, |number| drop(nbd.read(number * BLOCK as u64, BLOCK).unwrap())))
    });
    installation
        .until("all of it was seen", async |_| {
            let samples = installation.call("GET", &address, Value::Null).await;
            is(sum(&samples, "writesPerSecond"), WRITES as f64) && is(sum(&samples, "readsPerSecond"), READS as f64)
        })
        .await;
    let samples = installation.call("GET", &address, Value::Null).await;
    assert!(is(sum(&samples, "writtenBytesPerSecond"), (WRITES * BLOCK as u64) as f64), "{samples}");
    assert!(is(sum(&samples, "readBytesPerSecond"), (READS * BLOCK as u64) as f64), "{samples}");

    // One point for all of it: the engine's times lie within those of its client, but for the width of a bucket.
    let hour = installation.call("GET", &format!("/v1/samples?volume={VOLUME}&step=3600"), Value::Null).await;
    for (kind, times) in [("write", writes), ("read", reads)] {
        let of_kind: Vec<&Value> =
            hour["io"].as_array().unwrap().iter().map(|point| &point[kind]).filter(|one| !one.is_null()).collect();
        assert!(!of_kind.is_empty(), "{hour}");
        for told in of_kind {
            let nanoseconds = |field: &str| told[field].as_u64().unwrap();
            let longest = u64::try_from(times.last().unwrap().as_nanos()).unwrap();
            assert!(nanoseconds("p50") > 0 && nanoseconds("p50") <= nanoseconds("p99"), "{kind} {told}");
            assert!(nanoseconds("p99") <= longest / 4 * 5 && nanoseconds("mean") <= longest, "{kind} {told} {longest}");
        }
    }

    // The next manager knows it, too, and an engine that ran on is no jump.
    installation.start_manager(1).await;
    let later = format!("/v1/samples?volume={VOLUME}&step=60");
    let samples = installation.call("GET", &later, Value::Null).await;
    assert!(is(sum(&samples, "writesPerSecond"), WRITES as f64), "{samples}");
    installation
        .until("it goes on", async |_| {
            let samples = installation.call("GET", &later, Value::Null).await;
            let seconds: f64 =
                samples["io"].as_array().unwrap().iter().map(|one| one["seconds"].as_f64().unwrap()).sum();
            assert!(is(sum(&samples, "writesPerSecond"), WRITES as f64), "{samples}");
            seconds > 30.0
        })
        .await;
    let disk = installation.store().get::<aurochs_server::resources::Node>("node-1").await.unwrap();
    let disk = disk.spec.disks.keys().next().unwrap().clone();
    installation
        .until("the space of its disk is known", async |_| {
            let samples = installation.call("GET", &format!("/v1/samples?node=node-1&disk={disk}"), Value::Null).await;
            let points = samples["space"].as_array().unwrap();
            points.iter().any(|point| point["maximum"].as_u64() > Some(0) && point["scheduled"].as_u64() > Some(0))
        })
        .await;
    installation.stop().await;
}
