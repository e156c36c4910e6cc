//! Stale replicas (behaviour.md §3, failed replica cleanup): the data of one that failed long ago is given up, but never
//! while it could be the best that is left.

use std::time::Duration;

use super::family::Family;
use super::{Findings, Volumes};
use crate::controllers::{Context, Error};
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
    let had_data = !stale.spec.last_healthy_at.is_empty();
    let safe = family.staying().any(|other| other.name() != stale.name() && is_safe(context, other, family));
    if had_data && !safe {
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

/// It has all data, as far as anybody can tell now: an engine says so, or it was whole when the volume was detached and
/// its node answers.
pub(super) fn is_safe(context: &Context, replica: &Object<Replica>, family: &Family) -> bool {
    if family.engine.status.current_state == InstanceState::Running {
        return family.whole().any(|whole| whole.name() == replica.name());
    }
    let was_whole = !replica.spec.healthy_at.is_empty() && !replica.spec.has_failed();
    was_whole && context.instances.answers(&replica.spec.node_id)
}

#[cfg(test)]
mod tests {
    use super::*;
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
}
