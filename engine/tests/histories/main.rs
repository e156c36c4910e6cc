//! Random histories of all operations, with faults, against a model: clients that remember what was acknowledged, and
//! a volume that is snapshotted, reverted, purged, expanded and rebuilt in any order while its engine, replicas, links
//! and keeper fail at any moment. At every read and at the end, on every member, each sector has the bytes of its last
//! acknowledged write, or of a later one that was never acknowledged; each snapshot has those of its moment; and all
//! members are equal, seen from every layer.
//!
//! `AUROCHS_HISTORIES=<count>` runs more of them, `AUROCHS_SEED=<seed>` just one. Each failure names its seed.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod client;
mod model;
#[path = "../parties/mod.rs"]
mod parties;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aurochs_engine::grpc::engine_v1::{EngineState, EngineStatus, PurgeState, ReplicaMode};
use aurochs_engine::rule;
use aurochs_engine::volume::barrier::OperationError;
use aurochs_engine::volume::purge::IfPurging;
use aurochs_engine::volume::record::Record;
use client::Client;
use model::{Model, Presence};
use parties::keeper::Mood;
use parties::{HEAD, PATIENCE, Parties, TestEngine};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const SECTOR: usize = 512;
/// Crosses the boundary of the regions that are made equal.
const SIZE: u64 = (1 << 20) + (256 << 10);
/// Clients write around here: both sides of the boundary.
const PLAYGROUND: u64 = (1 << 20) - (64 << 10);
const SECTORS: usize = 256;
const CLIENTS: usize = 4;
const STEPS: usize = 12;
const GROWTH: u64 = 256 << 10;
const LARGEST: u64 = SIZE + 3 * GROWTH;
/// How causes of members end that did not answer in time: on a machine under load that is no fault.
const MISSED: [&str; 3] = ["no answer within", "no answer for", "did not answer HELLO within"];

/// A history: the parties, the clients and what happens to them.
struct History {
    rng: StdRng,
    parties: Parties,
    engine: TestEngine,
    model: Arc<Mutex<Model>>,
    working: Vec<tokio::task::JoinHandle<()>>,
    enough: Arc<AtomicBool>,
    snapshots: usize,
    /// The volume's size, as far as it was acknowledged.
    grown: Arc<AtomicU64>,
}

impl History {
    async fn begin(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let copies = rng.random_range(1..=3);
        let parties = Parties::new(SIZE, copies).await;
        let engine = parties.attach().await.map_err(|error| error.to_string()).unwrap();
        let model = Arc::new(Mutex::new(Model::new()));
        let enough = Arc::default();
        let mut history = Self {
            rng,
            parties,
            engine,
            model,
            working: Vec::new(),
            enough,
            snapshots: 0,
            grown: Arc::new(SIZE.into()),
        };
        history.set_clients_to_work();
        history
    }

    fn set_clients_to_work(&mut self) {
        self.enough = Arc::default();
        for number in 0..CLIENTS {
            let rng = StdRng::seed_from_u64(self.rng.random());
            let client = Client { rng, number, model: Arc::clone(&self.model), enough: Arc::clone(&self.enough) };
            self.working.push(self.engine.spawn(|volume| client.work(volume)));
        }
    }

    /// Waits for the clients, who were told to stop or whose engine is gone.
    async fn end_of_work(&mut self) {
        // One that has ended is never asked again, even if this is broken off.
        while let Some(client) = self.working.last_mut() {
            if let Err(error) = client.await {
                assert!(error.is_cancelled(), "{error}");
            }
            self.working.pop();
        }
    }

    /// Ends the engine without warning; a newer one takes over when its members are there.
    async fn crash_engine(&mut self) {
        self.engine.crash();
        self.end_of_work().await;
        self.parties.keeper.set_mood(Mood::Answers);
        // Members that do not run would be left out; sometimes that is what happens.
        let all = self.rng.random_bool(0.7);
        let members = self.parties.keeper.record().members;
        let mut any = false;
        for replica in self.parties.replicas.iter_mut().filter(|replica| members.contains(&replica.name)) {
            if all || !any {
                replica.start();
            }
            any |= replica.runs();
        }
        self.engine = self.parties.attach().await.map_err(|error| error.to_string()).expect("a member is there");
        self.model.lock().unwrap().nothing_under_way();
        self.set_clients_to_work();
    }

    async fn step(&mut self) {
        // Long enough for some requests, short enough to hit others on their way.
        tokio::time::sleep(Duration::from_micros(self.rng.random_range(100..8000))).await;
        if self.rng.random_bool(0.5) {
            self.operate().await;
        } else {
            self.fail().await;
        }
        if self.engine.status().state() == EngineState::Failed {
            self.crash_engine().await;
        }
    }

