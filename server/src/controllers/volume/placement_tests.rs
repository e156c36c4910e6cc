//! The rules of behaviour.md §2 that turn a volume into a request for a place, and what is told where there is none.

use aurochs_api::condition::ConditionStatus;
use aurochs_api::size::GIB;

use super::*;
use crate::controllers::bench;
use crate::controllers::volume::memory::Memory;
use crate::resources::node::{DiskSpec, DiskStatus, NodeSpec, NodeStatus, READY};
use crate::resources::replica::ReplicaSpec;
use crate::resources::volume::Override;
use crate::resources::{Node, condition};

const OVERRIDES: [Name; 3] =
    [Name::ReplicaSoftAntiAffinity, Name::ReplicaZoneSoftAntiAffinity, Name::ReplicaDiskSoftAntiAffinity];

/// Row "per-volume overrides".
#[test]
fn per_volume_overrides() {
    for (said, setting, expected) in [
        (Override::Ignored, false, false),
        (Override::Ignored, true, true),
        (Override::Enabled, false, true),
        (Override::Enabled, true, true),
        (Override::Disabled, false, false),
        (Override::Disabled, true, false),
    ] {
        for which in 0..OVERRIDES.len() {
            let (settings, mut spec) = (Settings::default(), VolumeSpec::default());
            for (at, name) in OVERRIDES.iter().enumerate() {
                // The other two say the contrary, so that no two can be taken for each other.
                settings.set(name.word(), if (at == which) == setting { "true" } else { "false" });
            }
            match which {
                0 => spec.replica_soft_anti_affinity = said,
                1 => spec.replica_zone_soft_anti_affinity = said,
                _ => spec.replica_disk_soft_anti_affinity = said,
            }
            let asked = request("v", &spec, &settings);
            for (at, found) in [asked.node_soft, asked.zone_soft, asked.disk_soft].into_iter().enumerate() {
                assert_eq!(found, if at == which { expected } else { !setting }, "{said:?} {setting} {which} {at}");
            }
        }
    }
}

/// Row "failed replicas": which places count as taken.
#[test]
fn failed_replicas() {
    // (placed, failed, evicting, retries, replacing, taken and whether it is evicting)
    for (placed, failed, evicting, retries, replacing, expected) in [
        (true, false, false, 0, false, Some(false)),
        (true, false, false, 0, true, Some(false)),
        (true, false, true, 0, false, Some(true)),
        (true, true, false, 0, false, Some(false)),
        (true, true, false, 4, false, Some(false)),
        (true, true, false, 5, false, None),
        (true, true, true, 0, false, None),
        (true, true, false, 0, true, None),
        (false, false, false, 0, false, None),
    ] {
        let word = |told: bool, word: &str| if told { word.to_owned() } else { String::new() };
        let spec = ReplicaSpec {
            node_id: word(placed, "n"),
            disk_path: word(placed, "/d"),
            failed_at: word(failed, "2026-11-01T00:00:00Z"),
            eviction_requested: evicting,
            rebuild_retry_count: retries,
            ..ReplicaSpec::default()
        };
        let replica = Object::<Replica>::new("r", spec);
        let found = taken([&replica].into_iter(), replacing);
        assert_eq!(found.first().map(|taken| taken.evicting), expected, "{:?} {replacing}", replica.spec);
    }
}

/// Rows "best-effort locality" and "strict-local".
#[test]
fn data_locality() {
    use DataLocality::{BestEffort, Disabled, StrictLocal};
    let elsewhere = Wanted::ExtraOn("n3".into());
    // (locality, node of the volume, replica there and whether it is evicting, what for, home, only, preferred)
    for (locality, node, there, wanted, home, only, preferred) in [
        (Disabled, "n1", None, &Wanted::First, None, None, None),
        (BestEffort, "n1", None, &Wanted::First, None, None, Some("n1")),
        (BestEffort, "n1", Some(false), &Wanted::First, None, None, None),
        (BestEffort, "n1", Some(true), &Wanted::First, None, None, Some("n1")),
        (BestEffort, "", None, &Wanted::First, None, None, None),
        (StrictLocal, "n1", None, &Wanted::First, None, Some("n1"), None),
        (StrictLocal, "n1", None, &Wanted::First, Some("n2"), Some("n1"), None),
        (StrictLocal, "", None, &Wanted::InsteadOfFailed, Some("n2"), Some("n2"), None),
        (StrictLocal, "", None, &Wanted::First, None, None, None),
        (Disabled, "n1", None, &elsewhere, None, Some("n3"), None),
        (BestEffort, "n1", None, &elsewhere, None, Some("n3"), None),
    ] {
        let spec = VolumeSpec { data_locality: locality, node_id: node.into(), ..VolumeSpec::default() };
        let taken = there.map(|evicting| Taken { node: "n1".into(), evicting, ..Taken::default() });
        let mut request = Request { taken: taken.into_iter().collect(), ..Request::default() };
        bind(&mut request, &spec, wanted, home);
        let found = (request.only_node.as_deref(), request.preferred_node.as_deref());
        assert_eq!(found, (only, preferred), "{locality:?} {node:?} {there:?} {wanted:?} {home:?}");
    }
}

