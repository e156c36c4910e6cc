//! Settings, recurring jobs, and the completion script.

use serde_json::json;

use crate::world::{World, row};

#[test]
fn settings_are_read_set_and_reset() {
    let world = World::start(1);
    assert_eq!(
        world.ok("setting get replica-replenishment-wait-interval"),
        world.json("setting show replica-replenishment-wait-interval")["value"].as_str().unwrap().to_owned() + "\n"
    );
    let default = world.json("setting show replica-replenishment-wait-interval")["definition"]["default"].clone();
    world.ok("setting set replica-replenishment-wait-interval 20");
    let table = world.ok("setting ls --changed");
    assert_eq!(row(&table, "replica-replenishment-wait-interval")[1..3], ["20", "*"], "{table}");
    assert!(!table.contains("concurrent-automatic-engine-upgrade"), "{table}");
    assert!(world.ok("setting show replica-replenishment-wait-interval").contains("(differs from the default)"));
    world.ok("setting reset replica-replenishment-wait-interval");
    assert_eq!(world.json("setting get replica-replenishment-wait-interval")["value"], default);
    assert!(!world.ok("setting ls --changed").contains("replica-replenishment-wait-interval"));
    assert!(world.json("setting ls --category snapshot").as_array().unwrap().len() > 3);
    let refused = world.fails(1, "setting set replica-replenishment-wait-interval many");
    assert!(refused.contains("many"), "{refused}");
    assert!(world.fails(4, "setting get no-such-setting").contains("no-such-setting"));
}

#[test]
fn recurring_jobs_are_made_changed_given_to_volumes_run_and_removed() {
    let world = World::start(1);
    world.volume("data", "--replicas 1");
    world.ok("recurring-job create nightly --task snapshot --cron @daily --retain 3 --group default --label by=cron");
    let table = world.ok("recurring-job ls --wide");
    assert_eq!(row(&table, "nightly")[1..5], ["snapshot", "@daily", "3", "1"], "{table}");
    world.ok("recurring-job set nightly --cron @weekly --retain 5");
    let seen = world.json("recurring-job show nightly");
    assert_eq!((&seen["cron"], &seen["retain"], &seen["groups"]), (&json!("@weekly"), &json!(5), &json!(["default"])));
    assert_eq!((&seen["task"], &seen["labels"]["by"]), (&json!("snapshot"), &json!("cron")));
    assert!(world.ok("recurring-job show nightly").contains("Next runs"));
    world.ok("recurring-job assign nightly data");
    assert!(world.ok("volume show data").contains("nightly"));
    world.ok("volume attach data");
    world.ok("recurring-job run nightly --timeout 2m");
    assert!(world.ok("recurring-job ls").contains("succeeded"));
    world.ok("recurring-job unassign nightly data");
    world.ok("recurring-job set nightly --no-groups");
    assert!(world.fails(1, "recurring-job create wrong --task snapshot --cron often").contains("often"));
    assert!(world.typed("recurring-job rm nightly", "y\n").code == 0);
    assert_eq!(world.ok("recurring-job ls"), "There are no recurring jobs.\n");
}

#[test]
fn completion_scripts_know_the_commands() {
    let world = World::start(1);
    for shell in ["bash", "zsh", "fish"] {
        let script = world.ok(&format!("completion {shell}"));
        assert!(script.contains("recurring-job") && script.contains("no-wait") && script.contains("serve"), "{shell}");
    }
    world.fails(2, "completion emacs");
}
