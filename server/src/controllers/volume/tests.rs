//! Whole passes over a volume, on a store of its own. No process runs: what is asked of one fails.

use super::*;
use crate::controllers::bench;
use crate::resources::engine::{EngineSpec, InstanceState};
use crate::resources::replica::ReplicaSpec;
use crate::resources::volume::{CloneState, VolumeSpec, VolumeStatus};
use crate::resources::volume_attachment::{AttachmentTicketStatus, VolumeAttachmentSpec};
use crate::store::Store;

const NODE: &str = "node-1";

struct Bench {
    volumes: Volumes,
    _directory: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let (context, directory) = bench::context(&[NODE]).await;
        context.instances.replace(NODE, "1", 7, Vec::new());
        let (placing, rebuilding, copying) = (Mutex::default(), Mutex::default(), Mutex::default());
        let volumes = Volumes { context, memory: Memory::default(), placing, rebuilding, copying };
        Self { volumes, _directory: directory }
    }

    fn store(&self) -> &Store {
        &self.volumes.context.store
    }

    /// A volume that is attached, with a replica and an engine in this state, and every ticket of the clone `copy` served.
    async fn attached(&self, name: &str, data_source: &str, engine: InstanceState) {
        let spec = VolumeSpec {
            node_id: NODE.into(),
            number_of_replicas: 1,
            data_source: data_source.into(),
            ..VolumeSpec::default()
        };
        let volume = self.store().create(&Object::<Volume>::new(name, spec)).await.unwrap();
        let change = |status: &mut VolumeStatus| {
            status.state = VolumeState::Attached;
            status.current_node_id = NODE.into();
            if !data_source.is_empty() {
                status.clone_status.state = CloneState::Initiated;
            }
        };
        self.store().modify_status::<Volume>(name, change).await.unwrap();

        let spec = EngineSpec {
            volume_name: name.into(),
            node_id: NODE.into(),
            desire_state: InstanceState::Running,
            ..EngineSpec::default()
        };
        let object = Object::<Engine>::new(family::engine_name(name), spec).owned_by_volume(&volume);
        self.store().create(&object).await.unwrap();
        let replica = format!("{name}-r-1");
        let runs = engine == InstanceState::Running;
        let change = |status: &mut crate::resources::engine::EngineStatus| {
            status.current_state = engine;
            if runs {
                status.address = "unix:/nobody/is/here.sock".into();
                status.replica_mode_map.insert(replica.clone(), aurochs_api::replica::ReplicaMode::ReadWrite);
            }
        };
        self.store().modify_status::<Engine>(object.name(), change).await.unwrap();

        let spec = ReplicaSpec {
            volume_name: name.into(),
            node_id: NODE.into(),
            disk_id: "disk".into(),
            disk_path: "/disk".into(),
            engine_name: object.name().into(),
            desire_state: InstanceState::Running,
            ..ReplicaSpec::default()
        };
        self.store().create(&Object::<Replica>::new(&replica, spec).owned_by_volume(&volume)).await.unwrap();

        let spec = VolumeAttachmentSpec { volume: name.into(), ..VolumeAttachmentSpec::default() };
        let tickets = Object::<VolumeAttachment>::new(name, spec).owned_by_volume(&volume);
        self.store().create(&tickets).await.unwrap();
        let served = |status: &mut crate::resources::volume_attachment::VolumeAttachmentStatus| {
            let told = AttachmentTicketStatus { satisfied: true, ..AttachmentTicketStatus::default() };
            status.attachment_ticket_statuses.insert(clone::purpose("copy").ticket_id(), told);
        };
        self.store().modify_status::<VolumeAttachment>(name, served).await.unwrap();
    }

    async fn volume(&self, name: &str) -> Object<Volume> {
        self.store().get::<Volume>(name).await.unwrap()
    }
}

/// Its ticket is served for as long as the volume says that it is attached.
#[tokio::test]
async fn a_copy_whose_engine_ended_is_taken_down() {
    let bench = Bench::new().await;
    bench.attached("source", "", InstanceState::Running).await;
    bench.attached("copy", "vol://source", InstanceState::Error).await;
    bench.volumes.reconcile("copy").await.unwrap();
    assert_eq!(bench.volume("copy").await.status.state, VolumeState::Detaching);
    let engine = bench.store().get::<Engine>("copy-e-0").await.unwrap();
    assert_eq!(engine.spec.desire_state, InstanceState::Stopped);
}

#[tokio::test]
async fn an_engine_that_does_not_answer_is_told_and_asked_again() {
    let bench = Bench::new().await;
    bench.attached("source", "", InstanceState::Running).await;
    bench.attached("copy", "vol://source", InstanceState::Running).await;
    let next = bench.volumes.reconcile("copy").await.unwrap();
    assert!(matches!(next, Next::After(pause) if pause <= Duration::from_secs(2)), "{next:?}");
    let status = bench.volume("copy").await.status;
    let said: Vec<&str> = status.causes.iter().map(|cause| cause.message.as_str()).collect();
    assert!(said.iter().any(|said| said.contains("asking engine copy-e-0")), "{said:?}");
    assert_eq!(status.clone_status.state, CloneState::Initiated);
}