    /// Something that its owner does to the volume.
    async fn operate(&mut self) {
        match self.rng.random_range(0..17) {
            0..=3 => self.snapshot(),
            4 | 5 => self.remove_snapshot(),
            6 => self.revert().await,
            7..=9 => self.purge(),
            10 => self.hash(),
            11 | 12 => self.read_snapshot(),
            13..=15 => self.clear_dirty_regions(),
            _ => self.expand(),
        }
    }

    /// Something that goes wrong, or is mended.
    async fn fail(&mut self) {
        let victim = self.rng.random_range(0..self.parties.replicas.len());
        match self.rng.random_range(0..20) {
            18 | 19 => self.leave_for_a_while(victim).await,
            0..=2 => self.parties.replicas[victim].crash().await,
            3 => self.parties.replicas[victim].stop().await,
            4 | 5 => self.parties.replicas[victim].proxy.cut(),
            6 => self.stand_still(victim).await,
            7 => self.parties.replicas[victim].proxy.release(),
            8 => drop(self.remove(victim)),
            9 => self.parties.keeper.set_mood(Mood::Unreachable),
            10 => self.parties.keeper.set_mood(Mood::LosesAnswers),
            11 | 12 => self.parties.keeper.set_mood(Mood::Answers),
            13 | 14 => self.crash_engine().await,
            _ => self.mend(victim),
        }
    }

    /// A replica's process ends and comes back, and gets what it missed, or everything. What the others know of that may have
    /// been made clean meanwhile.
    async fn leave_for_a_while(&mut self, victim: usize) {
        let name = self.parties.replicas[victim].name.clone();
        self.parties.replicas[victim].crash().await;
        let noticed = async {
            while self.engine.mode(&name) == Some(ReplicaMode::Rw) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(50), noticed).await;
        if self.rng.random_bool(0.5) {
            self.clear_dirty_regions();
        }
        self.mend(victim);
    }

    /// A replica's process stops in the middle; sometimes it is dropped for that, and rebuilt before it goes on.
    async fn stand_still(&mut self, victim: usize) {
        self.parties.replicas[victim].proxy.hold();
        if self.rng.random_bool(0.5) {
            tokio::time::sleep(Duration::from_millis(2)).await;
            let _ = tokio::time::timeout(Duration::from_millis(20), self.remove(victim)).await;
            self.mend(victim);
        }
    }

    fn remove(&self, victim: usize) -> tokio::task::JoinHandle<()> {
        let name = self.parties.replicas[victim].name.clone();
        // Its answer may wait for the keeper, and may be that it is the last one.
        self.engine.spawn(|volume| async move { drop(volume.remove_replica(&name).await) })
    }

    fn snapshot(&mut self) {
        self.snapshots += 1;
        let name = format!("s{}", self.snapshots);
        let model = Arc::clone(&self.model);
        drop(self.engine.spawn(|volume| async move {
            model.lock().unwrap().snapshot_begins(&name);
            match volume.snapshot(&name, BTreeMap::new(), true).await {
                Ok(_) => model.lock().unwrap().snapshot_taken(&name),
                Err(OperationError::Refused(_)) => drop(model.lock().unwrap().snapshots.remove(&name)),
                // Some members may have it, and complete it when the volume starts again.
                Err(OperationError::Failed(_)) => {}
            }
        }));
    }

    /// One of the snapshots that are there for sure.
    fn choose_snapshot(&mut self) -> Option<String> {
        let taken = self.model.lock().unwrap().taken();
        (!taken.is_empty()).then(|| taken[self.rng.random_range(0..taken.len())].clone())
    }

    fn remove_snapshot(&mut self) {
        let Some(name) = self.choose_snapshot() else { return };
        let model = Arc::clone(&self.model);
        model.lock().unwrap().set_presence(&name, Presence::PerhapsRemoved);
        drop(self.engine.spawn(|volume| async move {
            match volume.remove_snapshot(&name).await {
                Ok(()) => drop(model.lock().unwrap().snapshots.remove(&name)),
                Err(OperationError::Refused(_)) => model.lock().unwrap().set_presence(&name, Presence::Taken),
                Err(OperationError::Failed(_)) => {}
            }
        }));
    }

    /// The users go, the content goes back, and they come again.
    async fn revert(&mut self) {
        let Some(name) = self.choose_snapshot() else { return };
        self.enough.store(true, Ordering::Relaxed);
        // A write may wait for somebody who never comes.
        let stopped = tokio::time::timeout(Duration::from_millis(200), self.end_of_work()).await;
        if stopped.is_err() {
            return self.crash_engine().await;
        }
        let (model, reverted) = (Arc::clone(&self.model), name.clone());
        let reverting = self.engine.spawn(|volume| async move {
            model.lock().unwrap().reverted(&reverted, false);
            match volume.revert(&reverted).await {
                Ok(()) => model.lock().unwrap().reverted(&reverted, true),
                Err(OperationError::Refused(_) | OperationError::Failed(_)) => {}
            }
        });
        match tokio::time::timeout(Duration::from_millis(500), reverting).await {
            Ok(ended) => {
                ended.unwrap();
                self.set_clients_to_work();
            }
            Err(_) => self.crash_engine().await,
        }
    }

