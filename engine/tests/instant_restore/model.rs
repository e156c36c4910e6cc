//! Random requests against an array of bytes, while engines and replicas are killed, with a printed seed.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::Duration;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{BlockDevice, Durability, IoError};
use aurochs_engine::grpc::engine_v1::{ReplicaMode, TransferState};
use aurochs_engine::volume::lazy::InstantRestore;
use futures::future::FutureExt;
use futures::stream::{self, StreamExt};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::parties::{Parties, TestEngine};
use crate::source::{BLOCK, MIB, SIZE, Source, begin, check_at_end, noise, on_demand, read, remote};

const COPIES: usize = 2;
/// Seeds of a run where `AUROCHS_LAZY_SEEDS` says nothing; `make soak` runs hundreds.
const SEEDS: u64 = 12;
/// So many of them beside each other.
const AT_ONCE: usize = 4;
const STEPS: usize = 14;
/// Longest time from the beginning of a request to a kill.
const LATEST: Duration = Duration::from_millis(25);

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Zeros(u64, u64),
    Discard(u64, u64),
}

impl Change {
    fn random(random: &mut StdRng) -> Self {
        let (at, length) = match random.random_range(0..3) {
            // Anything, mostly within a block.
            0 => (random.random_range(0..SIZE - 70_000), random.random_range(1..70_000)),
            // Whole blocks of 4 KiB, sometimes over several of the backup's.
            1 => (random.random_range(0..SIZE / 4096 - 400) * 4096, random.random_range(1..400) * 4096),
            _ => {
                let count = random.random_range(1..=2_u64);
                (random.random_range(0..=SIZE / BLOCK - count) * BLOCK, count * BLOCK)
            }
        };
        match random.random_range(0..6) {
            0 => Self::Zeros(at, length),
            1 => Self::Discard(at, length),
            _ => Self::Write(at, noise(random.random(), length)),
        }
    }

    async fn perform(&self, engine: &TestEngine) -> Result<(), IoError> {
        let change = self.clone();
        let asked = engine.spawn(|volume| async move {
            match change {
                Self::Write(at, bytes) => volume.write(at, AlignedBuf::copy_of(&bytes), Durability::Written).await,
                Self::Zeros(at, length) => volume.write_zeroes(at, length, true, Durability::Written).await,
                Self::Discard(at, length) => volume.discard(at, length).await,
            }
        });
        // One that was killed with its engine was not acknowledged.
        asked.await.unwrap_or_else(|_| Err(IoError::new(aurochs_engine::frontend::IoErrorKind::Io, "killed")))
    }
}

/// What the volume may show: every byte as it was, or one of what unacknowledged requests would have made it.
struct Oracle {
    now: Vec<u8>,
    /// Also possible, by byte.
    maybe: Vec<Vec<u8>>,
    /// Discarded: whatever is there.
    any: Vec<bool>,
}

impl Oracle {
    fn new(content: &[u8]) -> Self {
        Self { now: content.to_vec(), maybe: Vec::new(), any: vec![false; content.len()] }
    }

    fn changed(&self, change: &Change) -> Vec<u8> {
        let mut next = self.now.clone();
        match change {
            Change::Write(at, bytes) => next[*at as usize..*at as usize + bytes.len()].copy_from_slice(bytes),
            Change::Zeros(at, length) => next[*at as usize..(at + length) as usize].fill(0),
            Change::Discard(..) => {}
        }
        next
    }

    fn acknowledged(&mut self, change: &Change) {
        self.now = self.changed(change);
        let (at, length, any) = match change {
            Change::Write(at, bytes) => (*at, bytes.len() as u64, false),
            Change::Zeros(at, length) => (*at, *length, false),
            Change::Discard(at, length) => (*at, *length, true),
        };
        self.any[at as usize..(at + length) as usize].fill(any);
    }

    fn lost(&mut self, change: &Change) {
        self.maybe.push(self.changed(change));
        if let Change::Discard(at, length) = change {
            self.any[*at as usize..(at + length) as usize].fill(true);
        }
    }

    /// From here on it is what was seen.
    fn settle(&mut self, seen: &[u8], what: &str) {
        for (index, byte) in seen.iter().enumerate() {
            let is_possible =
                self.any[index] || self.now[index] == *byte || self.maybe.iter().any(|other| other[index] == *byte);
            assert!(is_possible, "{what}: byte {index} is {byte} and should be {}", self.now[index]);
        }
        self.now.copy_from_slice(seen);
        self.maybe.clear();
        self.any.fill(false);
    }

    fn check(&self, at: u64, seen: &[u8], what: &str) {
        for (index, byte) in seen.iter().enumerate() {
            let place = at as usize + index;
            assert!(
                self.any[place] || self.now[place] == *byte,
                "{what}: byte {place} is {byte} and should be {}",
                self.now[place]
            );
        }
    }
}

struct Run<'source> {
    source: &'source Source,
    parties: Parties,
    engine: TestEngine,
    oracle: Oracle,
    random: StdRng,
    what: String,
    kills: usize,
    kills_while_remote: usize,
}

impl<'source> Run<'source> {
    async fn begin(source: &'source Source, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let parties = Parties::new(SIZE, COPIES).await;
        let engine = parties.attach().await.unwrap();
        let options = if random.random_bool(0.6) { on_demand() } else { InstantRestore::default() };
        let oracle = Oracle::new(&source.content);
        let what = format!("seed {seed}");
        let run = Self { source, parties, engine, oracle, random, what, kills: 0, kills_while_remote: 0 };
        begin(&run.engine, source.request(options)).await;
        run
    }

