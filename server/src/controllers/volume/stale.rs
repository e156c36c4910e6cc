//! Stale replicas (behaviour.md §3, failed replica cleanup): the data of one that failed long ago is given up.
//!
//! Invariant: it goes only while a running engine serves from another replica that is whole. What the resources of a
//! detached or faulted volume tell of the others is the past: a disk may have died since, and then a person may have to
//! go on with the one that failed ([`super::salvage`]).

use std::time::Duration;

use super::family::Family;
use super::{Findings, Volumes};
use crate::controllers::Error;
use crate::resources::engine::InstanceState;
use crate::resources::{Object, Replica, Volume, timestamp};

/// The step of one pass: at most one goes.
pub(super) async fn step(
    volumes: &Volumes,
    volume: &Object<Volume>,
    family: &Family,
    _: &mut Findings,
) -> Result<(), Error> {
    let context = &volumes.context;
    let Some(stale) = family.staying().find(|replica| is_stale(volume, replica)) else { return Ok(()) };
    if !is_dispensable(stale, family) {
        return Ok(());
    }
    let minutes = volume.spec.stale_replica_timeout;
    tracing::info!(volume = volume.name(), replica = stale.name(), minutes, "a replica failed too long ago: it goes");
    Ok(context.store.delete::<Replica>(stale.name()).await?)
}

/// It failed longer ago than the volume's timeout; 0 keeps it for ever.
fn is_stale(volume: &Object<Volume>, replica: &Object<Replica>) -> bool {
    let timeout = Duration::from_secs(60 * u64::from(volume.spec.stale_replica_timeout));
    let given_up = replica.spec.has_failed() && replica.spec.desire_state == InstanceState::Stopped;
    let age = timestamp::age(&replica.spec.failed_at);
    given_up && !timeout.is_zero() && age.is_some_and(|age| age > timeout)
}

/// Another one has all data, and is read and written at this moment.
fn is_dispensable(stale: &Object<Replica>, family: &Family) -> bool {
    family.engine.status.current_state == InstanceState::Running
        && family.whole().any(|whole| whole.name() != stale.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::Engine;
    use crate::resources::replica::ReplicaSpec;
    use crate::resources::volume::VolumeSpec;

    #[test]
    fn stale_replica_timeout() {
        let minutes_ago = |minutes| timestamp::text(time::OffsetDateTime::now_utc() - time::Duration::minutes(minutes));
        let failed = |failed_at| Object::<Replica>::new("r", ReplicaSpec { failed_at, ..ReplicaSpec::default() });
        // (timeout in minutes, failed so many minutes ago, stale)
        for (timeout, ago, stale) in [(30, 31, true), (30, 29, false), (0, 100_000, false), (2880, 2881, true)] {
            let spec = VolumeSpec { stale_replica_timeout: timeout, ..VolumeSpec::default() };
            let volume = Object::<Volume>::new("v", spec);
            assert_eq!(is_stale(&volume, &failed(minutes_ago(ago))), stale, "{timeout} {ago}");
            assert!(!is_stale(&volume, &failed(String::new())), "it has not failed");
            let mut coming = failed(minutes_ago(ago));
            coming.spec.desire_state = InstanceState::Running;
            assert!(!is_stale(&volume, &coming), "it is being rebuilt");
        }
    }
    /// behaviour.md §3, failed replica cleanup: never the last that anybody could go on with.
    #[test]
    fn a_stale_replica_goes_only_while_another_one_serves() {
        use aurochs_api::replica::ReplicaMode::{Error, ReadWrite, WriteOnly};
        let spec = ReplicaSpec { failed_at: "2026-01-01T00:00:00Z".into(), ..ReplicaSpec::default() };
        let stale = Object::<Replica>::new("f", spec);
        // What an opening makes of a member, although its disk is dead.
        let spec = ReplicaSpec { healthy_at: "2026-01-02T00:00:00Z".into(), ..ReplicaSpec::default() };
        let member = Object::<Replica>::new("m", spec);
        // (engine, mode of the member, the member is being deleted, the stale one may go)
        let rows = [
            (InstanceState::Running, Some(ReadWrite), false, true),
            (InstanceState::Running, Some(ReadWrite), true, false),
            (InstanceState::Running, Some(WriteOnly), false, false),
            (InstanceState::Running, Some(Error), false, false),
            (InstanceState::Running, None, false, false),
            (InstanceState::Unknown, Some(ReadWrite), false, false),
            (InstanceState::Stopped, None, false, false),
            (InstanceState::Error, None, false, false),
        ];
        for (state, mode, deleting, goes) in rows {
            let mut member = member.clone();
            member.metadata.deletion_timestamp = deleting.then(|| "now".to_owned());
            let mut engine = Object::<Engine>::new("v-e-0", Default::default());
            engine.status.current_state = state;
            engine.status.replica_mode_map.extend(mode.map(|mode| ("m".to_owned(), mode)));
            let family = Family { engine, replicas: vec![stale.clone(), member] };
            assert_eq!(is_dispensable(&stale, &family), goes, "{state:?} {mode:?} {deleting}");
        }
    }
}