    fn purge(&self) {
        drop(self.engine.spawn(|volume| async move { volume.purge(IfPurging::Skip).await }));
    }

    fn hash(&mut self) {
        let Some(name) = self.choose_snapshot() else { return };
        let rehash = self.rng.random_bool(0.5);
        drop(self.engine.spawn(|volume| async move { volume.hash_snapshot(&name, rehash).await }));
    }

    /// As happens when nobody writes for a while.
    fn clear_dirty_regions(&self) {
        drop(self.engine.spawn(|volume| async move { volume.clear_dirty_regions().await }));
    }

    /// Bounded: what is grown stays.
    fn expand(&mut self) {
        if self.grown.load(Ordering::SeqCst) >= LARGEST {
            return;
        }
        let size = self.grown.load(Ordering::SeqCst) + GROWTH;
        let grown = Arc::clone(&self.grown);
        drop(self.engine.spawn(|volume| async move {
            if volume.expand(size, std::future::ready(Ok(()))).await.is_ok() {
                grown.fetch_max(size, Ordering::SeqCst);
            }
        }));
    }

    /// Reads a snapshot while everything goes on, as a backup does.
    fn read_snapshot(&mut self) {
        let Some(name) = self.choose_snapshot() else { return };
        let model = Arc::clone(&self.model);
        let length = (SECTORS * SECTOR) as u32;
        drop(self.engine.spawn(|volume| async move {
            // It may be removed meanwhile, and reverted to.
            let Ok(bytes) = volume.read_snapshot(&name, PLAYGROUND, length).await else { return };
            let model = model.lock().unwrap();
            if model.snapshots.contains_key(&name) {
                model.check_snapshot(&name, bytes.chunks(SECTOR), "read of a snapshot");
            }
        }));
    }

    /// Waits until the next work can begin.
    async fn nothing_runs(&self) {
        let idle = |status: &EngineStatus| {
            status.exclusive_work.is_empty() && status.rebuilds.iter().all(|rebuild| !rebuild.running)
        };
        self.engine.wait("nothing else runs", idle).await;
    }

    /// Nothing that a purge gives back is left.
    async fn purge_to_the_end(&self) {
        self.nothing_runs().await;
        self.engine.run(|volume| async move { volume.purge(IfPurging::Refuse).await }).await.unwrap();
        let over = |status: &EngineStatus| {
            status.exclusive_work.is_empty()
                && status.purges.iter().all(|purge| purge.state() == PurgeState::PurgeComplete)
        };
        let status = self.engine.wait("the purge is over", over).await;
        for snapshot in status.snapshots.iter().filter(|snapshot| snapshot.name != "volume-head") {
            let kept = snapshot.children.contains_key("volume-head") || snapshot.children.len() > 1;
            let wanted = if snapshot.removed { kept } else { snapshot.user_created };
            assert!(wanted, "a purge left {snapshot:?}: {:#?}", (&status.snapshots, &status.purges));
        }
    }

    /// Starts a replica again and has it rebuilt.
    fn mend(&mut self, victim: usize) {
        let replica = &mut self.parties.replicas[victim];
        replica.start();
        let (name, address) = (replica.name.clone(), replica.proxy.address.clone());
        drop(self.engine.spawn(|volume| async move { volume.add_replica(&name, address).await }));
    }

    /// Everything is well again: the clients stop, members are made equal, and all is compared.
    async fn end(mut self) {
        self.parties.keeper.set_mood(Mood::Answers);
        for replica in &mut self.parties.replicas {
            replica.proxy.release();
        }
        self.crash_engine().await;
        self.engine.wait("all regions equal", |status| status.reconcile_regions_left == 0).await;
        let mut attempts = 3;
        let record = loop {
            attempts -= 1;
            let mut told = self.mend_all().await;
            let (record, told_later) = self.close_anew().await;
            told.extend(told_later);
            told.retain(|(name, _)| !record.members.contains(name));
            let mut missing = self.parties.replicas.iter().filter(|replica| !record.members.contains(&replica.name));
            // Each of them for nothing worse than that.
            let is_slow = |name: &str| {
                told.iter().any(|(other, cause)| other == name && MISSED.iter().any(|missed| cause.contains(missed)))
            };
            if missing.clone().next().is_none() {
                break record;
            }
            let slow = missing.all(|replica| is_slow(&replica.name));
            assert!(slow && attempts > 0, "members are {:?}, left out were {told:?}", record.members);
            eprintln!("members left out on a slow machine: {told:?}");
            self.engine = self.parties.attach().await.map_err(|error| error.to_string()).unwrap();
        };
        let views = self.parties.equal_views(&record.members.into_iter().collect::<Vec<_>>()).await;
        self.compare(&views);
    }

