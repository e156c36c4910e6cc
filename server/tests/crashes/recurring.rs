//! Runs of a recurring job whose manager is killed: the next one goes on, nothing is done twice, and what ends every manager
//! is given up.

use std::time::Instant;

use aurochs_engine::grpc::instance_v1::InstanceKind;
use aurochs_server::recurring::retain::is_own;
use aurochs_server::resources::recurring_job::RecurringJobStatus;
use aurochs_server::resources::volume::VolumeState;
use aurochs_server::resources::{RecurringJob, Snapshot, Volume, VolumeAttachment};
use aurochs_server::store::sqlite::Sqlite;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::Method;
use serde_json::{Value, json};

use crate::model::Outcome;
use crate::process::{CrashPoint, Manager};
use crate::{LOOK, PATIENCE, world};

const VOLUME: &str = "vol";
const JOB: &str = "nightly";

struct Scene {
    manager: Manager,
    store: Sqlite,
}

impl Scene {
    /// A detached volume, and a job that runs when it is asked to.
    async fn make() -> Self {
        let manager = Manager::first_start().await;
        let store = manager.store().await;
        let scene = Self { manager, store };
        let value = |value: &str| json!({"value": value});
        // The machine that runs the test may be nearly full; the volume is tiny.
        scene.must(Method::PUT, "v1/settings/storage-minimal-available-percentage", value("0")).await;
        scene.must(Method::PUT, "v1/settings/storage-over-provisioning-percentage", value("10000")).await;
        scene.must(Method::PUT, "v1/settings/allow-recurring-job-while-volume-detached", value("true")).await;
        let body =
            json!({"name": VOLUME, "size": (16_u64 << 20).to_string(), "numberOfReplicas": 1, "frontend": "nbd"});
        scene
            .until("the volume can be made", async |scene| scene.ask("v1/volumes", &body).await == Outcome::Done)
            .await;
        scene.until_state(VolumeState::Detached).await;
        // Not while the test runs.
        let body = json!({"name": JOB, "task": "snapshot-force-create", "cron": "0 0 29 2 *", "retain": 50,
            "concurrency": 1, "groups": ["default"]});
        scene.must(Method::POST, "v1/recurringjobs", body).await;
        scene
    }

    async fn ask(&self, path: &str, body: &Value) -> Outcome {
        self.manager.ask(Method::POST, path, Some(body.clone())).await.outcome
    }

    async fn must(&self, method: Method, path: &str, body: Value) -> Value {
        let answer = self.manager.ask(method, path, Some(body)).await;
        assert_eq!(answer.outcome, Outcome::Done, "{path}: {answer:?}");
        answer.body
    }

    async fn run_now(&self) -> Outcome {
        self.ask(&format!("v1/recurringjobs/{JOB}?action=recurringJobRun"), &json!({})).await
    }

    async fn job(&self) -> RecurringJobStatus {
        let mut jobs = world::list::<RecurringJob>(&self.store).await;
        jobs.pop().unwrap().status
    }