/// Rows "best-effort locality" and "strict-local": scheduling waits until the volume has a node.
#[test]
fn data_locality_waits_for_a_node() {
    use DataLocality::{BestEffort, Disabled, StrictLocal};
    for (locality, node, expected) in [
        (Disabled, "", false),
        (BestEffort, "", true),
        (StrictLocal, "", true),
        (BestEffort, "n1", false),
        (StrictLocal, "n1", false),
    ] {
        let spec = VolumeSpec { data_locality: locality, node_id: node.into(), ..VolumeSpec::default() };
        assert_eq!(waits_for_a_node(&spec), expected, "{locality:?} {node:?}");
    }
}

/// A store with one node, `n1`, whose disk has so much room.
async fn one_node(gib: u64) -> (Volumes, tempfile::TempDir) {
    let (context, directory) = bench::context(&["n1"]).await;
    let disk = DiskSpec { path: "/d".into(), allow_scheduling: true, ..DiskSpec::default() };
    let disks = [("d".to_owned(), disk)].into();
    let spec = NodeSpec { allow_scheduling: true, disks, ..NodeSpec::default() };
    context.store.create(&Object::<Node>::new("n1", spec)).await.unwrap();
    let change = |status: &mut NodeStatus| {
        condition::set(&mut status.conditions, READY, ConditionStatus::True, "", "");
        let room = ByteSize(gib * GIB);
        let mut disk = DiskStatus {
            disk_uuid: "u".into(),
            storage_maximum: room,
            storage_available: room,
            ..DiskStatus::default()
        };
        condition::set(&mut disk.conditions, READY, ConditionStatus::True, "", "");
        status.disk_status.insert("d".into(), disk);
    };
    context.store.modify_status::<Node>("n1", change).await.unwrap();
    let volumes = Volumes {
        context,
        memory: Memory::default(),
        placing: Default::default(),
        rebuilding: Default::default(),
        copying: Default::default(),
    };
    (volumes, directory)
}

/// Rows "degraded availability", "condition" and "retry": two replicas, and one node, on which one of them has room.
#[tokio::test]
async fn degraded_availability() {
    use DataLocality::{Disabled, StrictLocal};
    // (setting, attached, room for one in GiB, locality, reason of the condition)
    for (setting, attached, gib, locality, expected) in [
        ("true", false, 100, Disabled, None),
        ("true", true, 100, Disabled, Some(REASON_SCHEDULING_FAILURE)),
        ("false", false, 100, Disabled, Some(REASON_SCHEDULING_FAILURE)),
        ("true", false, 1, Disabled, Some(REASON_SCHEDULING_FAILURE)),
        ("true", true, 1, StrictLocal, Some(REASON_LOCAL_SCHEDULING_FAILURE)),
    ] {
        let (volumes, _directory) = one_node(gib).await;
        let name = Name::AllowVolumeCreationWithDegradedAvailability;
        volumes.context.settings.set(name.word(), setting);
        let spec = VolumeSpec {
            size: ByteSize(10 * GIB),
            number_of_replicas: 2,
            node_id: if attached { "n1".into() } else { String::new() },
            data_locality: locality,
            ..VolumeSpec::default()
        };
        let volume = volumes.context.store.create(&Object::<Volume>::new("v", spec)).await.unwrap();
        let mut family = Family::of(&volumes.context, &volume).await.unwrap();
        let mut findings = Findings::default();
        ensure(&volumes, &volume, &mut family, &mut findings).await.unwrap();
        let told = findings.scheduling.as_ref().map(|failure| failure.reason);
        assert_eq!(told, expected, "{setting} {attached} {gib} {locality:?}: {:?}", findings.causes);
        assert!(!findings.causes.is_empty(), "one has no place, whatever the condition says");
        let retry = std::time::Duration::from_secs(30);
        assert_eq!(findings.look_again, Some(retry), "unscheduled replicas are tried again every 30 s");
    }
}
