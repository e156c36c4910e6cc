//! The rules that Longhorn goes by, section by section as `behaviour.md` has them, each with the tests that hold us to it.
//!
//! The tests themselves stand beside the code, in table form where the rule is a pure choice. Here it is kept that none is
//! lost: a test that is renamed or removed is missed here.

use std::collections::BTreeMap;
use std::path::Path;

/// Rule and its tests: `file: test test; file: test`, the files below this crate.
type Rule = (&'static str, &'static str);

const SECTIONS: &[(&str, &[Rule])] = &[
    ("1 Volume states", VOLUME_STATES),
    ("2 Replica scheduling", SCHEDULING),
    ("2 Disk space formulas", DISK_SPACE),
    ("3 Data locality, replenishment, rebuild, balance", REDUNDANCY),
    ("4 Salvage", SALVAGE),
    ("5 Volume attachment controller", ATTACHMENT),
    ("6 Snapshots", SNAPSHOTS),
    ("7 Backups", BACKUPS),
    ("8 Recurring jobs", RECURRING_JOBS),
    ("9 Orphans", ORPHANS),
    ("12 Engine image", ENGINE_IMAGE),
    ("13 Node drain, node down", NODES),
    ("14 System backup / restore, support bundle", SYSTEM),
    ("15 Space figures", FIGURES),
    ("16 Metrics", METRICS),
    ("17 Events", EVENTS),
    ("Resources and settings", RESOURCES),
];

const VOLUME_STATES: &[Rule] = &[
    (
        "attach/detach state machine",
        "src/controllers/volume/state.rs: the_table_of_longhorn random_events_never_break_the_rules_and_wishes_come_true",
    ),
    (
        "a new volume goes creating, detaching, detached before the first attach",
        "tests/installed/life/whole_life.rs: from_creation_through_losses_to_deletion",
    ),
    (
        "events Attached, Detached, DetachedUnexpectedly",
        "src/controllers/volume/transitions.rs: each_change_is_told_once",
    ),
    ("engine unknown → unknown", "src/controllers/volume/status.rs: by_the_number_of_serving_replicas"),
    (
        "RW ≥ numberOfReplicas → healthy, fewer → degraded",
        "src/controllers/volume/status.rs: by_the_number_of_serving_replicas",
    ),
    (
        "no usable replica → faulted",
        "src/controllers/volume/status.rs: by_the_number_of_serving_replicas a_fault_stays_until_a_replica_can_be_reached; \
         tests/installed/life/salvage.rs: files_that_come_back_lose_nothing_and_files_that_do_not_are_decided_about",
    ),
    (
        "was faulted, usable replicas again → unknown",
        "src/controllers/volume/status.rs: a_fault_stays_until_a_replica_can_be_reached",
    ),
    (
        "detached stays at its last value",
        "src/controllers/volume/status.rs: a_fault_stays_until_a_replica_can_be_reached",
    ),
    ("mode ERR → failedAt, stopped", "tests/installed/life/whole_life.rs: from_creation_through_losses_to_deletion"),
    ("lastDegradedAt set on entry", "src/controllers/volume/status.rs: moments_are_those_of_the_transitions"),
    ("ready for workload", "src/view/ready.rs: ready_for_workload"),
];