/// A copy that is given up leaves no snapshot behind on its source; what a user has under that name stays.
#[tokio::test]
async fn a_copy_that_goes_takes_its_snapshot_along() {
    use crate::resources::Snapshot;
    use crate::resources::snapshot::SnapshotSpec;

    for (label, goes) in [("copy", true), ("", false)] {
        let bench = Bench::new().await;
        let store = bench.store();
        bench.attached("source", "", InstanceState::Stopped).await;
        bench.attached("copy", "vol://source", InstanceState::Stopped).await;
        let uid = bench.volume("copy").await.metadata.uid;
        let helper = format!("clone-{}", &uid[..8]);
        let spec = SnapshotSpec { volume: "source".into(), ..SnapshotSpec::default() };
        let source = bench.volume("source").await;
        store.create(&Object::<Snapshot>::new(&helper, spec).owned_by_volume(&source)).await.unwrap();
        let taken = |status: &mut crate::resources::snapshot::SnapshotStatus| {
            status.creation_time = "2026-11-01T00:00:00Z".into();
            status.labels = [("longhorn.io/for-cloning-volume".to_owned(), label.to_owned())].into();
        };
        store.modify_status::<Snapshot>(&helper, taken).await.unwrap();
        store.delete::<Volume>("copy").await.unwrap();
        bench.volumes.reconcile("copy").await.unwrap();
        assert_eq!(store.get::<Snapshot>(&helper).await.unwrap().is_deleting(), goes);
    }
}

/// Both want it attached and neither is a workload: whoever stepped aside would never get to its work.
#[tokio::test]
async fn an_expansion_does_not_step_aside_for_another_controller() {
    use crate::controllers::tickets::{self, Purpose};
    use crate::resources::volume_attachment::{AttacherType, FrontendWish};

    let bench = Bench::new().await;
    bench.attached("v", "", InstanceState::Starting).await;
    let size = aurochs_api::size::ByteSize(1 << 30);
    let (grow, promise) = (
        |volume: &mut Object<Volume>| volume.spec.size = size,
        |replica: &mut Object<Replica>| replica.spec.volume_size = size,
    );
    bench.store().modify::<Volume>("v", grow).await.unwrap();
    bench.store().modify::<Replica>("v-r-1", promise).await.unwrap();
    let mut ids = Vec::new();
    for (kind, expected) in [(AttacherType::SnapshotController, true), (AttacherType::LonghornApi, false)] {
        let other = Purpose { kind, of: "v" };
        tickets::want(bench.store(), "v", &other, NODE, FrontendWish::Either).await.unwrap();
        ids.push(other.ticket_id());
        bench.volumes.reconcile("v").await.unwrap();
        let tickets = bench.store().get::<VolumeAttachment>("v").await.unwrap().spec.attachment_tickets;
        assert_eq!(tickets.contains_key(&expansion::purpose("v").ticket_id()), expected, "{ids:?}");
        assert!(ids.iter().all(|id| tickets.contains_key(id)), "{ids:?}");
    }
}

/// crds.md: image = default engine image. What runs keeps the one that it was started with.
#[tokio::test]
async fn a_volume_that_is_down_has_the_installed_image() {
    use crate::controllers::engine_image::default_image;
    const EARLIER: &str = "aurochs-engine:0.0.1";

    for (state, before, expected) in [
        (InstanceState::Stopped, "", default_image()),
        (InstanceState::Stopped, EARLIER, default_image()),
        (InstanceState::Running, EARLIER, EARLIER.to_owned()),
        (InstanceState::Error, EARLIER, EARLIER.to_owned()),
        (InstanceState::Unknown, EARLIER, EARLIER.to_owned()),
    ] {
        let bench = Bench::new().await;
        bench.attached("v", "", state).await;
        let (of_volume, of_engine) = (
            |volume: &mut Object<Volume>| volume.spec.image = before.into(),
            |engine: &mut Object<Engine>| engine.spec.image = before.into(),
        );
        let volume = bench.store().modify::<Volume>("v", of_volume).await.unwrap();
        bench.store().modify::<Engine>("v-e-0", of_engine).await.unwrap();
        let family = Family::of(&bench.volumes.context, &volume).await.unwrap();
        image::step(&bench.volumes, &volume, &family, &mut Findings::default()).await.unwrap();
        assert_eq!(bench.volume("v").await.spec.image, expected, "{state:?} {before:?}");
        assert_eq!(bench.store().get::<Engine>("v-e-0").await.unwrap().spec.image, expected);
    }
}

#[test]
fn only_the_silence_of_a_process_is_borne() {
    use crate::instance::ClientError;
    use crate::store::StoreError;
    let mut findings = Findings::default();
    let silent = Err(Error::Client(ClientError::Address { address: String::new(), reason: "empty".into() }));
    assert!(findings.bear_silence("v", silent).is_ok());
    assert_eq!(findings.look_again.take(), Some(ASK_AGAIN));
    assert!(findings.bear_silence("v", Ok(())).is_ok());
    let gone = Err(Error::Store(StoreError::NotFound { kind: "Volume", name: "v".into() }));
    assert!(findings.bear_silence("v", gone).is_err());
    assert_eq!(findings.look_again, None);
}
