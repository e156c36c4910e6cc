//! Walkthrough W44 over two weeks, on a simulated clock and a real engine.

use aurochs_server::jobs::JobState;
use aurochs_server::recurring::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::installation::{Installation, MIB, SIZE, VOLUME};

/// Of the runs in a row, those before which something is written.
fn is_written(run: usize) -> bool {
    !run.is_multiple_of(3)
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_and_what_is_kept_over_two_weeks() {
    let begin: Timestamp = "2040-01-02T00:00:30Z".parse().unwrap();
    let (clock, hands) = Clock::simulated(begin);
    let installation = Installation::start_by(1, clock).await;
    let body = json!({"name": VOLUME, "size": SIZE.to_string(), "numberOfReplicas": 1, "frontend": "nbd"});
    installation.call("POST", "/v1/volumes", body).await;
    installation.until_state("detached").await;
    installation.attach_by_api(false).await;
    installation.add_job("kube-snap", "snapshot", "0 0/3 * * ?", 5, 3).await;
    installation.add_job("kube-backup-daily", "backup", "0 2 * * ?", 7, 1).await;
    installation.add_job("kube-backup-weekly", "backup", "0 6 ? * SAT", 4, 1).await;

    // 2 January 2040 is a Monday. Every three hours: the 112th time is the midnight at the end of the second Sunday.
    let (mut kept, mut taken) = (Vec::<String>::new(), 0);
    let (mut daily, mut weekly) = (0, 0);
    for run in 1..=112 {
        if is_written(run) {
            let offset = (run as u64 % 16) * MIB;
            installation.write(offset, 65536, u8::try_from(run).unwrap()).await;
        }
        let hour = i64::try_from(run).unwrap() * 3;
        hands.set(begin + SignedDuration::from_hours(hour));
        installation.until_run("kube-snap", run as u64).await;
        let now = installation.own_snapshots("kube-snap").await;
        if is_written(run) {
            taken += 1;
            let newest = now.last().unwrap().clone();
            assert!(!kept.contains(&newest), "run {run}: a new one is taken");
            kept.push(newest);
            kept.drain(..kept.len().saturating_sub(5));
        }
        assert_eq!(now, kept, "run {run}: the newest five stay");
        daily += u64::from(hour % 24 == 3);
        weekly += u64::from(hour % (7 * 24) == 5 * 24 + 6);
        for (job, count) in [("kube-backup-daily", daily), ("kube-backup-weekly", weekly)] {
            if count > 0 {
                let last = installation.until_run(job, count).await;
                assert_eq!(last.outcome, "failed");
                assert!(last.message.contains(VOLUME), "its target has no address: {last:?}");
            }
        }
    }
    assert_eq!((taken, daily, weekly), (75, 14, 2));
    // A run that takes nothing is in the history, too; the first value of the setting keeps a hundred.
    // The one too many goes a moment after the run's end is told.
    let mut runs = Vec::new();
    let are_kept = async |_: &_| {
        runs = installation.runs_in_history("kube-snap").await;
        runs.len() == 100
    };
    installation.until("a hundred runs stay", are_kept).await;
    assert!(runs.iter().all(|run| run.record.state() == JobState::Succeeded));
    assert_eq!(installation.runs_in_history("kube-backup-daily").await.len(), 14);
    installation.stop().await;
}
