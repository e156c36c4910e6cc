//! Random histories with faults against a model: clients that remember what was acknowledged, and a volume whose
//! engine, replicas, links and keeper fail at any moment. At every read and at the end, on every member, each sector
//! has the bytes of its last acknowledged write, or of a later one that was never acknowledged; and all members are
//! equal, seen from every layer.
//!
//! `AUROCHS_HISTORIES=<count>` runs more of them, `AUROCHS_SEED=<seed>` just one. Each failure names its seed.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod parties;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{BlockDevice, Durability, IoError};
use aurochs_engine::grpc::engine_v1::{EngineState, ReplicaMode};
use aurochs_engine::volume::Volume;
use parties::keeper::Mood;
use parties::{PATIENCE, Parties, TestEngine};
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

/// What a sector may hold: a number in each of its words.
#[derive(Clone, Debug, Default)]
struct Sector {
    acknowledged: u64,
    /// Written later, with an outcome that nobody knows.
    maybe: Vec<u64>,
}

/// The model, shared by clients that each own sectors of their own.
struct Model {
    sectors: Vec<Sector>,
    next: u64,
}

impl Model {
    /// Checks one sector of a read and settles what it is from now on.
    fn check(&mut self, at: usize, bytes: &[u8], who: &str) {
        let value = u64::from_le_bytes(bytes[..8].try_into().unwrap());
        assert!(bytes.chunks(8).all(|word| word == &bytes[..8]), "{who}: sector {at} is torn: {bytes:?}");
        let sector = &mut self.sectors[at];
        let right = sector.acknowledged == value || sector.maybe.contains(&value);
        assert!(right, "{who}: sector {at} holds {value}, expected {sector:?}");
        // Read once, it stays what it is.
        *sector = Sector { acknowledged: value, maybe: Vec::new() };
    }
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Write { stable: bool },
    Zero,
    Read,
    Flush,
}

/// One client: owns runs of sectors, so that several share a block, and works on one run at a time.
struct Client {
    rng: StdRng,
    number: usize,
    model: Arc<Mutex<Model>>,
}

impl Client {
    /// Sectors of this client: every run of `width` sectors whose number modulo the clients is its own.
    fn run_of_sectors(&mut self) -> (usize, usize) {
        // The first half is shared sector by sector, the second in runs of three blocks and a bit.
        let (from, to, width) = if self.rng.random_bool(0.5) { (0, 64, 1) } else { (64, SECTORS, 16) };
        let runs = (to - from) / width / CLIENTS;
        let run = self.rng.random_range(0..runs) * CLIENTS + self.number;
        let start = self.rng.random_range(0..width);
        let length = self.rng.random_range(1..=width - start);
        (from + run * width + start, length)
    }

    async fn work(mut self, volume: Volume) -> Self {
        loop {
            let act = match self.rng.random_range(0..10) {
                0 => Act::Flush,
                1 | 2 => Act::Read,
                3 => Act::Zero,
                other => Act::Write { stable: other == 4 },
            };
            if self.act(&volume, act).await.is_err() {
                // The volume is over, or its disks are.
                return self;
            }
        }
    }

    async fn act(&mut self, volume: &Volume, act: Act) -> Result<(), IoError> {
        let (start, count) = self.run_of_sectors();
        let (offset, length) = (PLAYGROUND + (start * SECTOR) as u64, count * SECTOR);
        match act {
            Act::Flush => volume.flush().await,
            Act::Read => {
                let bytes = volume.read(offset, length as u32).await?;
                let mut model = self.model.lock().unwrap();
                for (at, sector) in bytes.chunks(SECTOR).enumerate() {
                    model.check(start + at, sector, "read");
                }
                Ok(())
            }
            Act::Write { stable } => {
                let value = self.begin(start, count, None);
                let data = AlignedBuf::copy_of(&value.to_le_bytes().repeat(length / 8));
                let durability = if stable { Durability::Stable } else { Durability::Written };
                volume.write(offset, data, durability).await?;
                self.acknowledged(start, count, value);
                Ok(())
            }
            Act::Zero => {
                let may_unmap = self.rng.random_bool(0.5);
                let value = self.begin(start, count, Some(0));
                volume.write_zeroes(offset, length as u64, may_unmap, Durability::Written).await?;
                self.acknowledged(start, count, value);
                Ok(())
            }
        }
    }

