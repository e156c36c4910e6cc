//! For real: the system's clock, once a minute.

use aurochs_server::resources::Snapshot;
use serde_json::json;

use crate::installation::{Installation, MIB};

/// Two minutes at most: the first full one, in which there is new data, and the next, in which there is more.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_every_minute_and_takes_what_is_new() {
    let installation = Installation::with_volume(1, "nbd").await;
    installation.attach_by_api(false).await;
    installation.write(0, MIB, 1).await;
    installation.add_job("minutely", "snapshot", "*/1 * * * *", 1, 1).await;

    let first = installation.until_run("minutely", 1).await;
    assert_eq!((first.outcome.as_str(), first.missed, first.started_by.as_str()), ("succeeded", 0, ""), "{first:?}");
    // As text, a moment with fractions of a second would come before the second that it lies in.
    let second = |moment: &str| moment.trim_end_matches('Z').split('.').next().unwrap().to_owned();
    assert!(first.due.ends_with(":00Z") && second(&first.started_at) >= second(&first.due), "{first:?}");
    let [taken] = installation.own_snapshots("minutely").await.try_into().unwrap();
    assert!(taken.starts_with("minutely-"), "{taken}");
    let snapshot = installation.store().get::<Snapshot>(&taken).await.unwrap();
    assert_eq!(snapshot.status.labels["RecurringJob"], "minutely");
    assert_eq!(snapshot.status.labels["made-for"], "a-test");

    // Nothing was written since: a run that a user asks for takes none.
    installation.run_now("minutely").await;
    let asked = installation.until_run("minutely", 2).await;
    assert_eq!((asked.outcome.as_str(), asked.started_by.as_str()), ("succeeded", "admin"), "{asked:?}");
    assert_eq!(installation.own_snapshots("minutely").await, std::slice::from_ref(&taken));
    let runs = installation.runs_in_history("minutely").await;
    assert!(installation.log_of(&runs[0]).await.contains(&format!("nothing was written since snapshot {taken}")));

    installation.write(MIB, MIB, 2).await;
    let third = installation.until_run("minutely", 3).await;
    assert!(third.started_by.is_empty() && third.due > first.due, "{third:?}");
    let [newer] = installation.own_snapshots("minutely").await.try_into().unwrap();
    assert_ne!(newer, taken, "one is kept");
    installation.until_gone(&taken).await;
    // A third minute might begin before the processes have ended.
    installation.call("DELETE", "/v1/recurringjobs/minutely", json!(null)).await;
    installation.stop().await;
}
