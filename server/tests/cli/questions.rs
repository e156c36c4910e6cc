//! Questions that change nothing: what there is, what would be, what was.

use serde_json::json;

use crate::world::World;

#[test]
fn what_would_happen_is_told_and_does_not_happen() {
    let world = World::start(3);
    world.volume("data", "--replicas 2");
    world.ok("volume attach data node-1");
    world.ok("volume wait data --for healthy --timeout 2m");
    world.ok("snapshot create data first");
    let holder = world.json("replica ls data")[0]["hostId"].as_str().unwrap().to_owned();
    let disk = world.ok(&format!("disk ls {holder} -o name")).trim().to_owned();

    let told = world.ok(&format!("whatif evict-node {holder}"));
    for words in ["Verdict", "VOLUMES", "REPLICAS", "new replica", "DISKS"] {
        assert!(told.contains(words), "{words} is not in\n{told}");
    }
    for question in [
        format!("whatif drain-node {holder}"),
        format!("whatif remove-node {holder}"),
        format!("whatif evict-disk {holder} {disk}"),
        format!("whatif remove-disk {holder} {disk}"),
        "whatif replica-count data 3".to_owned(),
        "whatif expand data 128Mi".to_owned(),
        "whatif remove-snapshot data first".to_owned(),
        "whatif detach data".to_owned(),
        "whatif remove-volume data".to_owned(),
        "whatif space-limits --over-provisioning 150".to_owned(),
    ] {
        assert!(world.ok(&question).contains("Verdict"), "{question}");
    }
    // More replicas than there are nodes don't fit, and the reason is told.
    let told = world.ok("whatif replica-count data 4");
    assert!(told.contains("incomplete") && told.contains("  next: "), "{told}");
    assert_eq!(world.json("whatif replica-count data 4")["question"]["replicaCount"], 4);
    // It is attached.
    assert!(world.ok("whatif remove-volume data").contains("refused as things are"));
    world.fails(4, "whatif drain-node nowhere");
    // Nothing of it was done.
    let seen = world.json("volume show data");
    assert_eq!((&seen["numberOfReplicas"], &seen["state"]), (&json!(2), &json!("attached")));
    assert!(world.json("node ls").as_array().unwrap().iter().all(|node| node["evictionRequested"] == false));
}

#[test]
fn everything_with_a_name_is_found_and_volumes_have_a_past() {
    let world = World::start(1);
    world.volume("shop-data", "--replicas 1");
    world.ok("volume attach shop-data");
    let mut found = String::new();
    world.until("the volume is found", || {
        found = world.ok("search shop");
        found.contains("shop-data")
    });
    assert!(found.contains("volume"), "{found}");
    assert_eq!(world.json("search shop --kind volume")["results"][0]["name"], "shop-data");
    assert!(world.ok("search nowhere-to-be-found").contains("Nothing has nowhere-to-be-found in it."));
    assert!(world.fails(2, "search shop --kind cloud").contains("volume"));

    world.until("something is known of the volume", || {
        !world.json("sample volume shop-data --step 10")["io"].as_array().unwrap().is_empty()
    });
    assert!(world.ok("sample volume shop-data --step 10").contains("WRITES/s"));
    let disk = world.ok("disk ls node-1 -o name").trim().to_owned();
    world.until("something is known of the disk", || {
        world.ok(&format!("sample disk node-1 {disk}")).contains("AVAILABLE")
    });
    world.fails(4, "sample volume nowhere");
}
