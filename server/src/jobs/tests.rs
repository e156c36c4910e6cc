//! The history over restarts, within its bounds, and as it is asked for.

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::job::JobStarter;

use super::board::Dirt;
use super::*;
use crate::store::sqlite::Sqlite;

struct History {
    directory: tempfile::TempDir,
    sqlite: Sqlite,
    settings: Settings,
    jobs: Jobs,
}

impl History {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let sqlite = Sqlite::open(&directory.path().join("aurochs.db")).await.unwrap();
        let settings = Settings::default();
        let jobs = Jobs::open(sqlite.pool(), settings.clone()).await.unwrap();
        Self { directory, sqlite, settings, jobs }
    }

    /// Another manager of the same data.
    async fn restart(self) -> Self {
        self.jobs.settle().await;
        self.sqlite.close().await;
        let sqlite = Sqlite::open(&self.directory.path().join("aurochs.db")).await.unwrap();
        let jobs = Jobs::open(sqlite.pool(), self.settings.clone()).await.unwrap();
        Self { sqlite, jobs, ..self }
    }

    async fn list(&self, filter: Filter) -> Vec<Record> {
        let page = Page { limit: 1000, before: None };
        self.jobs.list(&filter, page).await.unwrap().into_iter().map(|seen| seen.record).collect()
    }

    async fn all(&self) -> Vec<Record> {
        self.list(Filter::default()).await
    }
}

fn rebuild(volume: &str, key: Option<&str>) -> NewJob {
    NewJob {
        volume: Some(volume.to_owned()),
        node: Some("node-1".to_owned()),
        planned_bytes: Some(100),
        key: key.map(str::to_owned),
        ..NewJob::new(JobKind::Rebuild, format!("{volume}-r-1"), "a replica failed")
    }
}

#[tokio::test]
async fn a_job_is_kept_with_all_that_was_told_of_it() {
    let history = History::start().await;
    let job = history.jobs.begin(rebuild("v", None)).await;
    let id = job.id();
    job.phase("copying");
    job.planned(200);
    job.done(50);
    job.log(Level::Warning, "the first source was lost");
    let cause = Cause::new(CauseCode::ReplicaFailed, Severity::Error, "the disk is full", "add a disk");
    job.finish(Outcome::Failed(cause.clone().into())).await;
    let history = history.restart().await;
    let seen = history.jobs.find(id).await.unwrap().unwrap();
    let kept = seen.record;
    assert_eq!((kept.kind, kept.state(), kept.volume.as_str()), (JobKind::Rebuild, JobState::Failed, "v"));
    assert_eq!((kept.planned_bytes, kept.done_bytes, seen.seconds_left), (Some(200), 50, None));
    assert_eq!(kept.started_by, StartedBy::System("a replica failed".to_owned()));
    assert_eq!(kept.phases.iter().map(|phase| phase.name.as_str()).collect::<Vec<_>>(), ["copying"]);
    let Standing::Ended { outcome: Outcome::Failed(failure), .. } = kept.standing else { panic!("{kept:?}") };
    assert_eq!(failure, Failure::from(cause));
    let log = history.jobs.log_of(id).await.unwrap();
    assert_eq!((log.len(), log[0].level, log[0].text.as_str()), (1, Level::Warning, "the first source was lost"));
}

#[tokio::test]
async fn a_restarted_manager_goes_on_with_the_job_of_a_key() {
    let history = History::start().await;
    let first = history.jobs.begin(rebuild("v", Some("rebuild/v-r-1"))).await;
    let id = first.id();
    first.done(10);
    first.log(Level::Info, "one");
    drop(first);
    let history = history.restart().await;
    let second = history.jobs.begin(rebuild("v", Some("rebuild/v-r-1"))).await;
    assert_eq!(second.id(), id);
    second.log(Level::Info, "two");
    second.finish(Outcome::Succeeded).await;
    let all = history.all().await;
    assert_eq!((all.len(), all[0].state(), all[0].done_bytes), (1, JobState::Succeeded, 10));
    let lines: Vec<String> = history.jobs.log_of(id).await.unwrap().into_iter().map(|line| line.text).collect();
    assert_eq!(lines, ["one", "two"]);
    let third = history.jobs.begin(rebuild("v", Some("rebuild/v-r-1"))).await;
    assert!(third.id() > id, "what has ended is not gone on with");
}

#[tokio::test]
async fn what_nobody_can_go_on_with_is_interrupted() {
    let history = History::start().await;
    let lost = history.jobs.begin(rebuild("lost", None)).await;
    std::mem::forget(lost);
    let dropped = history.jobs.begin(rebuild("dropped", None)).await;
    drop(dropped);
    assert_eq!(history.all().await[0].state(), JobState::Interrupted, "it ends with its handle");
    let history = history.restart().await;
    let states: Vec<JobState> = history.all().await.iter().map(Record::state).collect();
    assert_eq!(states, [JobState::Interrupted; 2]);
}

