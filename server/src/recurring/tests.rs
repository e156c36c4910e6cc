//! Runs on a simulated clock, with a real store and a real history; no engine. What runs do to volumes is tried in
//! `tests/installed/recurring`.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinHandle;

use super::clock::{Clock, Hands};
use super::controller::asked_for;
use crate::controllers::{Context, bench};
use crate::jobs::{Filter, JobKind, JobState, Jobs, Page, Seen};
use crate::resources::recurring_job::{RecurringJobSpec, RecurringJobStatus, Task};
use crate::resources::volume::{VolumeState, VolumeStatus};
use crate::resources::{Object, RecurringJob, Volume};
use crate::settings::Name;
use crate::store::sqlite::Sqlite;

/// Far more than a step takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// More runs than any test here makes.
const PAGE: Page = Page { limit: 1000, before: None };

struct World {
    context: Context,
    clock: Clock,
    hands: Hands,
    tasks: Vec<JoinHandle<()>>,
    _directory: tempfile::TempDir,
}

impl World {
    async fn at(now: &str) -> Self {
        let (mut context, directory) = bench::context(&["node-1"]).await;
        let history = Sqlite::open(&directory.path().join("history.db")).await.unwrap();
        context.jobs = Jobs::open(history.pool(), context.settings.clone()).await.unwrap();
        for limit in [Name::RecurringSuccessfulJobsHistoryLimit, Name::RecurringFailedJobsHistoryLimit] {
            context.settings.set(limit.word(), "1000");
        }
        let (clock, hands) = Clock::simulated(now.parse().unwrap());
        Self { context, clock, hands, tasks: Vec::new(), _directory: directory }
    }

    async fn start(&mut self) {
        self.tasks = super::start(&self.context, &self.clock).await;
    }

    async fn stop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        futures::future::join_all(self.tasks.drain(..)).await;
    }

    async fn add(&self, name: &str, task: Task, cron: &str) {
        let spec = RecurringJobSpec {
            name: name.into(),
            task,
            cron: cron.into(),
            retain: 5,
            concurrency: 3,
            ..RecurringJobSpec::default()
        };
        self.context.store.create(&Object::<RecurringJob>::new(name, spec)).await.unwrap();
        self.until(name, "it is followed", |job| job.status.followed.is_some()).await;
    }

    async fn until(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&Object<RecurringJob>) -> bool,
    ) -> Object<RecurringJob> {
        let mut watch = self.context.store.watch::<RecurringJob>();
        let wait = async {
            while let Some(event) = watch.next().await {
                if event.object().name() == name && holds(event.object()) {
                    return event.object().clone();
                }
            }
            panic!("the store is gone");
        };
        let Ok(found) = tokio::time::timeout(PATIENCE, wait).await else {
            panic!("{name}: waited in vain until {what}: {:?}", self.context.store.find::<RecurringJob>(name).await);
        };
        found
    }

    /// Sets the clock. The jobs that have a moment since then have run for it when this returns.
    async fn advance(&self, to: Timestamp, due: &[(&str, Timestamp)]) {
        self.hands.set(to);
        for (name, due) in due {
            let ran = |job: &Object<RecurringJob>| {
                job.status.run.is_none() && job.status.last_run.as_ref().is_some_and(|run| run.due == due.to_string())
            };
            self.until(name, &format!("it ran for {due}"), ran).await;
        }
    }

    async fn history(&self, job: &str) -> Vec<Seen> {
        let filter = Filter { object: Some(job.into()), kinds: vec![JobKind::RecurringRun], ..Filter::default() };
        let mut changed = self.context.jobs.changed();
        // The history is told right after the store.
        let ended = async {
            loop {
                let found = self.context.jobs.list(&filter, PAGE).await.unwrap();
                if !found.is_empty() && found.iter().all(|seen| !seen.record.is_running()) {
                    return found;
                }
                changed.changed().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.unwrap()
    }
}

/// Hours and days of Berlin, by what the law says of 2027 and nothing else.
mod berlin {
    use jiff::Timestamp;

    /// Seconds that its clock is ahead.
    fn offset(at: i64) -> i64 {
        let (spring, autumn): (Timestamp, Timestamp) =
            ("2027-03-28T01:00:00Z".parse().unwrap(), "2027-10-31T01:00:00Z".parse().unwrap());
        if (spring.as_second()..autumn.as_second()).contains(&at) { 7200 } else { 3600 }
    }

    /// Hour on the wall, day of the week from Monday as 0, and whether this full hour comes a second time.
    pub(super) fn wall(at: Timestamp) -> (i64, i64, bool) {
        let second = at.as_second();
        let local = second + offset(second);
        let is_repeated = offset(second) < offset(second - 1) && offset(second - 3600) == 7200;
        (local.rem_euclid(86_400) / 3600, (local.div_euclid(86_400) + 3).rem_euclid(7), is_repeated)
    }

    /// Whether the hour before on the wall was left out.
    pub(super) fn after_gap(at: Timestamp) -> bool {
        offset(at.as_second()) > offset(at.as_second() - 1)
    }
}

/// What the three jobs of walkthrough W44 do in a full hour: every three hours, at two every day, on Saturdays at six.
fn w44(at: Timestamp) -> Vec<&'static str> {
    let (hour, weekday, is_repeated) = berlin::wall(at);
    if is_repeated {
        return Vec::new();
    }
    let is_two = hour == 2 || berlin::after_gap(at) && hour == 3;
    let runs = [
        ("kube-snap", hour % 3 == 0),
        ("kube-backup-daily", is_two),
        ("kube-backup-weekly", weekday == 5 && hour == 6),
    ];
    runs.into_iter().filter(|(_, runs)| *runs).map(|(name, _)| name).collect()
}

