//! How fast a volume's replicas are rebuilt: the volume's own limits before the settings', told to its running engine.

use std::time::Duration;

use aurochs_engine::grpc::engine_v1::RebuildPaceSetRequest;

use super::family::Family;
use super::{Findings, Volumes};
use crate::controllers::Error;
use crate::instance::{ClientError, LOOK_TIMEOUT, rpc, within};
use crate::resources::engine::InstanceState;
use crate::resources::volume::VolumeSpec;
use crate::resources::{Object, Volume};
use crate::settings::{Name, Settings};

/// What a megabyte of `replicaRebuildingBandwidthLimit` is: the data plane that Longhorn hands it to counts in these.
const MEGABYTE: u64 = 1 << 20;
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// The step of one pass.
pub(super) async fn step(
    volumes: &Volumes,
    volume: &Object<Volume>,
    family: &Family,
    findings: &mut Findings,
) -> Result<(), Error> {
    let (context, status) = (&volumes.context, &family.engine.status);
    // An engine whose replicas are not known yet has told nothing: its pace may be any.
    if status.current_state != InstanceState::Running || status.replica_mode_map.is_empty() {
        return Ok(());
    }
    let wanted = wanted(&volume.spec, &context.settings);
    let now = &status.rebuild_pace;
    if (now.max_bytes_per_second, now.concurrent_sources) == (wanted.max_bytes_per_second, wanted.concurrent_sources) {
        return Ok(());
    }
    // A pace that can't be set is no reason to leave everything else undone.
    if let Err(error) = set(volumes, volume.name(), &status.address, wanted).await {
        tracing::warn!(volume = volume.name(), %error, "rebuilds go on at their former pace");
        findings.look_again_in(LOOK_AGAIN);
    }
    Ok(())
}

async fn set(volumes: &Volumes, volume: &str, address: &str, pace: RebuildPaceSetRequest) -> Result<(), ClientError> {
    let mut engine = volumes.context.clients.engine(address)?;
    let set = engine.rebuild_pace_set(within(LOOK_TIMEOUT, pace)).await;
    set.map_err(rpc(format!("setting the pace of rebuilds of {volume}")))?;
    Ok(())
}

fn wanted(spec: &VolumeSpec, settings: &Settings) -> RebuildPaceSetRequest {
    let or = |own: u64, setting: Name| if own == 0 { settings.number(setting) } else { own };
    let megabytes = or(spec.replica_rebuilding_bandwidth_limit, Name::ReplicaRebuildingBandwidthLimit);
    let sources = or(spec.rebuild_concurrent_sync_limit.into(), Name::ReplicaRebuildConcurrentSyncLimit);
    RebuildPaceSetRequest {
        max_bytes_per_second: megabytes.saturating_mul(MEGABYTE),
        concurrent_sources: u32::try_from(sources).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_volume_comes_before_the_setting() {
        let settings = Settings::default();
        settings.set("replica-rebuilding-bandwidth-limit", r#"{"v1":"200","v2":"0"}"#);
        settings.set("replica-rebuild-concurrent-sync-limit", r#"{"v1":"3"}"#);
        let pace = |bandwidth, sources| {
            let spec = VolumeSpec {
                replica_rebuilding_bandwidth_limit: bandwidth,
                rebuild_concurrent_sync_limit: sources,
                ..VolumeSpec::default()
            };
            let wanted = wanted(&spec, &settings);
            (wanted.max_bytes_per_second >> 20, wanted.concurrent_sources)
        };
        assert_eq!(pace(0, 0), (200, 3));
        assert_eq!(pace(50, 1), (50, 1));
        assert_eq!(pace(u64::MAX, 5).1, 5, "too large a number does not wrap");
    }
}
