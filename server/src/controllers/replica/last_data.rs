//! Which replica of a volume may not go, because no other one has all of its data.
//!
//! The members of the control record are the replicas with every acknowledged write. Invariants:
//! - while the volume stays, one member keeps its files, whoever asked for the deletion of how many;
//! - files are removed only of a replica that was marked as given up before ([`CONDITION_GIVEN_UP`], in the store, so
//!   that a manager that ended in between knows it too), and a marked one counts as gone from then on;
//! - judging and marking is one step for each volume ([`Turns`]): two that go at once can't rely on each other;
//! - so is making a volume's first record: it names no replica that is given up, and from then on it protects those that
//!   it names.

use std::hash::{DefaultHasher, Hash, Hasher};

use tokio::sync::{Mutex, MutexGuard};

use crate::resources::{Object, Replica, condition};

/// Condition of a replica whose files are being removed; its message tells why they could not be.
pub(in crate::controllers) const CONDITION_GIVEN_UP: &str = "GivenUp";

/// Its files may be gone already.
#[must_use]
pub fn is_given_up(replica: &Object<Replica>) -> bool {
    condition::is_true(&replica.status.conditions, CONDITION_GIVEN_UP)
}

/// Whether a replica that is being deleted has to stay. Of members that are all being deleted, the one with the smallest
/// name does.
#[must_use]
pub fn must_stay(name: &str, members: &[String], replicas: &[Object<Replica>]) -> bool {
    let is_member = members.iter().any(|member| member == name);
    // A record without members tells nothing about anybody.
    (is_member || members.is_empty())
        && others(name, members, replicas).all(|other| other.is_deleting() && name < other.name())
}

/// Whether a member stays when this replica goes.
#[must_use]
pub fn another_stays(name: &str, members: &[String], replicas: &[Object<Replica>]) -> bool {
    others(name, members, replicas).any(|other| !other.is_deleting())
}

/// The other members that exist and have their files.
fn others<'a>(
    name: &'a str,
    members: &'a [String],
    replicas: &'a [Object<Replica>],
) -> impl Iterator<Item = &'a Object<Replica>> {
    let counts = move |other: &&Object<Replica>| {
        other.name() != name && members.iter().any(|member| member == other.name()) && !is_given_up(other)
    };
    replicas.iter().filter(counts)
}

/// Enough that volumes seldom wait for each other.
const TURNS: usize = 64;

/// One replica of a volume at a time is judged and marked. Volumes share a lock now and then, which only costs time.
#[derive(Debug)]
pub struct Turns(Vec<Mutex<()>>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..TURNS).map(|_| Mutex::default()).collect())
    }
}

impl Turns {
    pub(in crate::controllers) async fn take(&self, volume: &str) -> Option<MutexGuard<'_, ()>> {
        let mut hasher = DefaultHasher::new();
        volume.hash(&mut hasher);
        let index = usize::try_from(hasher.finish() % TURNS as u64).unwrap_or_default();
        Some(self.0.get(index)?.lock().await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::replica::ReplicaSpec;
    use aurochs_api::condition::ConditionStatus;

    #[derive(Clone, Copy, PartialEq)]
    enum Is {
        Staying,
        Deleting,
        GivenUp,
    }
    use Is::{Deleting, GivenUp, Staying};

    fn replica(name: &str, is: Is) -> Object<Replica> {
        let mut replica = Object::<Replica>::new(name, ReplicaSpec::default());
        replica.metadata.deletion_timestamp = (is != Staying).then(|| "now".to_owned());
        if is == GivenUp {
            condition::set(&mut replica.status.conditions, CONDITION_GIVEN_UP, ConditionStatus::True, "", "");
        }
        replica
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn the_last_one_with_all_data_stays() {
        // (who goes, members of the record, replicas, it must stay)
        type Row<'a> = (&'a str, &'a [&'a str], &'a [(&'a str, Is)], bool);
        let rows: [Row<'_>; 12] = [
            ("a", &["a"], &[("a", Deleting)], true),
            ("a", &["a", "b"], &[("a", Deleting), ("b", Staying)], false),
            // c looks good, and lacks what was written since it left the record.
            ("b", &["a", "b"], &[("b", Deleting), ("c", Staying)], true),
            ("c", &["a", "b"], &[("b", Staying), ("c", Deleting)], false),
            // All are asked to go: one of them stays, whichever is looked at first.
            ("a", &["a", "b"], &[("a", Deleting), ("b", Deleting)], true),
            ("b", &["a", "b"], &[("a", Deleting), ("b", Deleting)], false),
            ("b", &["a", "b"], &[("a", GivenUp), ("b", Deleting)], true),
            ("a", &["a", "b"], &[("a", Deleting), ("b", GivenUp)], true),
            ("b", &["a", "b", "c"], &[("a", GivenUp), ("b", Deleting), ("c", Deleting)], true),
            ("b", &["a", "b", "c"], &[("a", GivenUp), ("b", Deleting), ("c", Staying)], false),
            ("b", &["a", "b"], &[("b", Deleting)], true),
            ("a", &[], &[("a", Deleting)], true),
        ];
        for (name, members, replicas, stays) in rows {
            let objects: Vec<Object<Replica>> = replicas.iter().map(|(name, is)| replica(name, *is)).collect();
            let case: Vec<_> = objects.iter().map(|one| (one.name(), one.is_deleting(), is_given_up(one))).collect();
            assert_eq!(must_stay(name, &names(members), &objects), stays, "{name} of {members:?}: {case:?}");
        }
    }

    /// Whatever the order in which members are asked to go and are looked at: one keeps its files.
    #[test]
    fn one_member_is_left_in_every_order() {
        let members = names(&["a", "b", "c"]);
        // Each event is the deletion of a replica (0 to 2) or a look at it (3 to 5).
        for code in 0..6_usize.pow(7) {
            let mut replicas: Vec<_> = ["a", "b", "c"].iter().map(|name| replica(name, Staying)).collect();
            let mut rest = code;
            for _ in 0..7 {
                let (event, index) = (rest % 6 / 3, rest % 3);
                rest /= 6;
                let name = replicas[index].name().to_owned();
                let asked = replicas[index].is_deleting() && !is_given_up(&replicas[index]);
                if event == 0 && !replicas[index].is_deleting() {
                    replicas[index] = replica(&name, Deleting);
                } else if event == 1 && asked && !must_stay(&name, &members, &replicas) {
                    replicas[index] = replica(&name, GivenUp);
                }
            }
            assert!(!replicas.iter().all(is_given_up), "events {code}");
        }
    }

    #[test]
    fn a_removal_that_is_asked_for_needs_a_member_that_stays() {
        let replicas = [replica("a", Deleting), replica("b", Staying), replica("c", Staying)];
        assert!(!another_stays("b", &names(&["a", "b"]), &replicas), "c is no member, a goes");
        assert!(another_stays("b", &names(&["a", "b", "c"]), &replicas));
        assert!(another_stays("a", &names(&["a", "b"]), &replicas));
    }
}
