//! What happened: jobs, events, changes, and bundles of all of it.

use serde_json::{Value, json};

use crate::world::World;

#[test]
fn jobs_are_listed_shown_followed_and_cancelled() {
    let world = World::start(2);
    world.volume("data", "--replicas 2");
    world.ok("volume attach data node-1");
    world.ok("volume expand data 128Mi --timeout 2m");
    let of_volume = || world.json("job ls --volume data --kind expansion --state succeeded");
    world.until("the expansion is a job that has ended", || !of_volume().as_array().unwrap().is_empty());
    let id = of_volume()[0]["id"].as_str().unwrap().to_owned();
    let table = world.ok("job ls --limit 5 --wide");
    assert!(table.contains("expansion") && table.contains("succeeded"), "{table}");
    let told = world.ok(&format!("job show {id}"));
    assert!(told.contains("Started by") && told.contains("data"), "{told}");
    world.ok(&format!("job logs {id}"));
    assert!(world.json(&format!("job logs {id}")).is_array());
    assert_eq!(world.ok(&format!("job watch {id}")), format!("Job {id} has succeeded.\n"));
    // It has ended.
    assert!(world.fails(1, &format!("job cancel {id}")).contains(&id));
    assert!(world.fails(4, "job watch 99999").contains("99999"));
    world.fails(2, "job ls --kind reboot");
    assert!(world.fails(1, "job ls --from yesterday").contains("yesterday"));
    assert_eq!(world.ok("job ls --volume nothing"), "There are no such jobs.\n");
}

#[test]
fn events_changes_and_support_bundles() {
    let world = World::start(1);
    world.volume("data", "--replicas 1");
    world.ok("volume attach data");
    world.until("an event tells of it", || world.ok("event ls --object data --type normal").contains("data"));
    let events = world.json("event ls --limit 2");
    assert!(events.as_array().unwrap().len() <= 2, "{events}");
    assert!(world.ok("event ls --object nothing").contains("no such events"));

    let changes = world.ok("audit ls --object data --limit 10");
    assert!(changes.contains("attach") && changes.contains("admin"), "{changes}");
    let entry = world.json("audit ls --action attach")[0]["id"].as_str().unwrap().to_owned();
    assert!(world.ok(&format!("audit show {entry}")).contains("/v1/volumes/data"));

    let file = world.data().join("bundle.zip");
    let made = world.ok(&format!("support-bundle create --description slow --file {} --timeout 2m", file.display()));
    assert!(made.contains("bundle.zip"), "{made}");
    assert!(std::fs::read(&file).unwrap().starts_with(b"PK"));
    // What is there is not written over, and the bundle is there still.
    let name = world.ok("support-bundle create -o name").trim().to_owned();
    world.until("the bundle is ready", || world.ok(&format!("support-bundle show {name}")).contains("ready"));
    assert!(world.ok("support-bundle ls").contains("100 %"));
    assert!(world.fails(1, &format!("support-bundle download {name} {}", file.display())).contains("exists"));
    let again = world.data().join("again.zip");
    world.ok(&format!("support-bundle download {name} {}", again.display()));
    assert!(std::fs::metadata(&again).unwrap().len() > 1000);
    let third = world.ok("support-bundle create -o name").trim().to_owned();
    world.until("the third is ready", || world.ok(&format!("support-bundle show {third}")).contains("ready"));
    world.ok(&format!("support-bundle rm {third}"));
    world.until("no bundle is left", || world.json("support-bundle ls") == Value::Array(Vec::new()));
}

#[test]
fn notification_targets_are_made_tried_changed_and_removed() {
    let world = World::start(1);
    // Nobody listens there: the test says so.
    let url = world.data().join("hook.url");
    std::fs::write(&url, "http://127.0.0.1:1/planted-secret\n").unwrap();
    world.ok(&format!(
        "notification-target create team --kind slack --webhook-url-file {} --severity error --job failed",
        url.display()
    ));
    let table = world.ok("notification-target ls");
    assert!(table.contains("slack") && !table.contains("planted-secret"), "{table}");
    let refused = world.run("notification-target test team");
    assert!(refused.code == 1 && !refused.err.contains("planted-secret"), "{refused:?}");
    world.ok("notification-target set team --enabled off --job failed --job interrupted");
    let seen = world.json("notification-target show team");
    assert_eq!((&seen["enabled"], &seen["jobOutcomes"]), (&json!(false), &json!(["failed", "interrupted"])));
    assert_eq!(seen["causeSeverities"], json!(["error"]));
    assert!(world.ok("notification-target show team").contains("jobs that have failed/interrupted"));
    world.ok("notification-target rm team -y");
    assert_eq!(world.ok("notification-target ls"), "There are no notification targets.\n");
}
