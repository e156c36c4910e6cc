//! The rules of behaviour.md §9, and the races between who looks and who makes.

use aurochs_engine::grpc::instance_v1::DiskInspectReply;
use proptest::prelude::*;

use super::*;
use crate::resources::node::{DiskSpec, DiskStatus, NodeSpec};

fn node() -> Object<Node> {
    let disk = DiskSpec { path: "/mnt/d".into(), ..DiskSpec::default() };
    let spec = NodeSpec { disks: [("d".to_owned(), disk)].into(), ..NodeSpec::default() };
    let mut node = Object::<Node>::new("n", spec);
    node.status.disk_status.insert("d".to_owned(), DiskStatus { disk_uuid: "u".into(), ..DiskStatus::default() });
    node
}

fn look(uuid: &str, directories: &[&str]) -> BTreeMap<String, Look> {
    let replica_directories = directories.iter().map(|name| ((*name).to_owned(), 4096)).collect();
    let reply = DiskInspectReply { disk_uuid: uuid.to_owned(), replica_directories, ..DiskInspectReply::default() };
    [("d".to_owned(), Look::Found(Box::new(reply)))].into()
}

fn owned(directories: &[&str], processes: &[&str]) -> Owned {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Owned { directories: set(directories), processes: set(processes) }
}

fn instance(name: &str, kind: InstanceKind, pid: u32) -> Instance {
    Instance { name: name.to_owned(), kind: kind.into(), pid, ..Instance::default() }
}

fn names(found: &BTreeMap<String, Object<Orphan>>, key: &str) -> Vec<String> {
    let mut names: Vec<_> = found.values().filter_map(|orphan| orphan.spec.parameters.get(key).cloned()).collect();
    names.sort();
    names
}

#[test]
fn directories_that_no_replica_names() {
    let node = node();
    for (case, looks, before, after, wanted) in [
        ("owned", look("u", &["v-00000001"]), owned(&["v-00000001"], &[]), owned(&["v-00000001"], &[]), vec![]),
        ("ownerless", look("u", &["v-00000001"]), Owned::default(), Owned::default(), vec!["v-00000001"]),
        (
            "made after the first reading",
            look("u", &["v-00000001"]),
            owned(&[], &[]),
            owned(&["v-00000001"], &[]),
            vec![],
        ),
        ("just being deleted", look("u", &["v-00000001"]), owned(&["v-00000001"], &[]), owned(&[], &[]), vec![]),
        (
            "no replica's name",
            look("u", &["lost+found", "v-1", "v-0000000G", "-00000001", "v"]),
            owned(&[], &[]),
            owned(&[], &[]),
            vec![],
        ),
        ("another disk is mounted", look("w", &["v-00000001"]), owned(&[], &[]), owned(&[], &[]), vec![]),
        ("nothing is mounted", look("", &["v-00000001"]), owned(&[], &[]), owned(&[], &[]), vec![]),
        (
            "a volume's name with dashes",
            look("u", &["pvc-1-2-0a1b2c3d"]),
            owned(&[], &[]),
            owned(&[], &[]),
            vec!["pvc-1-2-0a1b2c3d"],
        ),
    ] {
        let found = orphans(&Seen { node: &node, looks: &looks, instances: &[] }, &before, &after);
        assert_eq!(names(&found, PARAMETER_DATA_NAME), wanted, "{case}");
    }
}

#[test]
fn an_orphans_name_and_parameters() {
    let (node, looks) = (node(), look("u", &["v-00000001"]));
    let seen = Seen { node: &node, looks: &looks, instances: &[] };
    let found = orphans(&seen, &Owned::default(), &Owned::default());
    let orphan = found.values().next().unwrap();
    let digits = orphan.name().strip_prefix("orphan-").unwrap();
    assert!(digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{}", orphan.name());
    let wanted = [
        ("DataName", "v-00000001"),
        ("DiskName", "d"),
        ("DiskPath", "/mnt/d"),
        ("DiskType", "filesystem"),
        ("DiskUUID", "u"),
    ];
    let found_parameters: Vec<_> =
        orphan.spec.parameters.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(found_parameters, wanted);
    assert_eq!(orphan.metadata.labels["longhorn.io/orphan-type"], "replica");
    assert_eq!((orphan.metadata.labels[LABEL_NODE].as_str(), orphan.metadata.labels[LABEL_DISK].as_str()), ("n", "u"));
    let again = orphans(&seen, &Owned::default(), &Owned::default());
    assert!(again.keys().eq(found.keys()), "found again, it is the same");
}

#[test]
fn processes_that_no_resource_names() {
    let (node, looks) = (node(), BTreeMap::new());
    let instances = [
        instance("v-e-0", InstanceKind::Engine, 7),
        instance("v-r-00000001", InstanceKind::Replica, 8),
        instance("w-e-0", InstanceKind::Engine, 9),
    ];
    let seen = Seen { node: &node, looks: &looks, instances: &instances };
    let found = orphans(&seen, &owned(&[], &["w-e-0"]), &Owned::default());
    assert_eq!(names(&found, PARAMETER_INSTANCE_NAME), ["v-e-0", "v-r-00000001"]);
    let kinds: BTreeSet<_> = found.values().map(|orphan| orphan.metadata.labels[LABEL_TYPE].as_str()).collect();
    assert_eq!(kinds, ["engine-instance", "replica-instance"].into());
    let engine = found.values().find(|orphan| orphan.spec.orphan_type == OrphanType::EngineInstance).unwrap();
    assert!(is_listed(&engine.spec, &instances));
    assert!(!is_listed(&engine.spec, &[instance("v-e-0", InstanceKind::Engine, 70)]), "a later process of that name");
}

/// A disk that is away, or another one, tells nothing of the orphans on it.
#[test]
fn an_orphan_is_forgotten_only_when_it_was_seen_to_be_gone() {
    let full = node();
    let found = orphans(
        &Seen { node: &full, looks: &look("u", &["v-00000001"]), instances: &[] },
        &Owned::default(),
        &Owned::default(),
    );
    let orphan = found.into_values().next().unwrap().spec;
    let mut without_disk = node();
    without_disk.spec.disks.clear();
    let silent: BTreeMap<_, _> = [("d".to_owned(), Look::NodeSilent("off".into()))].into();
    let missing: BTreeMap<_, _> = [("d".to_owned(), Look::Failed("no directory".into()))].into();
    for (case, node, looks, gone) in [
        ("the directory is gone", &full, look("u", &[]), true),
        ("the disk is not mounted", &full, look("", &[]), false),
        ("another disk is mounted", &full, look("w", &[]), false),
        ("the node is silent", &full, silent, false),
        ("the path is missing", &full, missing, false),
        ("the disk was not looked at", &full, BTreeMap::new(), false),
        ("the disk was taken away from the node", &without_disk, BTreeMap::new(), true),
    ] {
        assert_eq!(is_gone(&orphan, &Seen { node, looks: &looks, instances: &[] }), gone, "{case}");
    }
}

// === races ===

/// Replicas are made and deleted while somebody looks for orphans and removes them.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The resource first, as the volume controller does it.
    MakeReplica(u8),
    /// The directory next, as its process does it.
    MakeDirectory(u8),
    /// A deletion: the directory first, then the resource.
    DeleteDirectory(u8),
    DeleteReplica(u8),
    /// A deletion while the disk is away: the directory stays.
    LoseReplica(u8),
    ReadBefore,
    LookAtDisk,
    ReadAfter,
    /// A person, or the setting, wants all orphans removed.
    AskAgain,
    Remove,
}

