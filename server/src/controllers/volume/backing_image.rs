//! The image that a volume stands on: its replicas start when the image is on their disks.

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::condition::ConditionStatus;

use super::family::Family;
use super::{Findings, Volumes};
use crate::controllers::Error;
use crate::resources::engine::InstanceState;
use crate::resources::volume::{
    CONDITION_WAIT_FOR_BACKING_IMAGE, REASON_WAITING_FOR_BACKING_IMAGE, VolumeSpec, VolumeStatus,
};
use crate::resources::{BackingImage, Object, Replica, Volume, condition};
use crate::scheduling::Request;

/// What the replicas that wait for it say; none where none waits.
fn waiting(family: &Family) -> Vec<(&Object<Replica>, &str)> {
    fn told(replica: &Object<Replica>) -> Option<(&Object<Replica>, &str)> {
        let found = condition::find(&replica.status.conditions, CONDITION_WAIT_FOR_BACKING_IMAGE)?;
        (found.status == ConditionStatus::True).then_some((replica, found.message.as_str()))
    }
    let is_wished = |replica: &&Object<Replica>| replica.spec.desire_state == InstanceState::Running;
    family.staying().filter(is_wished).filter_map(told).collect()
}

/// The step of one pass: says what is waited for.
pub(super) async fn step(
    _: &Volumes,
    volume: &Object<Volume>,
    family: &Family,
    findings: &mut Findings,
) -> Result<(), Error> {
    let waiting = waiting(family);
    let Some((first, why)) = waiting.first() else { return Ok(()) };
    let (image, count) = (&volume.spec.backing_image, waiting.len());
    let message = format!(
        "{count} of the replicas of {} can't start: {} on {} says that {why}.",
        volume.name(),
        first.name(),
        first.spec.node_id
    );
    let next_step = format!("They start by themselves; backing image {image} says how far it is.");
    let objects = waiting.iter().map(|(replica, _)| replica.name().to_owned());
    let cause = Cause::new(CauseCode::BackingImageWaiting, Severity::Warning, message, next_step);
    findings.causes.push(cause.about([volume.name().to_owned(), image.clone()].into_iter().chain(objects)));
    Ok(())
}

/// The condition that Longhorn's clients look at.
pub(super) fn tell(status: &mut VolumeStatus, family: &Family) {
    let (value, reason, message) = match waiting(family).first() {
        Some((_, why)) => (ConditionStatus::True, REASON_WAITING_FOR_BACKING_IMAGE, *why),
        None => (ConditionStatus::False, "", ""),
    };
    let is_told = condition::find(&status.conditions, CONDITION_WAIT_FOR_BACKING_IMAGE).is_some();
    if is_told || value == ConditionStatus::True {
        condition::set(&mut status.conditions, CONDITION_WAIT_FOR_BACKING_IMAGE, value, reason, message);
    }
}

/// A replica goes where the image may go, too.
pub(super) fn bind(request: &mut Request, image: Option<&Object<BackingImage>>) {
    let Some(image) = image else { return };
    let add = |to: &mut Vec<String>, tags: &[String]| {
        let missing: Vec<String> = tags.iter().filter(|tag| !to.contains(tag)).cloned().collect();
        to.extend(missing);
    };
    add(&mut request.node_selector, &image.spec.node_selector);
    add(&mut request.disk_selector, &image.spec.disk_selector);
}

/// The image of a volume; none where it stands on none.
pub(super) async fn of(volumes: &Volumes, spec: &VolumeSpec) -> Result<Option<Object<BackingImage>>, Error> {
    match spec.backing_image.as_str() {
        "" => Ok(None),
        image => Ok(volumes.context.store.find::<BackingImage>(image).await?),
    }
}
