//! Going on with what is left of a volume when every replica with all its data is lost for ever.
//!
//! A start serves only from members of the record, because only they have every acknowledged write. When none of them
//! can be used, a person may decide (`--salvage`) to go on with a replica that was a member once: the writes since are
//! lost, the rest is not. Nothing here happens without that decision, nor while a single member can be used.
//!
//! Chosen among all replicas that answer, open and are not half rebuilt, of whatever size (a smaller one grows then):
//! 1. a member that could not be used a moment ago and now can; it has everything;
//! 2. the largest, because a volume never shrinks; one that left before an expansion is made larger at the start;
//! 3. the highest generation told. A replica is told one only while it holds everything (`generation`), so the one with
//!    the highest left the membership last. Replicas of Longhorn were told none.
//! 4. Longhorn's rule: where all keep a revision counter, the highest; else, of those whose head was written within
//!    5 s of the newest, the one whose head holds most, then the newest.
//!
//! Invariants: the record says `S = {chosen}` before anything is served; a replica that is being rebuilt, and one that
//! never held anything, is never chosen; the others need a rebuild, whenever they come back.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::record::Record;
use super::start::{Candidate, StartError, StartOptions, Trust, greet};
use crate::replica::HeadFacts;

/// Heads written this close to each other were in use together (Longhorn's window).
const TOGETHER: Duration = Duration::from_secs(5);

/// What a salvage goes on with.
pub(super) struct Salvaged {
    pub(super) candidate: Candidate,
    /// What was chosen, from what, and why; for people.
    pub(super) note: String,
}

/// None of the members can be used, for the reasons in `failed`: chooses another replica if a person asked for that. The
/// replicas that are not chosen get a reason too.
pub(super) async fn choose(
    options: &StartOptions,
    record: &Record,
    session: &str,
    failed: &mut BTreeMap<String, String>,
) -> Result<Salvaged, StartError> {
    if !options.salvage {
        return Err(no_replica(options, failed, &way_out(options, record)));
    }
    // Every replica the engine was given, members included: one of Longhorn's may have been put in a member's place.
    let mut candidates = greet(options, options.replicas.keys(), session, Trust::Salvage, failed).await?;
    let traces: Vec<_> = candidates.iter().map(|candidate| trace(record, candidate)).collect();
    let Some((chosen, why)) = best(&traces) else {
        return Err(no_replica(options, failed, "a salvage was asked for, and no other replica can be used either"));
    };
    let note = describe(&traces, chosen, why);
    tracing::warn!(volume = options.volume, note, "salvage");
    for trace in &traces {
        failed.insert(trace.name.clone(), "left out by salvage; rebuild it".to_owned());
    }
    failed.remove(&chosen.name);
    candidates.retain(|candidate| candidate.link.name() == chosen.name);
    let candidate = candidates.pop();
    let nobody = || no_replica(options, failed, "the chosen replica is gone");
    Ok(Salvaged { candidate: candidate.ok_or_else(nobody)?, note })
}

fn no_replica(options: &StartOptions, failed: &BTreeMap<String, String>, next: &str) -> StartError {
    let reasons = failed.iter().map(|(name, cause)| format!("{name}: {cause}")).collect::<Vec<_>>().join("; ");
    StartError::NoReplica { volume: options.volume.clone(), reasons, next: next.to_owned() }
}

fn way_out(options: &StartOptions, record: &Record) -> String {
    let others: Vec<_> =
        options.replicas.keys().filter(|name| !record.members.contains(*name)).map(String::as_str).collect();
    if others.is_empty() {
        return "make one of them usable again".to_owned();
    }
    format!(
        "make one of them usable again. If they are lost for ever, a start with --salvage goes on with the newest of \
         the others ({}); every write that was acknowledged after that one left the volume is lost then",
        others.join(", ")
    )
}

/// What a replica tells of the writes it got.
struct Trace {
    name: String,
    /// The record has it, and an engine told it so: it could not be used a moment ago, and now it can.
    is_member: bool,
    /// Of the volume, as this replica has it.
    size_bytes: u64,
    generation: u64,
    head: HeadFacts,
}

fn trace(record: &Record, candidate: &Candidate) -> Trace {
    let welcome = candidate.link.welcome();
    let name = candidate.link.name().to_owned();
    let is_member = record.members.contains(&name) && welcome.generation > 0;
    Trace { name, is_member, size_bytes: welcome.size, generation: welcome.generation, head: welcome.head }
}

type Narrowing = fn(Vec<&Trace>) -> Vec<&Trace>;

