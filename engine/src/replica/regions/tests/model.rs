//! Members of a volume that get writes one after the other, flush, lose power, and are used by somebody else; and an engine
//! that clears their logs and crashes. After every crash each region in which two members differ is dirty in a log, or a log
//! says that it knows nothing. Taking any of the rules away has to be noticed.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

const REGIONS: u64 = 40;
const STEPS: usize = 60;

/// What is left out, to see that it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LeftOut {
    Nothing,
    /// A region is written before it is dirty on the disk.
    Mark,
    /// A round ends before all requests have ended that were in flight when it began.
    Wait,
    /// A member ends a round without a sync.
    Sync,
    /// Somebody else uses the directory, and leaves `volume.meta` alone.
    MetaMark,
}

struct Member {
    place: Place,
    log: Regions,
    /// The number of the last write, by region: now, and at the last flush.
    content: Vec<u64>,
    flushed: Vec<u64>,
}

/// A write that not all members have.
struct InFlight {
    number: u64,
    region: u64,
    /// Members that it has not reached.
    missing: Vec<usize>,
}

struct Model {
    rng: StdRng,
    members: Vec<Member>,
    in_flight: Vec<InFlight>,
    /// The round that goes on: its number on each member, and the writes that it waits for.
    round: Option<(Vec<u64>, BTreeSet<u64>)>,
    writes: u64,
    left_out: LeftOut,
}

impl Model {
    fn new(seed: u64, left_out: LeftOut) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let members = (0..rng.random_range(2..=3)).map(|_| {
            let place = Place::new();
            let log = place.open(REGIONS);
            Member { place, log, content: vec![0; REGIONS as usize], flushed: vec![0; REGIONS as usize] }
        });
        let members = members.collect();
        Self { rng, members, in_flight: Vec::new(), round: None, writes: 0, left_out }
    }

    /// `Err`: two members differ where nobody would look.
    fn run(mut self) -> Result<(), String> {
        for _ in 0..STEPS {
            match self.rng.random_range(0..20) {
                0..=5 => self.write(),
                6..=11 => self.deliver(),
                12 | 13 => self.begin_round(),
                14..=16 => self.end_round(),
                17 => self.flush(),
                _ => self.crash()?,
            }
        }
        self.crash()
    }

    fn write(&mut self) {
        self.writes += 1;
        let region = self.rng.random_range(0..REGIONS);
        // The engine orders requests that overlap.
        if self.in_flight.iter().all(|write| write.region != region) {
            let missing = (0..self.members.len()).collect();
            self.in_flight.push(InFlight { number: self.writes, region, missing });
        }
    }

    fn deliver(&mut self) {
        if self.in_flight.is_empty() {
            return;
        }
        let at = self.rng.random_range(0..self.in_flight.len());
        let write = &mut self.in_flight[at];
        let member = write.missing.swap_remove(self.rng.random_range(0..write.missing.len()));
        let (region, number) = (write.region, write.number);
        if write.missing.is_empty() {
            self.in_flight.swap_remove(at);
        }
        let member = &mut self.members[member];
        if self.left_out != LeftOut::Mark {
            mark(&member.log, region);
        }
        member.content[region as usize] = number;
    }

    fn begin_round(&mut self) {
        let rounds = self.members.iter().map(|member| member.log.begin_round()).collect();
        self.round = Some((rounds, self.in_flight.iter().map(|write| write.number).collect()));
    }

    /// On all members, or on some before the engine crashes.
    fn end_round(&mut self) {
        let Some((_, waited_for)) = &self.round else { return };
        let over = self.in_flight.iter().all(|write| !waited_for.contains(&write.number));
        if !over && self.left_out != LeftOut::Wait {
            return;
        }
        let Some((rounds, _)) = self.round.take() else { return };
        let reached = if self.rng.random_bool(0.2) { 1 } else { rounds.len() };
        for (member, round) in self.members.iter_mut().zip(rounds).take(reached) {
            if self.left_out != LeftOut::Sync {
                member.flushed.clone_from(&member.content);
            }
            member.log.end_round(&member.place.directory, round).unwrap();
        }
    }

    fn flush(&mut self) {
        let at = self.rng.random_range(0..self.members.len());
        let member = &mut self.members[at];
        member.flushed.clone_from(&member.content);
    }

    /// The engine ends, and what was in flight with it; some members lose power; the next engine makes all equal.
    fn crash(&mut self) -> Result<(), String> {
        self.in_flight.clear();
        self.round = None;
        for at in 0..self.members.len() {
            if self.rng.random_bool(0.4) {
                self.cut_power(at);
            }
            if self.rng.random_bool(0.1) {
                self.use_elsewhere(at);
            }
            if self.rng.random_bool(0.7) {
                let member = &mut self.members[at];
                member.log = member.place.open(REGIONS);
            }
        }
        let logs: Option<Vec<Vec<u64>>> = self.members.iter().map(|member| dirty(&member.log)).collect();
        let compared: BTreeSet<u64> = match logs {
            Some(logs) => logs.into_iter().flatten().collect(),
            None => (0..REGIONS).collect(),
        };
        let source = self.members[0].content.clone();
        for region in 0..REGIONS {
            let differs = self.members.iter().any(|member| member.content[region as usize] != source[region as usize]);
            if differs && !compared.contains(&region) {
                return Err(format!("region {region} differs and is clean everywhere"));
            }
            if differs {
                for member in &mut self.members {
                    mark(&member.log, region);
                    member.content[region as usize] = source[region as usize];
                }
            }
        }
        Ok(())
    }

    /// Any of the writes since the last flush are gone. The log keeps what it was told.
    fn cut_power(&mut self, at: usize) {
        let member = &mut self.members[at];
        for (now, before) in member.content.iter_mut().zip(&mut member.flushed) {
            if self.rng.random_bool(0.5) {
                *now = *before;
            }
            *before = *now;
        }
        member.log = member.place.open(REGIONS);
    }

    /// By a program that knows nothing of the log.
    fn use_elsewhere(&mut self, at: usize) {
        self.writes += 1;
        let region = self.rng.random_range(0..REGIONS) as usize;
        let member = &mut self.members[at];
        if self.left_out != LeftOut::MetaMark {
            member.place.directory.replace(names::VOLUME_META, b"{}", 0o644).unwrap();
        }
        member.content[region] = self.writes;
        member.flushed[region] = self.writes;
        member.log = member.place.open(REGIONS);
    }
}

#[test]
fn members_never_differ_where_nobody_looks() {
    for seed in 0..60 {
        Model::new(seed, LeftOut::Nothing).run().unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
}

#[test]
fn each_rule_is_needed() {
    for left_out in [LeftOut::Mark, LeftOut::Wait, LeftOut::Sync, LeftOut::MetaMark] {
        let found = (0..100).find(|seed| Model::new(*seed, left_out).run().is_err());
        assert!(found.is_some(), "nothing notices that {left_out:?} is left out");
    }
}