const SCHEDULING: &[Rule] = &[
    (
        "node filter",
        "src/scheduling/tests.rs: the_filters only_where_it_is_allowed; \
         src/controllers/volume/cluster.rs: node_filter_engine_image_ready_on_node",
    ),
    ("disk filter", "src/scheduling/tests.rs: the_filters only_where_it_is_allowed"),
    ("tag match", "src/scheduling/filter.rs: tag_match; src/scheduling/tests.rs: tags_select"),
    ("per-volume overrides", "src/controllers/volume/placement_tests.rs: per_volume_overrides"),
    (
        "order tried",
        "src/scheduling/tests.rs: the_order_tried an_evicting_replica_gives_its_node_free_when_no_other_is \
         different_nodes_come_first_even_when_one_node_is_allowed",
    ),
    (
        "node and zone anti-affinity",
        "src/scheduling/tests.rs: never_two_on_one_node_when_soft_anti_affinity_is_off \
         never_two_in_one_zone_when_the_zone_rule_is_hard",
    ),
    ("empty zone label", "src/scheduling/tests.rs: nodes_without_a_zone_are_one_zone"),
    ("disk anti-affinity", "src/scheduling/tests.rs: disks_without_a_replica_win_and_others_need_the_soft_rule"),
    ("failed replicas", "src/controllers/volume/placement_tests.rs: failed_replicas"),
    (
        "best-effort locality",
        "src/scheduling/tests.rs: the_preferred_node_wins_while_it_can_take_it; \
         src/controllers/volume/placement_tests.rs: data_locality data_locality_waits_for_a_node",
    ),
    (
        "strict-local",
        "src/controllers/volume/placement_tests.rs: data_locality data_locality_waits_for_a_node; \
         src/controllers/attachment/bound.rs: strict_local; \
         tests/installed/placing/mod.rs: a_strictly_local_volume_is_used_where_its_data_is",
    ),
    ("final pick", "src/scheduling/score.rs: final_pick_of_one_level final_pick_node_then_disk"),
    ("retry", "src/controllers/volume/placement_tests.rs: degraded_availability"),
    (
        "condition",
        "src/controllers/volume/placement_tests.rs: degraded_availability; \
         tests/installed/life/whole_life.rs: a_replica_without_a_place_says_why_and_the_volume_works_all_the_same",
    ),
    ("degraded availability", "src/controllers/volume/placement_tests.rs: degraded_availability"),
    (
        "reason strings",
        "src/scheduling/tests.rs: the_filters the_refusal_names_numbers_and_the_next_step \
         too_few_nodes_is_said_as_such every_disk_has_its_line",
    ),
];

const DISK_SPACE: &[Rule] = &[
    (
        "schedulable test",
        "src/scheduling/space.rs: both_tests_must_pass; src/scheduling/tests.rs: never_more_promised_than_allowed; \
         src/controllers/volume/cluster.rs: storage_minimal_available_percentage_closes_a_disk",
    ),
    (
        "disk Schedulable condition",
        "src/controllers/node/disk.rs: a_full_disk_takes_nothing_and_says_so \
         schedulable_while_more_than_the_minimum_is_free_and_promises_fit",
    ),
    ("storageScheduled", "src/controllers/volume/cluster.rs: disk_space_formulas_storage_scheduled"),
    ("default disk reserved", "src/scheduling/space.rs: over_provisioning_multiplies_what_is_not_reserved"),
    (
        "expansion check",
        "src/controllers/volume/growth_room.rs: disk_space_formulas_expansion_check \
         disk_space_formulas_expansion_check_of_what_may_be_promised",
    ),
    (
        "disk under pressure, target ok",
        "src/scheduling/space.rs: pressure_begins_at_the_threshold_and_a_target_stays_clear_of_it",
    ),
];

const REDUNDANCY: &[Rule] = &[
    (
        "best-effort",
        "src/controllers/volume/locality.rs: best_effort_one_more_on_the_engines_node; \
         tests/installed/placing/mod.rs: data_follows_its_user_with_best_effort_locality",
    ),
    (
        "strict-local",
        "src/routes/volume/rules.rs: number_of_replicas_strict_local_has_one \
         data_locality_strict_local_not_with_rwx_non_migratable data_locality_to_and_from_strict_local_only_detached; \
         src/routes/volume/new_volume/tests.rs: default_strict_local",
    ),
    (
        "node limit",
        "src/controllers/volume/rebuild.rs: the_node_limit_holds_rebuilds_back; src/controllers/volume/turns.rs: node_limit_what_counts",
    ),
    (
        "reuse of failed replica",
        "src/controllers/volume/rebuild.rs: a_failed_replica_whose_node_answers_is_rebuilt_in_place \
         a_failed_replica_whose_disk_is_not_ready_is_replaced_at_once what_is_written_when_a_replica_is_reused \
         retries_rest_longer_each_time; \
         src/controllers/volume/ready_disks.rs: a_disk_that_is_gone_changed_or_read_only_is_not_ready",
    ),
    (
        "new replica",
        "src/controllers/volume/rebuild.rs: a_silent_node_gets_its_time_and_then_a_replacement check_back_when_the_wait_is_over; \
         tests/installed/placing/mod.rs: a_node_that_stays_away_too_long_is_done_without",
    ),
    (
        "failed replica cleanup",
        "src/controllers/volume/rebuild.rs: five_retries_then_it_is_given_up; \
         src/controllers/volume/stale.rs: stale_replica_timeout a_stale_replica_goes_only_while_another_one_serves; \
         src/controllers/replica/last_data.rs: the_last_one_with_all_data_stays one_member_is_left_in_every_order",
    ),
    (
        "offline rebuild",
        "src/controllers/volume/offline_rebuild.rs: offline_rebuild_of_a_degraded_volume \
         offline_rebuild_of_the_volume_or_the_setting; \
         tests/installed/placing/mod.rs: a_degraded_detached_volume_is_rebuilt_if_it_may",
    ),
    ("rebuild trigger", "src/controllers/volume/redundancy.rs: nothing_is_rebuilt_while_the_volume_grows_or_is_filled"),
    (
        "auto-balance: precedence, least-effort, best-effort",
        "src/scheduling/balance_tests.rs: auto_balance a_disk_under_pressure_is_left_for_another_of_the_node \
         data_locality_and_eviction_come_before_balance repeated_plans_come_to_an_end_and_never_go_back \
         hard_rules_hold_for_every_move; tests/installed/placing/mod.rs: a_new_node_gets_its_share_with_best_effort_balance",
    ),
    ("extra healthy replicas removal order", "src/scheduling/balance_tests.rs: the_removal_order"),
    (
        "eviction",
        "src/controllers/volume/eviction.rs: a_disk_or_a_node_or_a_drain_asks_for_it \
         a_request_lasts_until_the_replaced_one_is_gone; tests/api/nodes.rs: eviction_needs_scheduling_off; \
         tests/installed/placing/mod.rs: a_disk_that_is_emptied_hands_its_replica_to_another_one \
         a_node_that_is_emptied_brings_a_detached_volume_up_and_lets_it_go",
    ),
];

