//! Volumes from their creation to their end.

use serde_json::json;

use crate::world::{World, row};

#[test]
fn a_volume_from_its_creation_to_its_end() {
    let world = World::start(3);
    let created = world.ok("volume create data --size 64Mi --replicas 2 --frontend nbd --recurring-job-group default");
    assert!(created.contains("Volume data is created."), "{created}");
    world.ok("volume wait data --for detached");
    let table = world.ok("volume ls");
    let head = table.lines().next().unwrap();
    assert_eq!(
        head.split_whitespace().collect::<Vec<_>>(),
        ["NAME", "STATE", "ROBUSTNESS", "SIZE", "ACTUAL", "NODE", "REPLICAS", "AGE", "CAUSE"]
    );
    assert_eq!(row(&table, "data")[..7], ["data", "detached", "unknown", "64 MiB", "-", "-", "2/2"]);

    let attached = world.ok("volume attach data node-1 --timeout 2m");
    assert!(attached.starts_with("Volume data is attached to node-1 as nbd"), "{attached}");
    world.ok("volume wait data --for healthy --timeout 2m");
    let table = world.ok("volume ls --wide");
    let shown = row(&table, "data");
    assert_eq!((shown[1], shown[2], shown[5], shown[6]), ("attached", "healthy", "node-1", "2/2"), "{table}");
    assert!(shown.iter().any(|cell| cell.starts_with("nbd+unix://")), "{table}");

    let told = world.ok("volume show data");
    for words in ["attached, healthy", "REPLICAS", "in use", "TO USE IT", "on node-1:", "group default"] {
        assert!(told.contains(words), "{words} is not in\n{told}");
    }
    let seen = world.json("volume show data");
    assert_eq!(
        (&seen["name"], &seen["size"], &seen["state"]),
        (&json!("data"), &json!("67108864"), &json!("attached"))
    );

    // Asked again, it is there already.
    world.ok("volume attach data node-1");
    assert!(world.fails(1, "volume attach data node-2 --no-wait").contains("it is attached to node-1"));

    world.ok(
        "volume set data --replicas 3 --snapshot-max-count 20 --data-locality best-effort --offline-rebuilding enabled",
    );
    let seen = world.json("volume show data");
    assert_eq!((&seen["numberOfReplicas"], &seen["snapshotMaxCount"]), (&json!(3), &json!(20)));
    assert_eq!((&seen["dataLocality"], &seen["offlineRebuilding"]), (&json!("best-effort"), &json!("enabled")));
    world.ok("volume wait data --for healthy --timeout 2m");

    assert_eq!(world.ok("volume expand data 128Mi --timeout 2m"), "Volume data has 128 MiB.\n");
    assert!(world.fails(1, "volume expand data 64Mi").contains("never shrinks"));
    assert_eq!(world.ok("volume expand data 128Mi --timeout 2m"), "Volume data has 128 MiB.\n", "no change");
    assert_eq!(world.json("volume show data")["controllers"][0]["size"], "134217728");
    world.ok("volume wait data --for idle --timeout 2m");

    let replicas = world.json("replica ls data");
    assert_eq!(replicas.as_array().unwrap().len(), 3);
    let names = world.ok("replica ls data -o name");
    assert_eq!(names.lines().count(), 3);
    assert!(world.ok("replica ls").lines().filter(|line| line.contains("in use")).count() == 3);
    let given_up = names.lines().next().unwrap();
    assert_eq!(
        world.ok(&format!("replica rm data {given_up} -y")),
        format!("Replica {given_up} of volume data is given up.\n")
    );
    world.until("another replica has its place", || {
        let names = world.ok("replica ls data -o name");
        names.lines().count() == 3 && !names.contains(given_up)
    });

    assert_eq!(world.ok("volume detach data --timeout 2m"), "Volume data is detached.\n");
    assert_eq!(world.ok("volume detach data"), "Volume data is detached.\n");
    let refused = world.typed("volume rm data", "n\n");
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("128 MiB") && refused.err.contains("nothing brings it back"), "{refused:?}");
    assert_eq!(world.ok("volume ls -o name"), "data\n");
    let deleted = world.typed("volume rm data --timeout 2m", "y\n");
    assert_eq!((deleted.code, deleted.out.as_str()), (0, "Volume data is deleted.\n"), "{deleted:?}");
    assert_eq!(world.ok("volume ls -o name"), "");
    assert!(world.ok("volume ls").contains("aurochs volume create"));
    world.ok("volume wait data --for gone");
}

#[test]
fn copies_force_and_what_is_refused() {
    let world = World::start(2);
    world.volume("source", "--replicas 1");
    world.ok("volume attach source node-1");
    world.volume("copy", "--replicas 1 --from-volume source --timeout 2m");
    assert_eq!(world.json("volume show copy")["cloneStatus"]["sourceVolume"], "source");

    // Two nodes, none named.
    let which = world.fails(2, "volume attach copy");
    assert!(which.contains("node-1, node-2"), "{which}");
    world.ok("volume attach copy node-2 --maintenance");
    assert_eq!(world.json("volume show copy")["disableFrontend"], true);
    let forced = world.typed("volume detach copy --force", "y\n");
    assert_eq!(forced.code, 0, "{forced:?}");

    // Each is the manager's own refusal, with what to do.
    assert!(world.fails(1, "volume cancel-expansion source").contains("source"));
    assert!(world.fails(1, "volume trim source").contains("error: "));
    assert!(world.fails(1, "volume salvage source source-r-1 --yes").contains("not faulted"));
    assert!(world.fails(1, "volume activate source").contains("source"));
    assert!(world.fails(1, "volume upgrade source other:1").contains("other:1"));
    assert!(world.fails(1, "volume expand source 1000Ti").contains("next: "));
    assert!(world.fails(1, "volume create source --size 64Mi").contains("source"));
    let timed_out = world.fails(6, "volume wait source --for detached --timeout 1s");
    assert!(timed_out.contains("not done in time") && timed_out.contains("--timeout"), "{timed_out}");
    // The first change is made, the second refused, and both are told.
    let half = world.fails(1, "volume set source --data-locality best-effort --access-mode rwop");
    assert!(half.contains("1 of the changes"), "{half}");
    assert_eq!(world.json("volume show source")["dataLocality"], "best-effort");
    world.ok("volume rm copy --yes");
}
