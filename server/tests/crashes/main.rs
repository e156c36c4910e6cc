//! The manager is killed at random moments of every operation, with real engines beneath it, and everything becomes as it
//! was asked to be, with nothing left over.
//!
//! 1. [`process`] — the manager as a child process, with a point of its store's changes at which it dies;
//! 2. [`operations`] and [`elsewhere`] — what is asked of it meanwhile, on several volumes at a time;
//! 3. [`model`] — what then must be true, and what may be where an answer was lost;
//! 4. [`world`] — what there is: objects, processes, directories, records;
//! 5. [`judge`] — what of it is wrong;
//! 6. [`recurring`] — runs of recurring jobs, cut off on purpose.
//!
//! `AUROCHS_KILLS` says how often it is killed (`make crash KILLS=1000`), `AUROCHS_SEED` repeats a run's choices, and
//! `AUROCHS_KEEP` leaves the data of one that failed.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test says by panicking what went wrong, and what it did"
)]

mod elsewhere;
mod judge;
mod model;
#[path = "../installed/nbd.rs"]
#[expect(dead_code, reason = "another suite trims, and asks for the size")]
mod nbd;
mod operations;
mod process;
mod recurring;
mod world;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aurochs_server::store::sqlite::Sqlite;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use model::{Model, Outcome};
use operations::{Operation, User};
use process::{CrashPoint, Manager};
use world::World;

/// How often the manager is killed when nobody says more: the short version, with the choices of one seed, so that what it
/// judges is a change of the code and not a new draw. `make crash` draws.
const KILLS: u32 = 64;
const SEED: u64 = 101;
/// Lives of the manager between two judgements.
const LIVES_IN_A_ROUND: u32 = 16;
const VOLUMES: usize = 5;
/// Most changes of the store before it dies by itself. Attaching a volume takes about thirty.
const CHANGES_MAXIMUM: f64 = 120.0;
/// Longest life, for those that don't come that far.
const LIFE_MAXIMUM_MILLISECONDS: u64 = 1200;
/// Far more than anything takes; only what never comes true meets it.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at everything.
const LOOK: Duration = Duration::from_millis(150);

/// What was salvaged gets this long to come up before the person tries again.
const SALVAGE_PAUSE: Duration = Duration::from_secs(3);

struct Campaign {
    seed: u64,
    random: StdRng,
    manager: Manager,
    store: Sqlite,
    model: Model,
    number: u16,
    kills: u32,
    /// What was asked for since the last judgement.
    history: Vec<String>,
    /// For each operation how often it was done, refused, and cut off; and how often it was asked for in a life that ended
    /// by a kill.
    tally: BTreeMap<Operation, [u32; 4]>,
    slowest: Duration,
}

impl Campaign {
    async fn start(seed: u64) -> Self {
        let manager = Manager::first_start().await;
        let store = manager.store().await;
        let model = operations::model(VOLUMES);
        let random = StdRng::seed_from_u64(seed);
        let (history, tally) = (Vec::new(), BTreeMap::new());
        let campaign =
            Self { seed, random, manager, store, model, number: 0, kills: 0, history, tally, slowest: Duration::ZERO };
        // The machine that runs the test may be nearly full; the volumes here are tiny.
        for (name, value) in
            [("storage-minimal-available-percentage", "0"), ("storage-over-provisioning-percentage", "10000")]
        {
            let body = Some(serde_json::json!({"value": value}));
            let answer = campaign.manager.ask(reqwest::Method::PUT, &format!("v1/settings/{name}"), body).await;
            assert_eq!(answer.outcome, Outcome::Done, "{answer:?}");
        }
        campaign
    }

    /// Small numbers as often as large ones: starts, first steps and last steps.
    fn crash_point(&mut self) -> Option<CrashPoint> {
        let number = CHANGES_MAXIMUM.powf(self.random.random::<f64>()).ceil();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to the maximum")]
        let number = number as u32;
        match self.random.random_range(0..10) {
            0..5 => Some(CrashPoint::Before(number)),
            5..9 => Some(CrashPoint::After(number)),
            _ => None,
        }
    }

    /// One life of the manager, from its start to its violent end.
    async fn life(&mut self) {
        let point = self.crash_point();
        self.history.push(format!("-- a manager that dies {point:?}"));
        let mut asked = Vec::new();
        if self.manager.start(point) {
            let end = Instant::now() + Duration::from_millis(self.random.random_range(50..LIFE_MAXIMUM_MILLISECONDS));
            while !self.manager.is_dead() && Instant::now() < end {
                asked.push(self.act().await);
                let pause = Duration::from_millis(self.random.random_range(0..60));
                tokio::time::sleep(pause.min(end.saturating_duration_since(Instant::now()))).await;
            }
        }
        self.manager.kill();
        self.kills += 1;
        for operation in asked {
            self.tally.entry(operation).or_default()[3] += 1;
        }
    }

