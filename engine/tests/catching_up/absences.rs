//! Random absences of three replicas, with everything that may happen meanwhile, against a model of the volume's content:
//! whoever comes back shows what the others show, and all of them what was written.
//!
//! `AUROCHS_ABSENCES=<count>` runs more of them. Each says its seed.

use std::collections::BTreeMap;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::grpc::engine_v1::ReplicaMode;
use aurochs_engine::replica::{OpenOptions, Replica};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::parties::{Parties, TestEngine};
use super::{BLOCK, MIB, SIZE, clear, put_block};

const STEPS: usize = 30;

struct Absences {
    rng: StdRng,
    parties: Parties,
    engine: TestEngine,
    /// What fills the block of each region.
    content: BTreeMap<u64, u8>,
    snapshots: usize,
    /// Rebuilds that moved less than what a rebuild in full moves.
    caught_up: usize,
}

impl Absences {
    async fn begin(seed: u64) -> Self {
        let parties = Parties::new(SIZE, 3).await;
        let engine = parties.attach().await.unwrap();
        let rng = StdRng::seed_from_u64(seed);
        let mut absences = Self { rng, parties, engine, content: BTreeMap::new(), snapshots: 0, caught_up: 0 };
        for region in 0..SIZE / MIB {
            absences.put(region).await;
        }
        absences.snapshot().await;
        absences
    }

    async fn put(&mut self, region: u64) {
        let byte = self.rng.random();
        put_block(&self.engine, region, byte).await;
        self.content.insert(region, byte);
    }

    async fn snapshot(&mut self) {
        let name = format!("s{}", self.snapshots);
        self.snapshots += 1;
        self.engine
            .run(move |volume| async move { volume.snapshot(&name, BTreeMap::new(), true).await })
            .await
            .unwrap();
    }

    fn members(&self) -> Vec<usize> {
        let members = self.parties.keeper.record().members;
        (0..3).filter(|at| members.contains(&self.parties.replicas[*at].name)).collect()
    }

    async fn step(&mut self) {
        let (members, one) = (self.members(), self.rng.random_range(0..3));
        match self.rng.random_range(0..24) {
            0..=10 => {
                let region = self.rng.random_range(0..SIZE / MIB);
                self.put(region).await;
            }
            11..=14 => clear(&self.engine).await,
            15..=17 if members.contains(&one) && members.len() > 1 => self.leave(one).await,
            18..=20 if !members.contains(&one) => self.come_back(one).await,
            21 if !members.contains(&one) && !self.parties.replicas[one].runs() => self.write_alone(one),
            22 => self.start_another_engine().await,
            23 if self.rng.random_bool(0.3) => self.snapshot().await,
            _ => {}
        }
    }

    async fn leave(&mut self, one: usize) {
        self.parties.replicas[one].crash().await;
        let name = self.parties.replicas[one].name.clone();
        self.engine.wait_mode(&name, ReplicaMode::Err).await;
        self.engine.wait("its end is recorded", |_| !self.parties.keeper.record().members.contains(&name)).await;
    }

    async fn come_back(&mut self, one: usize) {
        self.parties.replicas[one].start();
        self.engine.rebuild(&self.parties.replicas[one]).await;
        let rebuilds = self.engine.status().rebuilds;
        let rebuild = rebuilds.iter().find(|rebuild| rebuild.replica == self.parties.replicas[one].name).unwrap();
        self.caught_up += usize::from(rebuild.planned_bytes < SIZE / MIB * BLOCK as u64);
    }

    /// The last engine may have sent it what no other replica got.
    fn write_alone(&mut self, one: usize) {
        let alone = Replica::open(&self.parties.replicas[one].directory, OpenOptions::default()).unwrap();
        if !alone.rebuilding() {
            let region = self.rng.random_range(0..SIZE / MIB);
            alone.write(region * MIB + 8192, &AlignedBuf::copy_of(&[0xee; BLOCK])).unwrap();
        }
    }

    async fn start_another_engine(&mut self) {
        self.engine.crash();
        // One that was away is asked for by nobody; one that is a member may be missing now.
        let members = self.members();
        if members.len() > 1 && self.rng.random_bool(0.5) {
            self.parties.replicas[members[0]].crash().await;
        }
        self.engine = self.parties.attach().await.map_err(|error| error.to_string()).unwrap();
        self.engine.wait("all regions equal", |status| status.reconcile_regions_left == 0).await;
    }

    async fn end(mut self) -> usize {
        for one in 0..3 {
            if !self.members().contains(&one) {
                self.come_back(one).await;
            }
        }
        let shown = super::close_equal(&mut self.parties, &self.engine).await;
        let found: BTreeMap<u64, u8> =
            self.content.keys().map(|region| (*region, shown[(region * MIB) as usize + 8192])).collect();
        assert_eq!(found, self.content, "what is shown differs from what was written");
        self.caught_up
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_shows_what_was_written() {
    let mut caught_up = 0;
    let count = std::env::var("AUROCHS_ABSENCES").ok().and_then(|value| value.parse().ok()).unwrap_or(4);
    for seed in 0..count {
        eprintln!("seed {seed}");
        let mut absences = Absences::begin(seed).await;
        for _ in 0..STEPS {
            absences.step().await;
        }
        caught_up += absences.end().await;
    }
    assert!(caught_up > 0, "nobody has caught up");
}