#[test]
fn what_nobody_goes_on_with_is_interrupted_after_a_while() {
    let mut board = Board::default();
    let (id, _) = board.begin(rebuild("v", Some("k")));
    let start = tokio::time::Instant::now();
    assert!(!board.sweep(start + Duration::from_secs(3600)), "somebody holds it");
    board.release(id);
    assert!(!board.sweep(start + Duration::from_secs(60)), "somebody may come");
    assert!(board.sweep(start + Duration::from_secs(180)));
    assert_eq!(board.seen(id).unwrap().record.state(), JobState::Interrupted);
    assert_eq!(board.running("k"), None);
}

#[tokio::test]
async fn who_asked_for_it_is_told_before_it_is_seen() {
    let jobs = Jobs::default();
    jobs.expect("purge/v", StartedBy::User("ann".to_owned()));
    let started_by = |key: &str| {
        let job = jobs.start(rebuild("v", Some(key)));
        jobs.recent().into_iter().find(|seen| seen.record.id == job.id()).unwrap().record.started_by
    };
    assert_eq!(started_by("purge/w").starter(), JobStarter::System);
    assert_eq!(started_by("purge/v"), StartedBy::User("ann".to_owned()));
}

#[tokio::test]
async fn cancelling() {
    let history = History::start().await;
    let jobs = &history.jobs;
    let fixed = jobs.begin(NewJob { cancel: Cancel::Impossible("no way".into()), ..rebuild("v", None) }).await;
    assert_eq!(jobs.cancel(fixed.id(), "ann").await, Err(CancelError::Impossible("no way".to_owned())));
    let job = jobs.begin(NewJob { cancel: Cancel::Possible, ..rebuild("v", None) }).await;
    let (id, asked) = (job.id(), job.cancelled());
    jobs.cancel(id, "ann").await.unwrap();
    jobs.cancel(id, "bob").await.unwrap();
    let by = asked.await;
    assert_eq!(by, "ann", "the first one counts");
    job.finish(Outcome::Cancelled(by)).await;
    assert_eq!(jobs.cancel(id, "ann").await, Err(CancelError::Ended));
    assert_eq!(jobs.find(id).await.unwrap().unwrap().record.state(), JobState::Cancelled);
}

/// The work goes on in the next manager, and so does the wish to end it.
#[tokio::test]
async fn a_wish_to_cancel_outlives_the_manager() {
    let history = History::start().await;
    let new = || NewJob { cancel: Cancel::Possible, ..rebuild("v", Some("k")) };
    let job = history.jobs.begin(new()).await;
    history.jobs.cancel(job.id(), "ann").await.unwrap();
    drop(job);
    let history = history.restart().await;
    assert_eq!(history.jobs.begin(new()).await.cancelled().await, "ann");
}

#[tokio::test]
async fn the_history_is_bounded_by_count_and_age() {
    let history = History::start().await;
    history.settings.set("job-history-max-count", "3");
    let running = history.jobs.begin(rebuild("running", Some("k"))).await;
    for number in 0..5 {
        let job = history.jobs.begin(rebuild(&format!("v{number}"), None)).await;
        job.log(Level::Info, "something");
        job.finish(Outcome::Succeeded).await;
    }
    let volumes: Vec<String> = history.all().await.into_iter().map(|job| job.volume).collect();
    assert_eq!(volumes, ["v4", "v3", "v2", "running"], "what runs stays");
    let pool = history.sqlite.pool();
    let lines: i64 = sqlx::query_scalar("SELECT count(*) FROM job_log").fetch_one(&pool).await.unwrap();
    assert_eq!(lines, 3, "the logs go with their jobs");
    sqlx::query("UPDATE jobs SET ended_at = 0 WHERE volume = 'v3'").execute(&pool).await.unwrap();
    history.jobs.begin(rebuild("last", None)).await.finish(Outcome::Succeeded).await;
    let volumes: Vec<String> = history.all().await.into_iter().map(|job| job.volume).collect();
    assert_eq!(volumes, ["last", "v4", "v2", "running"]);
    drop(running);
}

#[tokio::test]
async fn a_number_is_never_used_again() {
    let history = History::start().await;
    let job = history.jobs.begin(rebuild("v", None)).await;
    let id = job.id();
    job.finish(Outcome::Succeeded).await;
    sqlx::query("DELETE FROM jobs").execute(&history.sqlite.pool()).await.unwrap();
    let history = history.restart().await;
    assert!(history.jobs.begin(rebuild("v", None)).await.id() > id);
}

#[tokio::test]
async fn a_log_keeps_its_beginning_and_its_end() {
    let history = History::start().await;
    let job = history.jobs.begin(rebuild("v", None)).await;
    for number in 0..1000 {
        job.log(Level::Info, number.to_string());
        if number % 170 == 0 {
            history.jobs.settle().await;
        }
    }
    let numbers: Vec<u64> = history.jobs.log_of(job.id()).await.unwrap().iter().map(|line| line.number).collect();
    assert_eq!(numbers[..100], (0..100).collect::<Vec<_>>());
    assert_eq!(numbers[100..], (900..1000).collect::<Vec<_>>());
}