const W44: [(&str, Task, &str); 3] = [
    ("kube-snap", Task::Snapshot, "CRON_TZ=Europe/Berlin 0 0/3 * * ?"),
    ("kube-backup-daily", Task::Backup, "CRON_TZ=Europe/Berlin 0 2 * * ?"),
    ("kube-backup-weekly", Task::Backup, "CRON_TZ=Europe/Berlin 0 6 ? * SAT"),
];

/// Two weeks around a change of the clocks, with two and a half days in the middle in which no manager runs. Answers with
/// the moments that each job ran for, as history and store have them.
async fn two_weeks(from: &str) -> BTreeMap<&'static str, Vec<Timestamp>> {
    let mut world = World::at(from).await;
    world.start().await;
    for (name, task, cron) in W44 {
        world.add(name, task, cron).await;
    }
    let begin: Timestamp = from.parse().unwrap();
    let hour = |count: i64| begin + SignedDuration::from_hours(count);
    let (down, up) = (200, 260);
    let mut expected: BTreeMap<&str, Vec<Timestamp>> = W44.map(|(name, ..)| (name, Vec::new())).into();
    for count in 1..=14 * 24 {
        if count == down {
            world.stop().await;
        }
        let is_down = (down..up).contains(&count);
        // After the downtime, each job catches up its newest moment, once.
        let looked_back = if count == up { down..=up } else { count..=count };
        let mut due: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for moment in looked_back.filter(|_| !is_down).map(hour) {
            due.extend(w44(moment).into_iter().map(|name| (name, moment)));
        }
        if count == up {
            world.hands.set(hour(count));
            world.start().await;
        }
        let due: Vec<(&str, Timestamp)> = due.into_iter().collect();
        world.advance(hour(count), &due).await;
        due.iter().for_each(|(name, moment)| expected.get_mut(name).unwrap().push(*moment));
    }
    for (name, task, _) in W44 {
        let job = world.context.store.get::<RecurringJob>(name).await.unwrap();
        assert_eq!(job.status.execution_count, expected[name].len() as u64, "{name}: no other runs");
        let history = world.history(name).await;
        assert_eq!(history.len(), expected[name].len(), "{name}: each run is in the history");
        for seen in &history {
            assert_eq!(seen.record.state(), JobState::Succeeded, "{name}, {task:?}: {seen:?}");
            let log = world.context.jobs.log_of(seen.record.id).await.unwrap();
            assert!(log.iter().any(|line| line.text.contains("due 2027-")), "{log:?}");
        }
        let told_of_missed = world.told(&history, "earlier times had no run").await;
        assert_eq!(told_of_missed, usize::from(name != "kube-backup-weekly"), "{name}: the catch-up says so");
    }
    world.stop().await;
    expected
}

impl World {
    /// How many runs say this in their logs.
    async fn told(&self, history: &[Seen], text: &str) -> usize {
        let mut count = 0;
        for seen in history {
            let log = self.context.jobs.log_of(seen.record.id).await.unwrap();
            count += usize::from(log.iter().any(|line| line.text.contains(text)));
        }
        count
    }
}

#[tokio::test]
async fn two_weeks_of_w44_while_the_clocks_go_forward() {
    let ran = two_weeks("2027-03-21T23:00:00Z").await;
    // 112 times in two weeks; 60 hours without a manager took 21, and were caught up by one.
    assert_eq!(ran["kube-snap"].len(), 92);
    let daily: Vec<String> = ran["kube-backup-daily"].iter().map(ToString::to_string).collect();
    // There is no two o'clock on 28 March, and the last of the two that were missed is caught up.
    for moment in ["2027-03-28T01:00:00Z", "2027-04-01T00:00:00Z"] {
        assert!(daily.contains(&moment.to_owned()), "{moment} {daily:?}");
    }
    assert_eq!(ran["kube-backup-weekly"].len(), 2, "{:?}", ran["kube-backup-weekly"]);
}