    async fn act(&mut self) -> Operation {
        let (operation, volume, outcome) = self.user().act().await;
        self.history.push(format!("{operation:?} {volume}: {outcome:?}"));
        self.tally.entry(operation).or_default()[outcome as usize] += 1;
        operation
    }

    fn user(&mut self) -> User<'_> {
        User { manager: &self.manager, model: &mut self.model, random: &mut self.random, number: &mut self.number }
    }

    /// Waits until nothing is wrong, twice in a row, and takes over what has become of what was possible.
    async fn judge(&mut self, when: &str) {
        let (started, mut salvaged) = (Instant::now(), Instant::now());
        let mut before: Option<Vec<String>> = None;
        let world = loop {
            assert!(!self.manager.is_dead(), "the manager died by itself: {}", self.manager.log());
            let world = World::look(&self.store, &self.manager.layout()).await;
            let wrong = judge::problems(&world, &self.model);
            if wrong.is_empty() && before.as_ref().is_some_and(Vec::is_empty) {
                break world;
            }
            if started.elapsed() > PATIENCE {
                self.fail(when, &wrong);
            }
            before = Some(wrong);
            if salvaged.elapsed() > SALVAGE_PAUSE {
                self.salvage(&judge::faulted(&world)).await;
                salvaged = Instant::now();
            }
            tokio::time::sleep(LOOK).await;
        };
        let took = started.elapsed();
        self.slowest = self.slowest.max(took);
        println!("{} kills, {when}: settled after {took:.1?}", self.kills);
        let mut model = self.model.clone();
        let (model, wrong) = tokio::task::spawn_blocking(move || {
            let wrong = judge::settle(&world, &mut model);
            (model, wrong)
        })
        .await
        .unwrap();
        if !wrong.is_empty() {
            self.fail(when, &wrong);
        }
        self.model = model;
        self.history.clear();
    }

    /// Where nothing is salvaged by itself, a person does.
    async fn salvage(&mut self, faulted: &[String]) {
        for at in 0..self.model.volumes.len() {
            if faulted.contains(&self.model.volumes[at].name) {
                let outcome = self.user().salvage(at).await;
                self.tally.entry(Operation::Salvage).or_default()[outcome as usize] += 1;
            }
        }
    }

    fn fail(&mut self, when: &str, wrong: &[String]) -> ! {
        self.manager.keep();
        panic!(
            "after {} kills, {when} (AUROCHS_SEED={} repeats the choices):\n{}\n--- what was asked for\n{}\n--- the manager's log\n{}",
            self.kills,
            self.seed,
            wrong.join("\n"),
            self.history.join("\n"),
            self.manager.log()
        );
    }

    fn report(&self) {
        println!("seed {}: {} kills; slowest to settle {:.1?}", self.seed, self.kills, self.slowest);
        println!("{:24} {:>6} {:>8} {:>6} {:>18}", "operation", "done", "refused", "lost", "in lives killed");
        for (operation, [done, refused, lost, killed]) in &self.tally {
            let name = format!("{operation:?}");
            println!("{name:24} {done:6} {refused:8} {lost:6} {killed:18}");
        }
    }
}

fn from_environment<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_killed_at_any_moment_leaves_nothing_undone_and_nothing_over() {
    let asked = from_environment("AUROCHS_KILLS");
    let drawn = || if asked.is_some() { rand::rng().random() } else { SEED };
    let seed = from_environment("AUROCHS_SEED").unwrap_or_else(drawn);
    let kills = asked.unwrap_or(KILLS);
    println!("seed {seed}");
    let mut campaign = Campaign::start(seed).await;
    while campaign.kills < kills {
        campaign.manager.kill();
        for _ in 0..LIVES_IN_A_ROUND.min(kills - campaign.kills) {
            campaign.life().await;
        }
        assert!(campaign.manager.start(None), "{}", campaign.manager.log());
        campaign.judge("as asked").await;
    }
    campaign.user().everything(true).await;
    campaign.judge("all attached").await;
    campaign.user().everything(false).await;
    campaign.judge("all detached").await;
    campaign.user().delete_everything().await;
    campaign.judge("all deleted").await;
    campaign.report();
    campaign.manager.stop().await;
}