const SALVAGE: &[Rule] = &[
    (
        "auto-salvage",
        "src/controllers/volume/fault.rs: auto_salvage_as_the_setting_says; \
         tests/installed/life/salvage.rs: files_that_come_back_lose_nothing_and_files_that_do_not_are_decided_about",
    ),
    (
        "engine choice",
        "../engine/src/volume/salvage.rs: longhorns_rule_decides_where_no_generation_was_told \
         who_was_a_member_last_goes_before_clocks_and_counters",
    ),
    (
        "manual",
        "tests/api/volume_life.rs: salvage_is_ordered_once_for_a_faulted_volume_and_its_own_replicas; \
         src/controllers/volume/salvage.rs: an_order_is_tied_to_one_record_and_answered_once; \
         src/controllers/engine/start.rs: a_salvage_is_for_the_record_that_the_person_saw",
    ),
];

const ATTACHMENT: &[Rule] = &[
    ("order of a pass", "src/controllers/attachment/mod.rs: order_of_a_pass_cordon_detach_attach_ticket_status"),
    (
        "cordon",
        "src/controllers/attachment/cordon.rs: only_what_was_attached_by_hand_leaves_a_cordoned_node; \
         tests/installed/life/tickets.rs: the_second_waits_and_a_cordoned_node_gives_up_what_was_attached_by_hand",
    ),
    (
        "detach when",
        "src/controllers/attachment/choice.rs: detaches_when_nobody_asks_or_when_parameters_differ attaches_only_what_is_fully_detached",
    ),
    (
        "interruptible",
        "src/controllers/attachment/choice.rs: a_workload_pushes_an_interruptible_ticket_away \
         interruptible_clone_in_copy_completed_awaiting_healthy priorities_of_all_kinds",
    ),
    ("workload tickets", "src/controllers/attachment/choice.rs: priorities_of_all_kinds"),
    (
        "attach when",
        "src/controllers/attachment/choice.rs: attaches_only_what_is_fully_detached the_strongest_ticket_wins_and_ties_go_by_id \
         priorities_of_all_kinds workloads_of_a_shared_volume_do_not_attach_it_themselves",
    ),
    (
        "migratable, >1 CSI tickets while detached",
        "src/controllers/attachment/choice.rs: migratable_with_several_csi_tickets_stays_detached",
    ),
    ("ticket status", "src/controllers/attachment/told.rs: tickets_are_told_why_they_wait"),
];

