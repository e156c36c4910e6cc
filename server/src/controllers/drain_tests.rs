//! The rule table of behaviour.md §13, policy by policy.

use proptest::prelude::*;

use super::*;

const POLICIES: [Policy; 5] = [
    Policy::BlockIfContainsLastReplica,
    Policy::AllowIfReplicaIsStopped,
    Policy::AlwaysAllow,
    Policy::BlockForEviction,
    Policy::BlockForEvictionIfContainsLastReplica,
];

/// A replica of volume `v` on this node.
fn replica(node: &str, change: impl FnOnce(&mut ReplicaFacts)) -> ReplicaFacts {
    let mut replica = ReplicaFacts {
        name: format!("v-r-{node}"),
        volume: "v".into(),
        node: node.into(),
        runs: true,
        was_used: true,
        is_whole: true,
    };
    change(&mut replica);
    replica
}

fn scene(replicas: Vec<ReplicaFacts>) -> Scene {
    let guarding = ["n2", "n3"].map(str::to_owned).into();
    Scene { attached: BTreeSet::new(), replicas, guarding }
}

/// For each policy in the order of [`POLICIES`]: whether the node may go, and how many replicas have to leave.
#[test]
fn policies() {
    let keep = |_: &mut ReplicaFacts| {};
    let table = [
        ("nothing is there", scene(vec![]), [(true, 0); 5]),
        (
            "the data is whole elsewhere",
            scene(vec![replica("n1", keep), replica("n2", keep)]),
            [(true, 0), (true, 0), (true, 0), (false, 1), (true, 0)],
        ),
        (
            "it is the only replica",
            scene(vec![replica("n1", keep)]),
            [(false, 0), (false, 0), (true, 0), (false, 1), (false, 1)],
        ),
        (
            "it is the only replica, and stopped",
            scene(vec![replica("n1", |replica| replica.runs = false)]),
            [(false, 0), (true, 0), (true, 0), (false, 1), (false, 1)],
        ),
        (
            "the other is not whole",
            scene(vec![replica("n1", keep), replica("n2", |replica| replica.is_whole = false)]),
            [(false, 0), (false, 0), (true, 0), (false, 1), (false, 1)],
        ),
        (
            "the other's node is cordoned too",
            scene(vec![replica("n1", keep), replica("n4", keep)]),
            [(false, 0), (false, 0), (true, 0), (false, 1), (false, 1)],
        ),
        (
            "the other is on the same node",
            scene(vec![replica("n1", keep), replica("n1", |replica| replica.name = "v-r-b".into())]),
            [(false, 0), (false, 0), (true, 0), (false, 2), (false, 2)],
        ),
        (
            "the other belongs to another volume",
            scene(vec![replica("n1", keep), replica("n2", |replica| replica.volume = "w".into())]),
            [(false, 0), (false, 0), (true, 0), (false, 1), (false, 1)],
        ),
        (
            "it never held data",
            scene(vec![replica("n1", |replica| (replica.was_used, replica.is_whole) = (false, false))]),
            [(true, 0), (true, 0), (true, 0), (false, 1), (true, 0)],
        ),
        (
            "it failed, and may be all that is left",
            scene(vec![replica("n1", |replica| replica.is_whole = false)]),
            [(false, 0), (false, 0), (true, 0), (false, 1), (false, 1)],
        ),
        ("the replicas are elsewhere", scene(vec![replica("n2", keep)]), [(true, 0); 5]),
    ];
    for (case, scene, wanted) in table {
        for (policy, wanted) in POLICIES.into_iter().zip(wanted) {
            let verdict = judge(policy, "n1", &scene);
            // What blocks the node is what such a policy moves away.
            let moved = if policy.evicts() { verdict.obstacles.len() } else { 0 };
            assert_eq!((verdict.may_go(), moved), wanted, "{case}, {}", policy.word());
            assert_eq!(cause(policy, "n1", &verdict).is_none(), wanted.0);
        }
    }
}

#[test]
fn an_attached_volume_blocks_under_every_policy() {
    for policy in POLICIES {
        let scene = Scene { attached: ["v".to_owned()].into(), ..Scene::default() };
        let verdict = judge(policy, "n1", &scene);
        assert_eq!(verdict.obstacles, [Obstacle::Attached { volume: "v".into() }]);
        let cause = cause(policy, "n1", &verdict).unwrap();
        assert!(cause.message.contains("1 volume is attached there"), "{cause:?}");
        assert_eq!(cause.severity, Severity::Warning);
        assert_eq!(Policy::of(policy.word()), policy);
    }
    assert_eq!(Policy::of("nonsense"), Policy::BlockIfContainsLastReplica);
}

fn any_replica() -> impl Strategy<Value = ReplicaFacts> {
    (0..3_u8, 1..5_u8, any::<[bool; 3]>()).prop_map(|(volume, node, [runs, was_used, is_whole])| ReplicaFacts {
        name: format!("v{volume}-r-{node}"),
        volume: format!("v{volume}"),
        node: format!("n{node}"),
        runs,
        was_used,
        is_whole: is_whole && was_used,
    })
}

proptest! {
    /// Whatever is allowed under the default policy: every volume that has whole data on the node keeps some that can be
    /// counted on. And a stricter policy never allows what a looser one forbids.
    #[test]
    fn a_node_that_may_go_takes_no_data_along(
        replicas in proptest::collection::vec(any_replica(), 0..8),
        guarding in proptest::collection::btree_set((2..5_u8).prop_map(|node| format!("n{node}")), 0..3),
    ) {
        let scene = Scene { attached: BTreeSet::new(), replicas, guarding };
        let may_go = |policy| judge(policy, "n1", &scene).may_go();
        if may_go(Policy::BlockIfContainsLastReplica) {
            for lost in scene.replicas.iter().filter(|replica| replica.node == "n1" && replica.is_whole) {
                let kept = scene.replicas.iter().any(|other| {
                    other.volume == lost.volume && other.is_whole && other.node != "n1" && scene.guarding.contains(&other.node)
                });
                prop_assert!(kept, "{lost:?}");
            }
        }
        prop_assert_eq!(may_go(Policy::BlockIfContainsLastReplica), may_go(Policy::BlockForEvictionIfContainsLastReplica));
        prop_assert!(!may_go(Policy::BlockForEviction) || may_go(Policy::BlockIfContainsLastReplica));
        prop_assert!(!may_go(Policy::BlockIfContainsLastReplica) || may_go(Policy::AllowIfReplicaIsStopped));
        prop_assert!(may_go(Policy::AlwaysAllow));
    }
}
