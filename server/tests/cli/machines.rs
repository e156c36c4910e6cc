//! Nodes, disks, and what runs and lies on them.

use serde_json::json;

use crate::world::{World, row};

#[test]
fn nodes_and_disks_are_shown_and_changed() {
    let world = World::start(2);
    let table = world.ok("node ls");
    assert_eq!(row(&table, "node-1")[1], "schedulable", "{table}");
    world.ok("node cordon node-1");
    assert!(row(&world.ok("node ls --wide"), "node-1")[1].ends_with(",cordoned"));
    world.ok("node set node-1 --scheduling off --tag fast --tag near");
    let seen = world.json("node show node-1");
    assert_eq!((&seen["allowScheduling"], &seen["tags"]), (&json!(false), &json!(["fast", "near"])));
    world.ok("node set node-1 --no-tags");
    world.ok("node uncordon node-1");
    let seen = world.json("node show node-1");
    assert_eq!((&seen["allowScheduling"], &seen["cordoned"], &seen["tags"]), (&json!(true), &json!(false), &json!([])));
    let told = world.ok("node show node-1");
    assert!(told.contains("DISKS") && told.contains("Frontends"), "{told}");

    let path = world.data().join("more");
    std::fs::create_dir(&path).unwrap();
    let added = world.ok(&format!("disk add node-1 more {} --no-scheduling --tag slow", path.display()));
    assert_eq!(added, "Disk more of node-1 is added.\n");
    let table = world.ok("disk ls node-1");
    assert!(table.contains("more") && table.contains("slow"), "{table}");
    assert_eq!(world.json("disk ls").as_array().unwrap().len(), 3);
    world.ok("disk set node-1 more --reserved 1Gi --scheduling on");
    let disk = world.json("disk show node-1 more");
    assert_eq!(
        (&disk["storageReserved"], &disk["allowScheduling"], &disk["tags"]),
        (&json!(1 << 30), &json!(true), &json!(["slow"]))
    );
    assert!(world.ok("disk show node-1 more").contains(&path.display().to_string()));
    assert!(world.fails(4, "disk show node-1 nothing").contains("disk ls node-1"));
    world.ok("disk set node-1 more --scheduling off --eviction on");
    world.ok("disk rm node-1 more --yes");
    assert_eq!(world.ok("disk ls node-1 -o name").lines().count(), 1);

    assert!(world.fails(1, "node rm node-2 --yes").contains("node-2"));
}

#[test]
fn a_node_is_emptied_and_its_processes_and_orphans_are_told() {
    let world = World::start(2);
    world.volume("data", "--replicas 1");
    world.ok("volume attach data node-2");
    world.ok("volume wait data --for healthy --timeout 2m");
    let holder = world.json("replica ls data")[0]["hostId"].as_str().unwrap().to_owned();
    let managers = world.json("instance-manager ls");
    let of = managers.as_array().unwrap().iter().find(|manager| manager["nodeID"] == holder.as_str()).unwrap();
    let name = of["name"].as_str().unwrap();
    let told = world.ok(&format!("instance-manager show {name}"));
    assert!(told.contains("PROCESSES") && told.contains("data-r-"), "{told}");
    assert!(world.ok("instance-manager ls").contains(name));

    let emptied = world.ok(&format!("node evict {holder} --wait --timeout 2m"));
    assert_eq!(emptied, format!("Node {holder} is empty.\n"));
    let replicas = world.json("replica ls data");
    assert!(replicas.as_array().unwrap().iter().all(|replica| replica["hostId"] != holder.as_str()), "{replicas}");
    world.ok(&format!("node uncordon {holder}"));

    // A directory that looks like a replica of a volume that nobody knows.
    let disk = world.json("disk ls node-1")[0]["path"].as_str().unwrap().to_owned();
    let lost = std::path::Path::new(&disk).join("replicas/lost-0a1b2c3d");
    std::fs::create_dir(&lost).unwrap();
    let meta = json!({"Size": 1 << 26, "Head": "volume-head-000.img", "Dirty": false, "Rebuilding": false, "Error": "",
                      "Parent": "", "SectorSize": 512, "BackingFilePath": ""});
    std::fs::write(lost.join("volume.meta"), meta.to_string()).unwrap();
    std::fs::write(lost.join("volume-head-000.img"), "").unwrap();
    world.until("the orphan is found", || world.ok("orphan ls -o name").lines().count() == 1);
    let name = world.ok("orphan ls -o name").trim().to_owned();
    assert!(world.ok("orphan ls").contains("replicas/lost-0a1b2c3d"));
    assert!(world.ok(&format!("orphan show {name}")).contains("replica data"));
    let answer = world.typed(&format!("orphan rm {name}"), "y\n");
    assert!(answer.code == 0 && answer.err.contains("lost-0a1b2c3d"), "{answer:?}");
    world.until("the directory is gone", || !lost.exists());

    let images = world.json("engine-image ls");
    let image = images[0]["name"].as_str().unwrap();
    assert!(world.ok(&format!("engine-image show {image}")).contains("node-1, node-2"));
    assert_eq!(row(&world.ok("engine-image ls"), image)[1], "deployed");
    assert!(world.fails(1, &format!("engine-image rm {image}")).contains("error: "));
    world.run("engine-image create other:1");
    assert!(world.ok("backup-target ls").contains("default"));
    assert!(world.ok("backup-target show default").contains("Polled every"));
}