    fn begin(&self, start: usize, count: usize, value: Option<u64>) -> u64 {
        let mut model = self.model.lock().unwrap();
        model.next += 1;
        let value = value.unwrap_or(model.next);
        for sector in &mut model.sectors[start..start + count] {
            sector.maybe.push(value);
        }
        value
    }

    fn acknowledged(&self, start: usize, count: usize, value: u64) {
        let mut model = self.model.lock().unwrap();
        for sector in &mut model.sectors[start..start + count] {
            *sector = Sector { acknowledged: value, maybe: Vec::new() };
        }
    }
}

/// A history: the parties, the clients and what happens to them.
struct History {
    rng: StdRng,
    parties: Parties,
    engine: TestEngine,
    model: Arc<Mutex<Model>>,
    working: Vec<tokio::task::JoinHandle<Client>>,
    snapshots: usize,
}

impl History {
    async fn begin(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let copies = rng.random_range(1..=3);
        let parties = Parties::new(SIZE, copies).await;
        let engine = parties.attach().await.map_err(|error| error.to_string()).unwrap();
        let model = Arc::new(Mutex::new(Model { sectors: vec![Sector::default(); SECTORS], next: 0 }));
        let mut history = Self { rng, parties, engine, model, working: Vec::new(), snapshots: 0 };
        history.set_clients_to_work();
        history
    }

    fn set_clients_to_work(&mut self) {
        for number in 0..CLIENTS {
            let rng = StdRng::seed_from_u64(self.rng.random());
            let client = Client { rng, number, model: Arc::clone(&self.model) };
            self.working.push(self.engine.spawn(|volume| client.work(volume)));
        }
    }

    /// Ends the engine without warning; a newer one takes over when its members are there.
    async fn crash_engine(&mut self) {
        self.engine.crash();
        for client in self.working.drain(..) {
            if let Err(error) = client.await {
                assert!(error.is_cancelled(), "{error}");
            }
        }
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
        self.set_clients_to_work();
    }

    async fn step(&mut self) {
        // Long enough for some requests, short enough to hit others on their way.
        tokio::time::sleep(Duration::from_micros(self.rng.random_range(100..8000))).await;
        let victim = self.rng.random_range(0..self.parties.replicas.len());
        match self.rng.random_range(0..20) {
            0..=2 => self.parties.replicas[victim].crash().await,
            3 => self.parties.replicas[victim].stop().await,
            4 | 5 => self.parties.replicas[victim].proxy.cut(),
            6 => self.stand_still(victim).await,
            7 => self.parties.replicas[victim].proxy.release(),
            8 => drop(self.remove(victim)),
            9 => self.parties.keeper.set_mood(Mood::Unreachable),
            10 => self.parties.keeper.set_mood(Mood::LosesAnswers),
            11 | 12 => self.parties.keeper.set_mood(Mood::Answers),
            13 | 14 => self.snapshot(),
            15 | 16 => self.crash_engine().await,
            _ => self.mend(victim),
        }
        if self.engine.status().state() == EngineState::Failed {
            self.crash_engine().await;
        }
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
        drop(self.engine.spawn(|volume| async move { volume.snapshot(&name, BTreeMap::new(), true).await }));
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
        for at in 0..self.parties.replicas.len() {
            self.mend(at);
            let name = self.parties.replicas[at].name.clone();
            self.engine.wait_mode(&name, ReplicaMode::Rw).await;
        }
        self.engine.crash();
        for client in self.working.drain(..) {
            let _ = client.await;
        }
        let last = self.parties.attach().await.map_err(|error| error.to_string()).unwrap();
        last.wait("all regions equal", |status| status.reconcile_regions_left == 0).await;
        last.run(|volume| async move { volume.close().await }).await.unwrap();
        let record = self.parties.keeper.record();
        assert!(record.clean, "closed cleanly");
        assert_eq!(record.members.len(), self.parties.replicas.len());
        let content = self.parties.equal_content(&record.members.into_iter().collect::<Vec<_>>()).await;
        let mut model = self.model.lock().unwrap();
        for (at, sector) in content[PLAYGROUND as usize..].chunks(SECTOR).take(SECTORS).enumerate() {
            model.check(at, sector, "on the disks");
        }
        assert!(content[..PLAYGROUND as usize].iter().all(|byte| *byte == 0), "nobody wrote there");
    }
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
                    assert!(outcome.is_ok(), "history failed; run it again with AUROCHS_SEED={seed}");
                }
            });
        }
    });
}