#[derive(Default)]
struct World {
    resources: BTreeSet<String>,
    directories: BTreeSet<String>,
    /// Names that were given: none is given twice.
    used: BTreeSet<u8>,
    before: Option<Owned>,
    looked: Option<BTreeSet<String>>,
    orphans: BTreeSet<String>,
    confirmed: Vec<String>,
    removed: Vec<String>,
}

impl World {
    fn name(number: u8) -> String {
        format!("v-{number:08x}")
    }

    fn owned(&self) -> Owned {
        Owned { directories: self.resources.clone(), processes: BTreeSet::new() }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::MakeReplica(number) if self.used.insert(number) => {
                self.resources.insert(Self::name(number));
            }
            Step::MakeDirectory(number) if self.resources.contains(&Self::name(number)) => {
                self.directories.insert(Self::name(number));
            }
            Step::DeleteDirectory(number) if self.resources.contains(&Self::name(number)) => {
                self.directories.remove(&Self::name(number));
            }
            Step::DeleteReplica(number) if !self.directories.contains(&Self::name(number)) => {
                self.resources.remove(&Self::name(number));
            }
            Step::LoseReplica(number) => {
                self.resources.remove(&Self::name(number));
            }
            Step::ReadBefore => (self.before, self.looked) = (Some(self.owned()), None),
            Step::LookAtDisk if self.before.is_some() => self.looked = Some(self.directories.clone()),
            Step::ReadAfter => self.decide(),
            Step::AskAgain => {
                let owned = self.owned();
                let ownerless = self.orphans.iter().filter(|name| !owned.directories.contains(*name));
                self.confirmed = ownerless.cloned().collect();
            }
            Step::Remove => {
                for name in std::mem::take(&mut self.confirmed) {
                    assert!(!self.resources.contains(&name), "the data of a replica was removed: {name}");
                    self.directories.remove(&name);
                    self.orphans.remove(&name);
                    self.removed.push(name);
                }
            }
            _ => {}
        }
    }

    fn decide(&mut self) {
        let (Some(before), Some(looked)) = (self.before.take(), self.looked.take()) else { return };
        let (node, directories) = (node(), looked.iter().map(String::as_str).collect::<Vec<_>>());
        let looks = look("u", &directories);
        let seen = Seen { node: &node, looks: &looks, instances: &[] };
        let found = names(&orphans(&seen, &before, &self.owned()), PARAMETER_DATA_NAME);
        for name in &found {
            assert!(!self.resources.contains(name), "{name} belongs to a replica");
            assert!(!before.directories.contains(name), "{name} was being deleted");
        }
        self.orphans = found.into_iter().collect();
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    let number = 0..6_u8;
    prop_oneof![
        number.clone().prop_map(Step::MakeReplica),
        number.clone().prop_map(Step::MakeDirectory),
        number.clone().prop_map(Step::DeleteDirectory),
        number.clone().prop_map(Step::DeleteReplica),
        number.prop_map(Step::LoseReplica),
        Just(Step::ReadBefore),
        Just(Step::LookAtDisk),
        Just(Step::ReadAfter),
        Just(Step::AskAgain),
        Just(Step::Remove),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_replica_loses_its_data_and_nothing_ownerless_stays_hidden(
        steps in proptest::collection::vec(any_step(), 0..80),
    ) {
        let mut world = World::default();
        steps.into_iter().for_each(|step| world.step(step));
        // In quiet, one pass finds exactly what is ownerless.
        [Step::ReadBefore, Step::LookAtDisk, Step::ReadAfter].into_iter().for_each(|step| world.step(step));
        let ownerless: BTreeSet<_> = world.directories.difference(&world.resources).cloned().collect();
        prop_assert_eq!(&world.orphans, &ownerless);
        [Step::AskAgain, Step::Remove].into_iter().for_each(|step| world.step(step));
        prop_assert!(world.directories.is_subset(&world.resources));
    }
}