#[tokio::test]
async fn two_weeks_of_w44_while_the_clocks_go_back() {
    let ran = two_weeks("2027-10-24T22:00:00Z").await;
    let daily: Vec<String> = ran["kube-backup-daily"].iter().map(ToString::to_string).collect();
    // Two o'clock comes twice on 31 October, and is run once.
    assert!(daily.contains(&"2027-10-31T00:00:00Z".to_owned()) && !daily.contains(&"2027-10-31T01:00:00Z".to_owned()));
    assert!(daily.contains(&"2027-11-04T01:00:00Z".to_owned()), "{daily:?}");
    assert_eq!(ran["kube-backup-weekly"].len(), 2, "{:?}", ran["kube-backup-weekly"]);
}

/// A run that was stored by a manager that died is gone on with under its id, and counted once; after four attempts it is
/// given up.
#[tokio::test]
async fn a_run_that_was_cut_off_goes_on() {
    let mut world = World::at("2027-01-01T00:00:30Z").await;
    world.start().await;
    world.add("job", Task::Snapshot, "0 2 * * *").await;
    for (attempts, outcome) in [(0, "succeeded"), (3, "succeeded"), (4, "failed")] {
        world.stop().await;
        let mut run = asked_for(world.clock.now(), "ann");
        run.attempts = attempts;
        let want = |status: &mut RecurringJobStatus| status.want(run.clone());
        world.context.store.modify_status::<RecurringJob>("job", want).await.unwrap();
        world.start().await;
        let over = |job: &Object<RecurringJob>| job.status.last_run.as_ref().is_some_and(|last| last.id == run.id);
        let job = world.until("job", "its run is over", over).await;
        let last = job.status.last_run.clone().unwrap();
        assert_eq!((last.outcome.as_str(), last.attempts, last.started_by.as_str()), (outcome, attempts + 1, "ann"));
        assert_eq!(job.status.run, None);
    }
    let job = world.context.store.get::<RecurringJob>("job").await.unwrap();
    assert_eq!(job.status.execution_count, 3);
    assert_eq!(world.history("job").await.len(), 3);
    world.stop().await;
}

/// behaviour.md §8, rows "selection" and "one volume failing"; and what is told of it.
#[tokio::test]
async fn who_is_left_out_is_told_with_the_reason() {
    let mut world = World::at("2027-01-01T00:00:30Z").await;
    for (name, state, label) in [
        ("attached", VolumeState::Attached, "recurring-job.longhorn.io/job"),
        ("detached", VolumeState::Detached, "recurring-job.longhorn.io/job"),
        ("elsewhere", VolumeState::Attached, "recurring-job.longhorn.io/other"),
    ] {
        let mut volume = Object::<Volume>::new(name, Default::default());
        volume.metadata.labels.insert(label.into(), "enabled".into());
        world.context.store.create(&volume).await.unwrap();
        let change = |status: &mut VolumeStatus| status.state = state;
        world.context.store.modify_status::<Volume>(name, change).await.unwrap();
    }
    world.start().await;
    // Nothing is to be deleted, so that no engine is asked.
    world.add("job", Task::SnapshotDelete, "0 2 * * *").await;
    world.advance("2027-01-01T02:00:00Z".parse().unwrap(), &[("job", "2027-01-01T02:00:00Z".parse().unwrap())]).await;
    let history = world.history("job").await;
    let log = world.context.jobs.log_of(history[0].record.id).await.unwrap();
    let lines: Vec<&str> = log.iter().map(|line| line.text.as_str()).collect();
    assert!(
        lines.iter().any(|line| line.contains("detached is left out") && line.contains("allow-recurring-job")),
        "{lines:?}"
    );
    assert!(lines.iter().any(|line| line.starts_with("volume attached: nothing is beyond")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("elsewhere")), "{lines:?}");
    world.stop().await;
}

/// The job goes while its run waits for an engine: the run ends, and its ticket goes.
#[tokio::test]
async fn a_run_ends_with_its_job() {
    let mut world = World::at("2027-01-01T00:00:30Z").await;
    world.context.settings.set(Name::AllowRecurringJobWhileVolumeDetached.word(), "true");
    let mut volume = Object::<Volume>::new("v", Default::default());
    volume.metadata.labels.insert("recurring-job.longhorn.io/job".into(), "enabled".into());
    world.context.store.create(&volume).await.unwrap();
    let change = |status: &mut VolumeStatus| status.state = VolumeState::Detached;
    world.context.store.modify_status::<Volume>("v", change).await.unwrap();
    world.start().await;
    world.add("job", Task::Snapshot, "0 2 * * *").await;
    world.hands.set("2027-01-01T02:00:00Z".parse().unwrap());
    world.until("job", "it runs", |job| job.status.run.as_ref().is_some_and(|run| run.attempts == 1)).await;
    world.context.store.delete::<RecurringJob>("job").await.unwrap();
    assert_eq!(world.history("job").await[0].record.state(), JobState::Cancelled);
    world.stop().await;
}