const SNAPSHOTS: &[Rule] = &[
    (
        "CR life",
        "src/controllers/snapshot/tests.rs: status_from_engine ready_to_use_means_there_and_not_marked_removed; \
         tests/installed/snapshots/resources.rs: a_detached_volume_is_attached_for_its_snapshots_and_let_go no_snapshot_is_taken_twice",
    ),
    ("system snapshots", "src/controllers/snapshot/tests.rs: system_snapshots_get_resources_that_ask_for_nothing"),
    (
        "delete CR",
        "src/controllers/snapshot/tests.rs: delete_marks_then_purges_and_the_parent_of_the_head_stays purges_are_wanted_for_what_can_go; \
         tests/installed/snapshots/resources.rs: a_tree_of_snapshots_is_built_shown_and_pruned",
    ),
    ("lost", "src/controllers/snapshot/tests.rs: what_the_engine_has_no_more"),
    (
        "checksum",
        "src/controllers/snapshot/tests.rs: a_checksum_goes_when_the_parent_was_merged_into_the_file policy_from_volume_or_setting \
         a_checksum_is_what_all_replicas_agree_on; \
         tests/installed/snapshots/integrity.rs: a_flipped_byte_is_found_and_the_replica_is_rebuilt",
    ),
    ("revert", "tests/api/snapshots.rs: mistakes_are_refused_before_and_by_the_engine"),
    (
        "max",
        "src/controllers/volume/limits.rs: condition_too_many_snapshots; \
         src/controllers/volume/snapshot_causes.rs: a_volume_that_may_have_no_further_snapshot_says_so; \
         tests/installed/snapshots/resources.rs: the_limit_holds_for_resources_and_is_told",
    ),
    (
        "chain limit",
        "../engine/src/volume/snapshot_limits.rs: live_snapshots_are_counted_and_removed_ones_are_not \
         the_head_counts_towards_the_size_and_removed_snapshots_do_not",
    ),
    (
        "trim",
        "src/controllers/volume/limits.rs: the_volume_overrides_the_setting_for_trims; \
         tests/installed/snapshots/space.rs: a_trim_frees_what_the_file_system_does_not_use_and_may_take_snapshots_along",
    ),
    (
        "freeze",
        "src/controllers/snapshot/create.rs: freeze_of_the_volume_or_the_setting; \
         ../engine/tests/mounted.rs: a_frozen_snapshot_is_a_clean_file_system a_freeze_ends_by_itself",
    ),
    ("concurrency", "src/controllers/snapshot/purge.rs: concurrency_of_heavy_tasks_per_node"),
];

const BACKUPS: &[Rule] = &[
    (
        "backup states",
        "src/controllers/backup/turn.rs: what_a_backup_waits_for what_never_begins; \
         src/controllers/backup_target/sync.rs: a_record_without_its_end_is_no_backup; \
         tests/installed/backups/whole_life.rs: backups_are_made_restored_and_deleted",
    ),
    ("target URL schemes, credential secret keys", "src/routes/backup_target/check.rs: addresses_and_secrets"),
    (
        "target poll",
        "src/controllers/backup_target/due.rs: read_at_its_times_and_when_asked_for failures_wait_longer_up_to_the_interval; \
         tests/installed/backups/whole_life.rs: a_target_that_fails_is_told_and_backups_wait_for_it",
    ),
    (
        "sync creates/deletes, empty URL",
        "src/controllers/backup_target/sync.rs: only_what_was_seen_in_the_store_goes_with_it; \
         tests/installed/backups/foreign.rs: another_installation_sees_what_is_there_and_what_is_wrong_with_it",
    ),
    (
        "change/delete target",
        "tests/api/backup_targets.rs: the_default_target_is_there_and_says_why_it_is_not_available \
         targets_are_made_changed_and_deleted a_target_that_a_standby_volume_follows_stays_where_it_is",
    ),
    ("detached volume", "tests/installed/backups/whole_life.rs: a_backup_goes_on_when_its_manager_has_ended"),
    ("retry", "src/controllers/backup/memory.rs: attempts_wait_longer_each_time_up_to_a_cap"),
    ("modes", "src/routes/volume/snapshot_backup.rs: modes"),
    ("backup labels", "src/backups/labels.rs: labels_of_backups"),
    ("lastBackup", "src/controllers/backup/last_backup.rs: the_newest_complete_one_of_its_target"),
    ("delete, delete BackupVolume", "tests/installed/backups/whole_life.rs: backups_are_made_restored_and_deleted"),
    (
        "restore",
        "src/controllers/volume/restore/wish.rs: phases; src/controllers/volume/restore/turn.rs: restores_on_a_node_wait_for_their_turn; \
         tests/installed/backups/whole_life.rs: backups_are_made_restored_and_deleted",
    ),
    (
        "DR (standby)",
        "src/controllers/volume/restore/wish.rs: the_newest_of_a_volume_that_is_followed; \
         tests/installed/backups/standby.rs: a_standby_volume_follows_and_is_activated_with_the_newest_backup \
         an_activation_does_not_wait_for_a_target_that_is_gone",
    ),
];