    async fn until(&self, what: &str, mut holds: impl AsyncFnMut(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds(self).await {
            if Instant::now() > end {
                let job = self.job().await;
                panic!("waited in vain until {what}: {job:#?}\n--- the manager's log\n{}", self.manager.log());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn until_state(&self, state: VolumeState) {
        self.until(&format!("the volume is {state:?}"), async |scene| {
            world::list::<Volume>(&scene.store).await.iter().all(|volume| volume.status.state == state)
        })
        .await;
    }

    /// The run is over, and the volume is as before: nobody wants it.
    async fn is_quiet(&self) -> bool {
        let tickets = world::list::<VolumeAttachment>(&self.store).await;
        let volumes = world::list::<Volume>(&self.store).await;
        self.job().await.run.is_none()
            && tickets.iter().all(|one| one.spec.attachment_tickets.is_empty())
            && volumes.iter().all(|volume| volume.status.state == VolumeState::Detached)
    }

    async fn until_quiet(&self) {
        self.until("the run is over, and the volume is as before", async |scene| scene.is_quiet().await).await;
    }

    async fn until_dead_or_quiet(&mut self) {
        let end = Instant::now() + PATIENCE;
        while !self.manager.is_dead() && !self.is_quiet().await {
            assert!(Instant::now() < end, "neither dead nor quiet: {}", self.manager.log());
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn own_snapshots(&self) -> usize {
        let known = world::list::<Snapshot>(&self.store).await;
        known.iter().filter(|one| is_own(one, JOB) && one.status.ready_to_use).count()
    }

    /// The last run as the history has it, with its log.
    async fn last_in_history(&self) -> Value {
        let list = self.manager.ask(Method::GET, &format!("v1/jobs?kind=recurringRun&object={JOB}"), None).await;
        let id = list.body["data"][0]["id"].as_str().unwrap().to_owned();
        self.manager.ask(Method::GET, &format!("v1/jobs/{id}"), None).await.body
    }
}

fn log(job: &Value) -> String {
    let lines = job["log"].as_array().cloned().unwrap_or_default();
    lines.iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join("\n")
}

/// The manager dies at the n-th change that it makes of its store, n greater each time, until a run has come to its end
/// before that: whatever a run does lies before one of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_after_its_manager_was_killed_anywhere_in_it() {
    let mut scene = Scene::make().await;
    let (mut runs, mut gone_on) = (0, 0);
    for number in (1..).map(|step| step * 4) {
        scene.manager.kill();
        let point = if number % 8 == 0 { CrashPoint::After(number) } else { CrashPoint::Before(number) };
        let asked = scene.manager.start(Some(point)) && scene.run_now().await == Outcome::Done;
        scene.until_dead_or_quiet().await;
        let outlived = asked && !scene.manager.is_dead();
        scene.manager.kill();
        assert!(scene.manager.start(None), "{}", scene.manager.log());
        scene.until_quiet().await;
        let status = scene.job().await;
        // A run that was asked for may be stored though nobody got the answer.
        assert!(status.execution_count == runs + u64::from(asked) || !asked && status.execution_count == runs + 1);
        runs = status.execution_count;
        if runs > 0 {
            let last = status.last_run.unwrap();
            gone_on += u64::from(last.attempts > 1);
            assert_eq!(last.outcome, "succeeded", "{point:?}: {last:?}");
            assert_eq!(scene.own_snapshots().await as u64, runs, "{point:?}: one for each run");
            let told = scene.last_in_history().await;
            assert_eq!(told["state"], "succeeded", "{point:?}: {told}");
            let list = scene.manager.ask(Method::GET, &format!("v1/jobs?kind=recurringRun&object={JOB}"), None).await;
            assert_eq!(list.body["data"].as_array().unwrap().len() as u64, runs, "{point:?}: one job for each run");
        }
        println!("{point:?}: {runs} runs, {gone_on} gone on with");
        if outlived {
            break;
        }
    }
    assert!(gone_on > 0, "no run was cut off");
    scene.manager.stop().await;
}

/// A run that stands still, because its volume's engine does, and a manager that is killed in it each time.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_cut_off_four_times_is_given_up() {
    let mut scene = Scene::make().await;
    let attach = json!({"hostId": "node-1"});
    scene.must(Method::POST, &format!("v1/volumes/{VOLUME}?action=attach"), attach).await;
    scene.until_state(VolumeState::Attached).await;
    let engine = Frozen::engine_of(&scene).await;
    assert_eq!(scene.run_now().await, Outcome::Done);
    for attempt in 1..=4 {
        scene
            .until(&format!("attempt {attempt} is under way"), async |scene| {
                scene.job().await.run.is_some_and(|run| run.attempts == attempt)
            })
            .await;
        scene.manager.kill();
        assert!(scene.manager.start(None), "{}", scene.manager.log());
    }
    scene.until("the run is given up", async |scene| scene.job().await.run.is_none()).await;
    let last = scene.job().await.last_run.unwrap();
    assert_eq!(
        (last.outcome.as_str(), last.message.as_str()),
        ("failed", "given up: the manager ended in the middle of it 4 times")
    );
    scene.until("the history says so, too", async |scene| scene.last_in_history().await["state"] == "failed").await;
    let told = scene.last_in_history().await;
    assert!(log(&told).contains("a manager ended in the middle of this run; it goes on"), "{told}");
    assert_eq!(scene.own_snapshots().await, 0);
    // The next run is a new one, with all its attempts.
    drop(engine);
    scene.until("another run begins", async |scene| scene.run_now().await == Outcome::Done).await;
    scene.until("it is over", async |scene| scene.job().await.run.is_none()).await;
    let last = scene.job().await.last_run.unwrap();
    assert_eq!((last.outcome.as_str(), scene.own_snapshots().await), ("succeeded", 1), "{last:?}");
    scene.manager.stop().await;
}

/// A process that stands still until it is dropped.
struct Frozen(Pid);

impl Frozen {
    async fn engine_of(scene: &Scene) -> Self {
        let instances = world::instances(&scene.manager.layout()).await;
        let engine = instances.iter().find(|one| one.told.kind() == InstanceKind::Engine).unwrap();
        let pid = Pid::from_raw(engine.told.pid.try_into().unwrap());
        kill(pid, Signal::SIGSTOP).unwrap();
        Self(pid)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGCONT);
    }
}