    /// Has every replica rebuilt that is not a member, and ends the engine without warning. Says what it told of replicas.
    async fn mend_all(&mut self) -> Vec<(String, String)> {
        for at in 0..self.parties.replicas.len() {
            self.nothing_runs().await;
            self.mend(at);
            let name = self.parties.replicas[at].name.clone();
            self.engine.wait_mode(&name, ReplicaMode::Rw).await;
        }
        if self.rng.random_bool(0.5) {
            self.purge_to_the_end().await;
        }
        let told = causes(self.engine.status());
        self.engine.crash();
        self.end_of_work().await;
        told
    }

    /// Starts the volume, has its members made equal, and closes it: its record then, and what it told of replicas.
    async fn close_anew(&self) -> (Record, Vec<(String, String)>) {
        let last = self.parties.attach().await.map_err(|error| error.to_string()).unwrap();
        last.wait("all regions equal", |status| status.reconcile_regions_left == 0).await;
        let mut told = causes(last.status());
        last.run(|volume| async move { volume.close().await }).await.unwrap();
        told.extend(causes(last.status()));
        let record = self.parties.keeper.record();
        assert!(record.clean, "closed cleanly");
        (record, told)
    }

    fn compare(&self, views: &BTreeMap<String, Vec<u8>>) {
        let playground = |content: &[u8]| content[PLAYGROUND as usize..][..SECTORS * SECTOR].to_vec();
        let mut model = self.model.lock().unwrap();
        let head = &views[HEAD];
        assert!(head.len() as u64 >= self.grown.load(Ordering::SeqCst), "an expansion that was acknowledged is undone");
        for (at, sector) in playground(head).chunks(SECTOR).enumerate() {
            model.check(at, sector, "on the disks");
        }
        assert!(head[..PLAYGROUND as usize].iter().all(|byte| *byte == 0), "nobody wrote there");
        assert!(head[PLAYGROUND as usize + SECTORS * SECTOR..].iter().all(|byte| *byte == 0), "nor there");
        for (name, snapshot) in &model.snapshots {
            match views.get(&format!("volume-snap-{name}.img")) {
                Some(content) => model.check_snapshot(name, playground(content).chunks(SECTOR), "on the disks"),
                None => assert_ne!(snapshot.presence, Presence::Taken, "snapshot {name} is gone"),
            }
        }
    }
}

/// Why replicas are not in use, by name.
fn causes(status: EngineStatus) -> Vec<(String, String)> {
    let told = status.replicas.into_iter().filter(|replica| !replica.cause.is_empty());
    told.map(|replica| (replica.name, replica.cause)).collect()
}

async fn run(seed: u64) {
    let mut history = History::begin(seed).await;
    for _ in 0..STEPS {
        tokio::time::timeout(PATIENCE * 2, history.step()).await.expect("every step comes to an end");
    }
    history.end().await;
}

#[test]
fn no_acknowledged_write_is_lost_whatever_fails() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seeds = match number("AUROCHS_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("AUROCHS_HISTORIES").unwrap_or(100),
    };
    // Most of a history is waiting: several go on beside each other.
    let next = std::sync::atomic::AtomicU64::new(seeds.start);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let runtime =
                        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
                    let outcome = runtime.block_on(async { tokio::spawn(run(seed)).await });
                    runtime.shutdown_background();
                    if outcome.is_err() {
                        // The others end with what they are at.
                        next.store(seeds.end, std::sync::atomic::Ordering::Relaxed);
                    }
                    assert!(outcome.is_ok(), "history failed; run it again with AUROCHS_SEED={seed}");
                }
            });
        }
    });
}

/// What no history misses is not tested by them.
#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build leaves no rule out")]
fn histories_fail_without_the_log_of_dirty_regions() {
    let run = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "no_acknowledged_write_is_lost_whatever_fails"])
        .env(rule::LEAVE_OUT, rule::REGIONS_ARE_MARKED)
        // It ends with the first one that fails: where the machine is busy, the moment that counts comes seldom.
        .env("AUROCHS_HISTORIES", "20000")
        .output();
    let run = run.unwrap();
    let said = [run.stdout, run.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(!run.status.success() && said.contains("history failed"), "nothing notices that the rule is left out");
}