    async fn step(&mut self) {
        match self.random.random_range(0..10) {
            0..=2 => {
                let length = self.random.random_range(1..2 * MIB);
                let at = self.random.random_range(0..SIZE - length);
                let seen = read(&self.engine, at, length).await.unwrap();
                self.oracle.check(at, &seen, &self.what);
            }
            3..=6 => {
                let change = Change::random(&mut self.random);
                change.perform(&self.engine).await.unwrap();
                self.oracle.acknowledged(&change);
            }
            7 => {
                self.mend().await;
                let replica = self.random.random_range(0..COPIES);
                self.parties.replicas[replica].crash().await;
                let change = Change::random(&mut self.random);
                change.perform(&self.engine).await.unwrap();
                self.oracle.acknowledged(&change);
                self.mend().await;
            }
            _ => self.kill().await,
        }
    }

    /// Kills the engine within a request, sometimes replicas with it, and looks at everything afterwards.
    async fn kill(&mut self) {
        let change = Change::random(&mut self.random);
        let (after, mine) = (self.random.random_range(Duration::ZERO..LATEST), change.clone());
        let mut asked = Box::pin(mine.perform(&self.engine));
        let answer = tokio::select! {
            answer = &mut asked => Some(answer),
            () = tokio::time::sleep(after) => None,
        };
        drop(asked);
        match answer {
            Some(answer) => {
                answer.unwrap();
                self.oracle.acknowledged(&change);
            }
            None => self.oracle.lost(&change),
        }
        self.kills += 1;
        self.kills_while_remote += usize::from(remote(&self.engine) > 0);
        let victims = self.random.random_range(0..4_usize);
        for replica in self.parties.replicas.iter_mut().take(victims.saturating_sub(1)) {
            replica.crash().await;
        }
        self.engine.crash();
        for replica in &mut self.parties.replicas {
            replica.start();
        }
        self.engine = self.parties.attach().await.unwrap();
        // It goes on by itself, for the target takes no credentials.
        if self.random.random_bool(0.7) {
            self.mend().await;
        }
        // All of it comes here, or what was in doubt alone.
        if !self.oracle.maybe.is_empty() {
            let (at, length) = match &change {
                Change::Write(at, bytes) => (*at, bytes.len() as u64),
                Change::Zeros(at, length) | Change::Discard(at, length) => (*at, *length),
            };
            let seen = read(&self.engine, at, length).await.unwrap();
            let mut whole = self.oracle.now.clone();
            whole[at as usize..(at + length) as usize].copy_from_slice(&seen);
            let any = self.oracle.any.clone();
            self.oracle.settle(&whole, &self.what);
            self.oracle.any = any;
            self.oracle.any[at as usize..(at + length) as usize].fill(matches!(change, Change::Discard(..)));
        }
    }

    async fn mend(&mut self) {
        for replica in &mut self.parties.replicas {
            replica.start();
            if self.engine.mode(&replica.name) != Some(ReplicaMode::Rw) {
                self.engine.rebuild(replica).await;
            }
        }
    }

    async fn end(mut self) -> (usize, usize) {
        self.mend().await;
        if self.kills == 0 && remote(&self.engine) > 0 {
            self.engine.begin_restore(self.source.request(InstantRestore::default())).await;
        }
        let is_over = |state: &aurochs_engine::grpc::engine_v1::EngineStatus| {
            state.restore.as_ref().is_none_or(|restore| restore.state() == TransferState::TransferComplete)
        };
        self.engine.wait("all of it is here", is_over).await;
        self.engine.wait("all work is over", |status| status.exclusive_work.is_empty()).await;
        let seen = read(&self.engine, 0, SIZE).await.unwrap();
        self.oracle.check(0, &seen, &self.what);
        check_at_end(self.engine, self.parties, &seen, &self.what).await;
        (self.kills, self.kills_while_remote)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_whatever_is_killed() {
    let first = setting("AUROCHS_LAZY_SEED").unwrap_or_else(rand::random);
    let seeds = setting("AUROCHS_LAZY_SEEDS").unwrap_or(SEEDS);
    println!("AUROCHS_LAZY_SEED={first} AUROCHS_LAZY_SEEDS={seeds}");
    let source = Source::new().await;
    let one = async |seed: u64| {
        let run = async {
            let mut run = Run::begin(&source, seed).await;
            for _ in 0..STEPS {
                run.step().await;
            }
            run.end().await
        };
        let outcome = AssertUnwindSafe(run).catch_unwind().await;
        outcome.unwrap_or_else(|panic| {
            println!("again: AUROCHS_LAZY_SEED={seed} AUROCHS_LAZY_SEEDS=1");
            resume_unwind(panic)
        })
    };
    // Most of each is waiting: for locks in the target, for rebuilds, for the last commit.
    let runs = stream::iter(0..seeds).map(|index| one(first.wrapping_add(index))).buffer_unordered(AT_ONCE);
    let (kills, while_remote) = runs
        .fold((0, 0), async |(kills, while_remote), (own, own_while_remote)| {
            (kills + own, while_remote + own_while_remote)
        })
        .await;
    println!("{kills} kills, {while_remote} while blocks were remote");
    assert!(seeds < 10 || while_remote > 0, "no kill came while anything was remote");
}
