//! A volume gets another number of replicas, or a larger size.

use aurochs_api::volume::VolumeState;
use aurochs_api::whatif::{Moment, Question, WhatIf};

use super::picture::Picture;
use super::tally::{Circumstances, Tally, consequences};
use crate::controllers::volume::foresee::{self, Future};
use crate::error::ApiError;
use crate::resources::{Object, Volume};
use crate::routes::volume::{expand, new_volume, rules, update_replica_count};
use crate::settings::Name;

/// `replicaCount`
pub(super) fn replica_count(question: &Question, picture: &Picture) -> Result<WhatIf, ApiError> {
    let volume = picture.volume(&question.volume)?;
    let example = "change=replicaCount&volume=data&replicaCount=2";
    let wished = question.replica_count.ok_or_else(|| super::missing("replicaCount", example))?;
    update_replica_count::check(wished)?;
    rules::strict_local_replicas(volume.spec.data_locality, wished)?;
    let mut scene = picture.scene_now();
    let mut prospect = picture.prospect(volume);
    prospect.wish(wished);
    let mut around = Circumstances::new(wished, when_cared_for(volume, picture));
    let future = prospect.unfold(&mut scene);
    if future.whole_after == 1 && wished == 1 {
        around.notes.push("With one replica the loss of its disk is the loss of its data.".to_owned());
    }
    let nodes = future.nodes_after.len();
    if future.whole_after > nodes {
        around.notes.push(format!("Its {} replicas would be on {nodes} nodes only.", future.whole_after));
    }
    let mut tally = Tally::new(picture);
    tally.add(volume, future, around);
    Ok(tally.done(&scene, |answer| {
        let (name, before) = (volume.name(), volume.spec.number_of_replicas);
        format!("{name} would have {wished} replicas instead of {before}. {}", consequences(answer)).trim().to_owned()
    }))
}

/// A volume that nobody uses is cared for when it is attached next, unless it is rebuilt offline or never had data.
fn when_cared_for(volume: &Object<Volume>, picture: &Picture) -> Moment {
    let offline = volume.spec.offline_rebuilding.or_setting(picture.settings.flag(Name::OfflineReplicaRebuilding));
    let has_data = picture.replicas_of(volume.name()).any(|replica| !replica.spec.last_healthy_at.is_empty());
    let idle = volume.status.state == VolumeState::Detached;
    if idle && has_data && !offline { Moment::WhenAttached } else { Moment::Now }
}

/// `expand`
pub(super) fn expanded(question: &Question, picture: &Picture) -> Result<WhatIf, ApiError> {
    let volume = picture.volume(&question.volume)?;
    if question.size.is_empty() {
        return Err(super::missing("size", "change=expand&volume=data&size=20Gi"));
    }
    let (wished, name) = (new_volume::size(&question.size)?, volume.name());
    let mut scene = picture.scene_now();
    let mut tally = Tally::new(picture);
    if let Err(error) = expand::check_growth(volume, wished) {
        tally.obstacle(super::usage::refusal(volume, &error));
    }
    if wished <= volume.spec.size {
        let text = format!("{name} has {} already: nothing would happen.", volume.spec.size);
        return Ok(tally.done(&scene, |_| text));
    }
    if let Err(error) = rules::filled(volume, "expanding").and_then(|()| rules::settled(volume, "expanding")) {
        tally.obstacle(super::usage::refusal(volume, &error));
    }
    let replicas: Vec<_> = picture.replicas_of(name).cloned().collect();
    let cause = foresee::growth(volume, &replicas, wished, &mut scene);
    // Nothing is copied; who is whole stays it.
    let whole_before = picture.prospect(volume).whole().clone();
    let whole_after = whole_before.len();
    let fits = cause.is_none();
    let future = Future { whole_before, whole_after, causes: cause.into_iter().collect(), ..Future::default() };
    let mut around = Circumstances::new(volume.spec.number_of_replicas, Moment::Now);
    if volume.status.state == VolumeState::Detached && fits {
        around.notes.push("It is attached for the moment in which it grows.".to_owned());
    }
    tally.add(volume, future, around);
    Ok(tally.done(&scene, |_| {
        let verb = if fits { "could grow" } else { "could not grow" };
        format!("{name} {verb} from {} to {wished}; nothing is copied for it.", volume.spec.size)
    }))
}