const RECURRING_JOBS: &[Rule] = &[
    ("tasks, names", "src/routes/recurring_job/check.rs: names_and_tasks"),
    ("cron", "src/routes/recurring_job/check.rs: both_dialects_of_cron"),
    (
        "default group",
        "src/controllers/volume/default_group.rs: default_group; tests/api/volume_actions.rs: jobs_and_groups_come_and_go",
    ),
    (
        "selection",
        "src/recurring/choice.rs: selection_by_labels selection_by_state; \
         src/recurring/tests.rs: who_is_left_out_is_told_with_the_reason",
    ),
    ("tasks and what they keep", "src/recurring/retain.rs: retain_by_task"),
    (
        "backup",
        "src/recurring/backup.rs: retain_counts_the_jobs_own_complete_ones full_backups_at_their_interval; \
         tests/installed/backups/recurring.rs: a_job_backs_up_what_is_new_and_keeps_the_newest",
    ),
    ("job restore", "src/recurring/saved.rs: jobs_go_with_a_backup_and_come_back"),
    ("snapshot name", "src/recurring/take.rs: names_begin_with_the_job what_was_asked_for_is_found_again"),
    ("executionCount", "src/recurring/tests.rs: a_run_that_was_cut_off_goes_on"),
    ("only if new data", "src/recurring/new_data.rs: what_lies_above_the_last_snapshot"),
    ("one volume failing", "src/recurring/run.rs: one_volume_failing"),
    ("labels", "src/routes/recurring_job/labels.rs: labels_of_kubernetes"),
    ("concurrency", "src/routes/recurring_job/check.rs: concurrency_of_zero_is_the_default"),
    ("parameters", "src/routes/recurring_job/check.rs: parameters_belong_to_their_task"),
    (
        "system backup name, volume-backup-policy, retain",
        "src/recurring/system_backup.rs: names_and_policies the_newest_complete_ones_stay; \
         tests/installed/system/recurring.rs: a_job_backs_the_system_up_and_keeps_the_newest",
    ),
    ("retain normalisation", "src/routes/recurring_job/check.rs: retain_is_corrected_as_longhorn_does"),
    ("job deletion", "tests/api/recurring_jobs.rs: volumes_forget_a_job_that_is_deleted"),
];

const ORPHANS: &[Rule] = &[
    ("CR types and parameters", "src/controllers/orphan/detect_tests.rs: an_orphans_name_and_parameters"),
    (
        "detection",
        "src/controllers/orphan/detect_tests.rs: directories_that_no_replica_names processes_that_no_resource_names \
         no_replica_loses_its_data_and_nothing_ownerless_stays_hidden",
    ),
    (
        "delete",
        "src/controllers/orphan/cleanable.rs: reasons_why_data_stays; \
         tests/installed/nodes.rs: orphaned_data_is_shown_kept_and_removed an_orphaned_process_is_shown_and_stopped",
    ),
    ("auto deletion", "src/controllers/orphan.rs: auto_deletion_of_the_kinds_in_the_setting_after_the_grace_period"),
];

const ENGINE_IMAGE: &[Rule] = &[
    ("EngineImage states", "src/controllers/engine_image.rs: a_node_that_is_down_does_not_take_the_image_back"),
    (
        "cleanup",
        "src/controllers/engine_image.rs: cleanup_of_an_image_that_nothing_has_had_for_an_hour \
         an_image_that_nobody_has_tells_since_when",
    ),
    (
        "volumes have the default image",
        "src/routes/volume/new_volume/tests.rs: default_engine_image; src/controllers/volume/tests.rs: a_volume_that_is_down_has_the_installed_image",
    ),
];

const NODES: &[Rule] = &[
    (
        "the five drain policies",
        "src/controllers/drain_tests.rs: policies an_attached_volume_blocks_under_every_policy a_node_that_may_go_takes_no_data_along",
    ),
    ("last replicas auto-evicted", "src/controllers/volume/eviction.rs: last_replicas_under_a_drain"),
    ("autoEvicting", "src/controllers/node/status.rs: a_cordoned_node_stays_closed_when_the_last_replica_has_left"),
    (
        "reasons of Ready and Schedulable",
        "src/controllers/node/status.rs: reasons_of_a_node_that_is_not_ready_or_not_schedulable",
    ),
    (
        "disable-scheduling-on-cordoned-node",
        "src/controllers/volume/cluster.rs: cordoned_nodes_are_refused_as_the_setting_says",
    ),
];

