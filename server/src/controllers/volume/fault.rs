//! A volume without a usable replica: why it is so, what people can do, and when it may try again.
//!
//! The members of the control record are the replicas with every acknowledged write. While there are members and none of
//! them can be used, waiting for one loses nothing: the volume tries again by itself as soon as the files of one are to
//! be seen (`auto-salvage`). Going on without them is a person's decision, see [`super::salvage`].

use aurochs_api::cause::{Cause, CauseCode, CauseDetail, Severity};
use aurochs_engine::grpc::instance_v1::{DiskInspectRequest, Record};

use super::family::Family;
use super::{Findings, Volumes};
use crate::controllers::replica::last_data::is_given_up;
use crate::controllers::{Context, Error};
use crate::instance::{Answering, LOOK_TIMEOUT, record, within};
use crate::resources::volume::{Robustness, VolumeState};
use crate::resources::{Object, Replica, Volume};
use crate::settings::Name;

/// How often a faulted volume looks whether the files of a member are back; a node that comes back wakes it earlier.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_secs(15);

/// Why a faulted volume may try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recovery {
    /// A member can be had again.
    ByItself,
    /// A person ordered a salvage.
    Ordered,
}

/// Whether the replica has every acknowledged write, by the record.
pub(super) fn is_member(replica: &Object<Replica>, record: Option<&Record>) -> bool {
    match record {
        Some(record) => record.members.iter().any(|member| member == replica.name()),
        // Never attached: all are empty and thereby equal.
        None => true,
    }
}

/// Looks whether a faulted, detached volume may try again, and says why not.
pub(super) async fn look(
    volumes: &Volumes,
    volume: &Object<Volume>,
    family: &Family,
    findings: &mut Findings,
) -> Result<Option<Recovery>, Error> {
    if volume.status.robustness != Robustness::Faulted || volume.status.state != VolumeState::Detached {
        return Ok(None);
    }
    let context = &volumes.context;
    let record = record::get(&context.clients, volume.name()).await?;
    let (mut usable, mut lost) = (Vec::new(), Vec::new());
    for replica in members(family, record.as_ref()) {
        match obstacle(context, replica, record.is_some()).await {
            Some(reason) => lost.push((replica, reason)),
            None => usable.push(replica.name()),
        }
    }
    let recovery = recovery(family.engine.pending_salvage().is_some(), !usable.is_empty(), by_itself(context));
    if recovery.is_some() && rested(volumes, volume, findings) {
        return Ok(recovery);
    }
    if !findings.faulted {
        let last_end = volumes.memory.last_end(volume.name());
        findings.causes.push(match usable.is_empty() {
            true => cause(volume, family, &lost, record.as_ref()),
            false => may_work_again(volume, &usable, last_end.as_deref(), by_itself(context)),
        });
    }
    findings.look_again_in(LOOK_AGAIN);
    Ok(None)
}

/// An order counts whatever can be seen; without one, a member has to be there and `auto-salvage` on.
fn recovery(is_ordered: bool, is_member_there: bool, by_itself: bool) -> Option<Recovery> {
    match is_ordered {
        true => Some(Recovery::Ordered),
        false => (is_member_there && by_itself).then_some(Recovery::ByItself),
    }
}

/// There are members whose files can be seen, and still the volume is down: it rests after a failed start, or it is told
/// not to try by itself.
fn may_work_again(volume: &Object<Volume>, usable: &[&str], last_end: Option<&str>, by_itself: bool) -> Cause {
    let (name, usable) = (volume.name(), usable.join(", "));
    let message = match last_end {
        Some(reason) => format!("{name} could not be started: {}.", reason.trim_end_matches('.')),
        None => format!("{name} was faulted, and replicas with all of its data are there again: {usable}."),
    };
    let next_step = if by_itself {
        "It is tried again by itself.".to_owned()
    } else {
        format!("The setting auto-salvage is off: salvage the volume with {usable}; nothing is lost by that.")
    };
    let objects = vec![name.to_owned()];
    Cause {
        code: CauseCode::NoUsableReplica,
        severity: Severity::Error,
        message,
        next_step,
        objects,
        details: Vec::new(),
    }
}

/// The engine ran, and none of the replicas that it was given can be used.
pub(super) fn refused(volume: &Object<Volume>, reason: &str) -> Cause {
    may_work_again(volume, &[], Some(reason), true)
}

/// Whether the pause after the last attempt is over.
fn rested(volumes: &Volumes, volume: &Object<Volume>, findings: &mut Findings) -> bool {
    let pause = volumes.memory.open_pause(volume.name());
    if !pause.is_zero() {
        findings.look_again_in(pause);
    }
    pause.is_zero()
}

/// The setting `auto-salvage`.
fn by_itself(context: &Context) -> bool {
    context.settings.flag(Name::AutoSalvage)
}

/// The replicas that have a place and are members. One that is to go still counts while it has its files: it may be the
/// last with all data.
pub(super) fn members<'a>(family: &'a Family, record: Option<&'a Record>) -> impl Iterator<Item = &'a Object<Replica>> {
    let counts = move |replica: &&Object<Replica>| {
        let goes = is_given_up(replica) || (record.is_none() && replica.is_deleting());
        replica.spec.is_placed() && is_member(replica, record) && !goes
    };
    family.replicas.iter().filter(counts)
}

