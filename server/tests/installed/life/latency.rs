//! How long a volume takes for requests, as Prometheus is told it: counted by the engine, request by request.

use crate::installation::{Installation, MIB};
use crate::nbd::Nbd;

/// The count of requests of this kind; none where there is no such series.
async fn counted(installation: &Installation, operation: &str) -> Option<u64> {
    let page = installation.text("/metrics").await;
    let series = format!("aurochs_volume_io_duration_seconds_count{{volume=\"vol\",operation=\"{operation}\"}} ");
    page.lines().find_map(|line| line.strip_prefix(&series)).map(|count| count.parse().unwrap())
}

async fn until_counted(installation: &Installation, operation: &str, expected: Option<u64>) {
    let what = format!("{expected:?} times {operation}");
    installation.until(&what, async |_| counted(installation, operation).await == expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_counted_with_its_time_until_the_engine_begins_anew() {
    let installation = Installation::start(1).await;
    installation.create(1, |_| {}).await;
    installation.attach("node-1").await;
    installation.until_healthy().await;
    assert_eq!(counted(&installation, "write").await, None);

    let uri = installation.engine().await.status.nbd_uri;
    tokio::task::spawn_blocking(move || {
        let mut nbd = Nbd::connect(&uri).unwrap();
        for number in 0..5 {
            nbd.write(number * MIB, &[7; 8192]).unwrap();
        }
        for number in 0..3 {
            assert_eq!(nbd.read(number * MIB, 8192).unwrap(), [7; 8192]);
        }
        nbd.trim(4 * MIB, 8192).unwrap();
    })
    .await
    .unwrap();
    for (operation, expected) in [("write", 5), ("flush", 5), ("read", 3), ("unmap", 1)] {
        until_counted(&installation, operation, Some(expected)).await;
    }
    let page = installation.text("/metrics").await;
    let series = "aurochs_volume_io_duration_seconds_sum{volume=\"vol\",operation=\"read\"} ";
    let seconds: f64 = page.lines().find_map(|line| line.strip_prefix(series)).unwrap().parse().unwrap();
    assert!(seconds > 0.0, "reads take time");

    // A counter that begins at zero is one that Prometheus knows how to read; one that goes on without an engine is not.
    installation.detach().await;
    until_counted(&installation, "write", None).await;
    installation.attach("node-1").await;
    installation.until_healthy().await;
    let uri = installation.engine().await.status.nbd_uri;
    tokio::task::spawn_blocking(move || Nbd::connect(&uri).unwrap().write(0, &[8; 4096]).unwrap()).await.unwrap();
    until_counted(&installation, "write", Some(1)).await;
    installation.detach().await;
    installation.stop().await;
}