const SYSTEM: &[Rule] = &[
    (
        "states, remote path, zip content, target default, restore order and rules",
        "tests/installed/system/whole.rs: a_lost_installation_comes_back_in_a_fresh_one; \
         src/system/contents.rs: resources_have_kubernetes_form a_settings_value_stands_alone; \
         src/yaml/write.rs: the_form_is_kubernetes",
    ),
    (
        "volumeBackupPolicy",
        "src/controllers/system_backup/volumes.rs: what_was_written_since_the_last_backup; \
         tests/installed/system/whole.rs: a_lost_installation_comes_back_in_a_fresh_one",
    ),
    ("labels of what is restored", "src/controllers/system_restore/parts.rs: a_mark_is_of_one_restore"),
    (
        "support bundle: states, name, deletion after the download",
        "src/support_bundle/tests.rs: a_deleted_bundle_leaves_nothing failed_ones_are_kept_as_the_setting_says \
         a_manager_that_ended_half_way_begins_again",
    ),
];

const FIGURES: &[Rule] = &[
    ("dashboard", "../api/src/node.rs: figures_of_longhorns_storage_card"),
    ("node and disk table", "../api/src/node.rs: columns_of_longhorns_node_table"),
];

const METRICS: &[Rule] = &[
    ("names and labels", "src/metrics/tests.rs: names_and_labels_are_longhorns"),
    ("values, one series per state, units", "src/metrics/tests.rs: the_numbers_are_those_of_the_resources"),
    ("work queues", "src/metrics/tests.rs: work_and_answers_are_counted"),
];

const EVENTS: &[Rule] = &[
    (
        "form, namespace, component",
        "tests/api/events.rs: events_have_kubernetes_form; src/view/event.rs: components_are_named_as_longhorns",
    ),
    ("reasons", "src/events/emitted.rs: every_reason_is_emitted_or_it_is_said_why_not"),
];

const RESOURCES: &[Rule] = &[
    (
        "volume defaults set by the mutator",
        "src/routes/volume/new_volume/tests.rs: defaults defaults_follow_the_settings \
         default_clone_mode_full_copy_when_data_source_set default_size_rounded_up_to_2_mib",
    ),
    (
        "volume validation",
        "src/routes/volume/new_volume/tests.rs: rule_number_of_replicas rule_words rule_snapshot_max_count_and_size \
         rule_backup_block_size rule_frontend rule_migratable_only_rwx rule_standby rule_encrypted_larger_than_16_mib \
         rule_data_engine rule_selectors_have_no_empty_tag",
    ),
    (
        "the table of settings",
        "src/settings/tests.rs: the_table_is_longhorns every_default_is_taken every_range_ends_where_it_says \
         settings_that_exclude_each_other; src/settings/readers.rs: what_a_setting_says_is_done",
    ),
    (
        "settings that wait for detached volumes",
        "src/controllers/setting/applied.rs: a_change_waits_until_nothing_is_attached",
    ),
    ("a data engine in use stays on", "tests/api/settings.rs: a_data_engine_in_use_stays_on"),
];

/// The tests in a file: functions with the attribute of one, and those inside `proptest!`.
fn tests_in(file: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let after_attribute = text.split("#[test]").skip(1).chain(text.split("#[tokio::test").skip(1));
    let name = |rest: &str| {
        let (_, name) = rest.split_once("fn ")?;
        Some(name.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>())
    };
    after_attribute.filter_map(name).collect()
}

#[test]
fn every_rule_has_its_tests() {
    let (mut files, mut rules) = (BTreeMap::<&str, Vec<String>>::new(), 0);
    for (section, table) in SECTIONS {
        for (rule, tests) in *table {
            rules += 1;
            assert!(!tests.is_empty(), "§{section}, {rule:?} has no test");
            for group in tests.split(';') {
                let (file, names) = group.trim().split_once(": ").expect("file: tests");
                let known = files.entry(file).or_insert_with(|| tests_in(file));
                for name in names.split_whitespace() {
                    assert!(known.iter().any(|one| one == name), "§{section}, {rule:?}: {file} has no test {name}");
                }
            }
        }
    }
    assert!(rules > 80, "{rules} rules");
}

#[test]
fn rules_are_named_once() {
    for (section, table) in SECTIONS {
        let mut names: Vec<&str> = table.iter().map(|(rule, _)| *rule).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "§{section}: {names:?}");
    }
}