/// What keeps a stopped replica from being used, as far as that can be seen without starting it.
async fn obstacle(context: &Context, replica: &Object<Replica>, has_files: bool) -> Option<String> {
    let node = &replica.spec.node_id;
    if let Answering::No { since, .. } = context.instances.answering(node) {
        return Some(format!("{node} has not answered since {since}"));
    }
    if !has_files {
        return None;
    }
    let request =
        within(LOOK_TIMEOUT, DiskInspectRequest { path: replica.spec.disk_path.clone(), ..Default::default() });
    let told = match context.clients.manager(node) {
        Ok(mut manager) => manager.disk_inspect(request).await.map_err(|status| status.message().to_owned()),
        Err(error) => Err(error.to_string()),
    };
    match told {
        Ok(disk) if disk.get_ref().replica_directories.contains_key(&replica.spec.data_directory_name) => None,
        Ok(_) => Some(format!("{} on {node} is gone", replica.spec.data_path())),
        Err(why) => Some(format!("its disk {} on {node} can't be looked at: {why}", replica.spec.disk_path)),
    }
}

/// Why the volume is faulted, and what can be done: wait for a member, or go on with a replica that lacks something.
pub(super) fn cause(
    volume: &Object<Volume>,
    family: &Family,
    lost: &[(&Object<Replica>, String)],
    record: Option<&Record>,
) -> Cause {
    let name = volume.name();
    let reasons: Vec<String> = lost.iter().map(|(replica, reason)| format!("{} ({reason})", replica.name())).collect();
    let message = if reasons.is_empty() {
        format!("{name} has no replica that holds all of its data.")
    } else {
        format!("No replica with all data of {name} can be used: {}.", reasons.join("; "))
    };
    let objects = lost.iter().flat_map(|(replica, _)| [replica.spec.node_id.clone(), replica.name().to_owned()]);
    let others: Vec<String> = family.staying().filter(|replica| had_data(replica, record)).map(describe).collect();
    let (code, next_step) = if others.is_empty() {
        let wait = "Bring one of these nodes or disks back; the volume then attaches by itself.";
        (CauseCode::NoUsableReplica, wait.to_owned())
    } else {
        let choose = format!(
            "Bring one of these nodes or disks back, and nothing is lost. If they are lost for ever: salvage goes on \
             with the newest of {}; what was written after it left the volume is lost then.",
            others.join(", ")
        );
        (CauseCode::SalvageNeeded, choose)
    };
    let detail = |(replica, reason): &(&Object<Replica>, String)| CauseDetail {
        node: replica.spec.node_id.clone(),
        rule: "replica".to_owned(),
        text: format!("replica {}: {reason}", replica.name()),
        ..CauseDetail::default()
    };
    let details = lost.iter().map(detail).collect();
    Cause { code, severity: Severity::Error, message, next_step, objects: objects.collect(), details }
}

/// It held all data once and is no member any more.
fn had_data(replica: &Object<Replica>, record: Option<&Record>) -> bool {
    replica.spec.is_placed() && !replica.spec.last_healthy_at.is_empty() && !is_member(replica, record)
}

fn describe(replica: &Object<Replica>) -> String {
    let (name, node, since) = (replica.name(), &replica.spec.node_id, &replica.spec.last_failed_at);
    if since.is_empty() { format!("{name} on {node}") } else { format!("{name} on {node} (failed {since})") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::Engine;
    use crate::resources::replica::ReplicaSpec;

    fn replica(name: &str, last_healthy_at: &str) -> Object<Replica> {
        let spec = ReplicaSpec {
            node_id: format!("node-of-{name}"),
            disk_path: "/d".into(),
            last_healthy_at: last_healthy_at.into(),
            last_failed_at: "2026-01-02T00:00:00Z".into(),
            ..ReplicaSpec::default()
        };
        Object::new(name, spec)
    }

    /// behaviour.md §4, row "auto-salvage".
    #[tokio::test]
    async fn auto_salvage_as_the_setting_says() {
        for (setting, is_ordered, is_member_there, expected) in [
            ("true", false, true, Some(Recovery::ByItself)),
            ("true", false, false, None),
            ("false", false, true, None),
            ("false", true, true, Some(Recovery::Ordered)),
            ("false", true, false, Some(Recovery::Ordered)),
            ("true", true, true, Some(Recovery::Ordered)),
        ] {
            let (context, _directory) = crate::controllers::bench::context(&[]).await;
            context.settings.set(Name::AutoSalvage.word(), setting);
            let found = recovery(is_ordered, is_member_there, by_itself(&context));
            assert_eq!(found, expected, "{setting} {is_ordered} {is_member_there}");
        }
        let volume = Object::<Volume>::new("v", Default::default());
        let off = may_work_again(&volume, &["a"], None, false);
        assert!(off.next_step.contains("auto-salvage is off") && off.next_step.contains("with a"), "{off:?}");
    }

    #[test]
    fn salvage_is_named_only_where_there_is_something_to_go_on_with() {
        let volume = Object::<Volume>::new("v", Default::default());
        let record = Record { members: vec!["a".into()], ..Record::default() };
        let (a, never, once) =
            (replica("a", "2026-01-01T00:00:00Z"), replica("b", ""), replica("c", "2026-01-01T00:00:00Z"));
        let family = |replicas: &[&Object<Replica>]| Family {
            engine: Object::<Engine>::new("v-e-0", Default::default()),
            replicas: replicas.iter().map(|&replica| replica.clone()).collect(),
        };
        let lost = [(&a, "node-of-a has not answered".to_owned())];
        let waits = cause(&volume, &family(&[&a, &never]), &lost, Some(&record));
        assert_eq!(waits.code, CauseCode::NoUsableReplica);
        assert!(waits.message.contains("node-of-a has not answered"), "{}", waits.message);
        let chooses = cause(&volume, &family(&[&a, &never, &once]), &lost, Some(&record));
        assert_eq!(chooses.code, CauseCode::SalvageNeeded);
        assert!(chooses.next_step.contains("c on node-of-c (failed 2026"), "{}", chooses.next_step);
        assert!(!chooses.next_step.contains("b on"), "one that never held data is no choice");
    }
}