#[tokio::test]
async fn filters_and_pages() {
    let history = History::start().await;
    let mut ids = Vec::new();
    for (volume, kind, ends) in [
        ("a", JobKind::Rebuild, Some(Outcome::Succeeded)),
        ("a", JobKind::Purge, Some(Outcome::Failed(Failure::new("why", "what")))),
        ("b", JobKind::Purge, Some(Outcome::Cancelled("ann".to_owned()))),
        ("b", JobKind::Trim, None),
    ] {
        let started_by = StartedBy::User(if volume == "a" { "ann" } else { "bob" }.to_owned());
        let job = history.jobs.begin(NewJob { kind, started_by, ..rebuild(volume, Some(kind.word())) }).await;
        ids.push(job.id());
        if let Some(outcome) = ends {
            job.finish(outcome).await;
        }
    }
    let now = time::OffsetDateTime::now_utc();
    let hour = Duration::from_secs(3600);
    let text = |text: &str| Some(text.to_owned());
    let by = |kind, name: Option<&str>| Some(Starter { kind, name: name.map(str::to_owned) });
    for (filter, expected) in [
        (Filter::default(), &[3, 2, 1, 0][..]),
        (Filter { volume: text("a"), ..Filter::default() }, &[1, 0]),
        (Filter { volume: text("c"), ..Filter::default() }, &[]),
        (Filter { node: text("node-1"), object: text("b-r-1"), ..Filter::default() }, &[3, 2]),
        (Filter { kinds: vec![JobKind::Purge, JobKind::Trim], ..Filter::default() }, &[3, 2, 1]),
        (Filter { states: vec![JobState::Running], ..Filter::default() }, &[3]),
        (Filter { states: vec![JobState::Failed, JobState::Cancelled], ..Filter::default() }, &[2, 1]),
        (Filter { started_by: by(JobStarter::User, Some("bob")), ..Filter::default() }, &[3, 2]),
        (Filter { started_by: by(JobStarter::User, None), ..Filter::default() }, &[3, 2, 1, 0]),
        (Filter { started_by: by(JobStarter::System, None), ..Filter::default() }, &[]),
        (Filter { from: Some(now + hour), ..Filter::default() }, &[3]),
        (Filter { to: Some(now - hour), ..Filter::default() }, &[]),
        (Filter { from: Some(now - hour), to: Some(now + hour), ..Filter::default() }, &[3, 2, 1, 0]),
        (Filter { volume: text("' OR 1=1 --"), ..Filter::default() }, &[]),
    ] {
        let found: Vec<JobId> = history.list(filter.clone()).await.iter().map(|job| job.id).collect();
        let expected: Vec<JobId> = expected.iter().map(|place| ids[*place]).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    let page = |before| async move { Page { limit: 2, before } };
    let first = history.jobs.list(&Filter::default(), page(None).await).await.unwrap();
    let second = history.jobs.list(&Filter::default(), page(Some(first[1].record.id)).await).await.unwrap();
    let both: Vec<JobId> = first.iter().chain(&second).map(|seen| seen.record.id).collect();
    assert_eq!(both, [ids[3], ids[2], ids[1], ids[0]]);
}

/// The budget of an idle installation: nothing moves, nothing is written.
#[tokio::test]
async fn nothing_is_written_while_nothing_moves() {
    let history = History::start().await;
    let job = history.jobs.begin(rebuild("v", Some("k"))).await;
    job.phase("copying");
    job.done(5);
    history.jobs.settle().await;
    let version = async || {
        let pool = history.sqlite.pool();
        let updated: i64 = sqlx::query_scalar("SELECT updated_at FROM jobs").fetch_one(&pool).await.unwrap();
        updated
    };
    let before = version().await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    // The same again.
    job.phase("copying");
    job.done(5);
    job.planned(100);
    job.set_cancel(rebuild("v", None).cancel);
    assert_eq!(history.jobs.0.board().dirt(), Dirt::Nothing);
    history.jobs.settle().await;
    assert_eq!(version().await, before);
}

/// Telling never holds up the work, also when the database does not answer.
#[tokio::test]
async fn a_broken_database_fails_nothing() {
    let history = History::start().await;
    sqlx::query("ALTER TABLE jobs RENAME TO hidden").execute(&history.sqlite.pool()).await.unwrap();
    let job = history.jobs.start(rebuild("v", None));
    job.done(7);
    assert_eq!(history.jobs.recent()[0].record.done_bytes, 7);
    let jobs = job.end(Outcome::Succeeded);
    while history.jobs.0.board().dirt() != Dirt::Nothing {
        // It is tried, in vain, and stays to be tried again.
        tokio::task::yield_now().await;
    }
    sqlx::query("ALTER TABLE hidden RENAME TO jobs").execute(&history.sqlite.pool()).await.unwrap();
    while jobs.list(&Filter::default(), Page { limit: 1, before: None }).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
}