/// Each keeps the replicas that are best by one measure; the one that leaves a single replica is the reason.
const RULES: &[(&str, Narrowing)] = &[
    ("it is still a member", |left| highest(left, |trace| trace.is_member)),
    ("it was a member last", |left| {
        let all_told = left.iter().all(|trace| trace.generation > 0);
        if all_told { highest(left, |trace| trace.generation) } else { left }
    }),
    ("it is the largest, and a volume never shrinks", |left| highest(left, |trace| trace.size_bytes)),
    ("an engine told it what it is part of", |left| highest(left, |trace| trace.generation)),
    ("its revision counter is the highest", |left| {
        let all_count = left.iter().all(|trace| trace.head.revision_counter.is_some());
        if all_count { highest(left, |trace| trace.head.revision_counter) } else { left }
    }),
    ("its head was written last", in_use_together),
    ("its head holds most", |left| highest(left, |trace| trace.head.allocated_bytes)),
    ("its head was written last", |left| highest(left, |trace| trace.head.modified_nanoseconds)),
    ("nothing tells them apart, and it is the first by name", |left| {
        highest(left, |trace| Reverse(trace.name.clone()))
    }),
];

fn best(traces: &[Trace]) -> Option<(&Trace, &'static str)> {
    let mut left: Vec<&Trace> = traces.iter().collect();
    let mut why = "no other one can be used";
    for (rule, narrow) in RULES {
        if left.len() > 1 {
            left = narrow(left);
            why = rule;
        }
    }
    left.first().map(|best| (*best, why))
}

fn highest<T: Ord>(left: Vec<&Trace>, value: impl Fn(&Trace) -> T) -> Vec<&Trace> {
    let highest = left.iter().map(|trace| value(trace)).max();
    left.into_iter().filter(|trace| Some(value(trace)) == highest).collect()
}

fn in_use_together(left: Vec<&Trace>) -> Vec<&Trace> {
    let newest = left.iter().map(|trace| trace.head.modified_nanoseconds).max().unwrap_or_default();
    let age = |trace: &Trace| u128::from(newest.abs_diff(trace.head.modified_nanoseconds));
    left.into_iter().filter(|trace| age(trace) <= TOGETHER.as_nanos()).collect()
}

fn describe(traces: &[Trace], chosen: &Trace, why: &str) -> String {
    let mut text = format!("replica {} was chosen by salvage: {why}. Known:", chosen.name);
    for trace in traces {
        let counter = trace.head.revision_counter.map_or("none".to_owned(), |counter| counter.to_string());
        let at = jiff::Timestamp::from_nanosecond(i128::from(trace.head.modified_nanoseconds)).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            " {} ({} bytes, last told generation {}, revision counter {counter}, head written {at:.0}, {} bytes in it);",
            trace.name, trace.size_bytes, trace.generation, trace.head.allocated_bytes
        );
    }
    text.push_str(" acknowledged writes that only the lost replicas had are gone");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn of(name: &str, generation: u64, revision_counter: Option<u64>, seconds: i64, allocated_bytes: u64) -> Trace {
        let head = HeadFacts { revision_counter, modified_nanoseconds: seconds * SECOND, allocated_bytes };
        Trace { name: name.to_owned(), is_member: false, size_bytes: 1 << 30, generation, head }
    }

    fn chosen(traces: &[Trace]) -> &str {
        &best(traces).unwrap().0.name
    }

    #[test]
    fn longhorns_rule_decides_where_no_generation_was_told() {
        assert!(best(&[]).is_none());
        assert_eq!(chosen(&[of("a", 0, None, 1, 1)]), "a");
        let counters = [of("a", 0, Some(7), 900, 9), of("b", 0, Some(8), 1, 1)];
        assert_eq!(chosen(&counters), "b", "the counter goes before the clock");
        assert_eq!(chosen(&[of("a", 0, Some(99), 1, 9), of("b", 0, None, 900, 1)]), "b", "not all count");
        let clocks = [of("a", 0, None, 100, 99), of("b", 0, None, 106, 1), of("c", 0, None, 104, 2)];
        assert_eq!(chosen(&clocks), "c", "a is too old, and c holds more than b");
        assert_eq!(chosen(&[of("a", 0, None, 100, 5), of("b", 0, None, 101, 5)]), "b");
        assert_eq!(chosen(&[of("b", 0, None, 100, 5), of("a", 0, None, 100, 5)]), "a");
    }

    #[test]
    fn who_was_a_member_last_goes_before_clocks_and_counters() {
        let traces = [of("a", 4, Some(1000), 900, 99), of("b", 6, Some(3), 100, 1)];
        assert_eq!(chosen(&traces), "b", "a counter may be behind, and clocks may be wrong");
        let [a, b] = traces;
        let expanded = Trace { size_bytes: 2 << 30, ..a };
        assert_eq!(chosen(&[expanded, b]), "b", "an expansion that broke off made the other one larger");
        let (untold, small) = (of("a", 0, None, 1, 1), of("b", 6, None, 9, 9));
        let expanded = Trace { size_bytes: 2 << 30, ..untold };
        assert_eq!(chosen(&[expanded, small]), "a", "where not all were told, a volume never shrinks");
        let (smaller, b) = (of("a", 0, None, 1, 1), of("b", 6, None, 9, 9));
        assert_eq!(chosen(&[Trace { is_member: true, ..smaller }, b]), "a", "a member has everything");
    }
}
