//! A volume's status after a pass: state, robustness, conditions and causes.

use aurochs_api::cause::Cause;
use aurochs_api::condition::ConditionStatus;

use super::super::{Context, Error, engine_image};
use super::family::Family;
use super::fault::Recovery;
use super::placement::SchedulingFailure;
use super::state::{EnginePhase, Step};
use super::transitions::{self, Happened};
use super::{Findings, backing_image, causes, expansion};
use crate::resources::volume::{CONDITION_SCHEDULED, Robustness, VolumeState, VolumeStatus};
use crate::resources::{Object, Volume, condition, timestamp};

/// What robustness depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Redundancy {
    pub attached: bool,
    pub engine: EnginePhase,
    /// Replicas that serve; `None` before the engine's first words.
    pub serving: Option<usize>,
    pub wished: usize,
    /// Opening found no replica with all data.
    pub faulted: bool,
    /// A faulted volume may try again.
    pub recovered: bool,
    pub before: Robustness,
}

/// Longhorn's rules (behaviour.md §1), first match wins.
pub(super) const fn robustness(redundancy: &Redundancy) -> Robustness {
    if redundancy.faulted {
        return Robustness::Faulted;
    }
    if redundancy.attached {
        return match (redundancy.engine, redundancy.serving) {
            (EnginePhase::Running, Some(0)) => Robustness::Faulted,
            (EnginePhase::Running, Some(serving)) if serving >= redundancy.wished => Robustness::Healthy,
            (EnginePhase::Running, Some(_)) => Robustness::Degraded,
            _ => Robustness::Unknown,
        };
    }
    match redundancy.before {
        Robustness::Faulted if !redundancy.recovered => Robustness::Faulted,
        _ => Robustness::Unknown,
    }
}

/// Writes the status if the pass changed it.
pub(super) async fn write(
    context: &Context,
    volume: &Object<Volume>,
    family: &Family,
    step: &Step,
    findings: Findings,
    recovery: Option<Recovery>,
) -> Result<(), Error> {
    let modes = &family.engine.status.replica_mode_map;
    let redundancy = Redundancy {
        attached: step.state == VolumeState::Attached,
        engine: EnginePhase::of(family.engine.status.current_state),
        serving: (!modes.is_empty()).then(|| family.serving()),
        wished: usize::try_from(volume.spec.number_of_replicas).unwrap_or(usize::MAX),
        faulted: findings.faulted,
        recovered: recovery.is_some(),
        before: volume.status.robustness,
    };
    let robustness = robustness(&redundancy);
    let Findings { mut causes, scheduling, .. } = findings;
    causes.extend(causes::of_family(volume, family, step.state, &causes));
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.severity));
    let engine_ended = volume.status.state == VolumeState::Attached && redundancy.engine == EnginePhase::Ended;
    let happened = Happened { engine_ended, recovery };
    let now = timestamp::now();
    let change = |status: &mut VolumeStatus| {
        status.owner_id = context.owner.to_string();
        status.state = step.state;
        status.current_node_id.clone_from(&step.current);
        status.frontend_disabled = redundancy.attached && volume.spec.disable_frontend;
        status.current_image = engine_image::named(&volume.spec.image);
        if family.engine.status.actual_size.bytes() > 0 {
            status.actual_size = family.engine.status.actual_size;
        }
        status.expansion_required = volume.spec.size > expansion::present_size(&family.engine);
        note_moments(status, robustness, happened, step.state, &now);
        status.robustness = robustness;
        tell_scheduled(status, scheduling.as_ref());
        backing_image::tell(status, family);
        keep_unless_changed(&mut status.causes, &causes);
    };
    let stored = context.store.modify_status::<Volume>(volume.name(), change).await?;
    transitions::tell(context, volume, &stored.status, happened);
    Ok(())
}

/// When something happened last. `status` has the robustness before the pass.
fn note_moments(status: &mut VolumeStatus, robustness: Robustness, happened: Happened, state: VolumeState, now: &str) {
    if robustness == Robustness::Degraded && status.robustness != Robustness::Degraded {
        now.clone_into(&mut status.last_degraded_at);
    }
    if happened.recovery == Some(Recovery::ByItself) {
        now.clone_into(&mut status.last_auto_salvaged_at);
    }
    // What had the volume mounted holds a device that is gone.
    if happened.recovery.is_some() || (happened.engine_ended && state != VolumeState::Attached) {
        now.clone_into(&mut status.remount_requested_at);
    }
}

fn tell_scheduled(status: &mut VolumeStatus, failure: Option<&SchedulingFailure>) {
    let (value, reason, message) = match failure {
        None => (ConditionStatus::True, "", ""),
        Some(failure) => (ConditionStatus::False, failure.reason, failure.message.as_str()),
    };
    condition::set(&mut status.conditions, CONDITION_SCHEDULED, value, reason, message);
}

fn keep_unless_changed(before: &mut Vec<Cause>, now: &[Cause]) {
    if before != now {
        now.clone_into(before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTACHED: Redundancy = Redundancy {
        attached: true,
        engine: EnginePhase::Running,
        serving: Some(3),
        wished: 3,
        faulted: false,
        recovered: false,
        before: Robustness::Unknown,
    };

    #[test]
    fn by_the_number_of_serving_replicas() {
        assert_eq!(robustness(&ATTACHED), Robustness::Healthy);
        assert_eq!(robustness(&Redundancy { serving: Some(2), ..ATTACHED }), Robustness::Degraded);
        assert_eq!(robustness(&Redundancy { serving: Some(0), ..ATTACHED }), Robustness::Faulted);
        assert_eq!(robustness(&Redundancy { serving: None, ..ATTACHED }), Robustness::Unknown);
        assert_eq!(robustness(&Redundancy { engine: EnginePhase::Unknown, ..ATTACHED }), Robustness::Unknown);
    }

    /// behaviour.md §1, `lastDegradedAt` set on entry; §4, `lastAutoSalvagedAt` and `remountRequestedAt`.
    #[test]
    fn moments_are_those_of_the_transitions() {
        use Robustness::{Degraded, Healthy, Unknown};
        use VolumeState::{Attached, Detaching};
        let (ended, quiet) = (true, false);
        for (before, after, engine_ended, recovery, state, degraded, salvaged, remount) in [
            (Healthy, Degraded, quiet, None, Attached, true, false, false),
            (Degraded, Degraded, quiet, None, Attached, false, false, false),
            (Degraded, Healthy, quiet, None, Attached, false, false, false),
            (Healthy, Unknown, ended, None, Detaching, false, false, true),
            (Healthy, Healthy, ended, None, Attached, false, false, false),
            (Unknown, Unknown, quiet, Some(Recovery::ByItself), Detaching, false, true, true),
            (Unknown, Unknown, quiet, Some(Recovery::Ordered), Detaching, false, false, true),
        ] {
            let mut status = VolumeStatus { robustness: before, ..VolumeStatus::default() };
            note_moments(&mut status, after, Happened { engine_ended, recovery }, state, "now");
            let noted = |moment: &str| moment == "now";
            let found = (
                noted(&status.last_degraded_at),
                noted(&status.last_auto_salvaged_at),
                noted(&status.remount_requested_at),
            );
            assert_eq!(found, (degraded, salvaged, remount), "{before:?} to {after:?}, {recovery:?}, {state:?}");
        }
    }

    #[test]
    fn a_fault_stays_until_a_replica_can_be_reached() {
        let detached = Redundancy { attached: false, serving: None, ..ATTACHED };
        let faulted = Redundancy { before: Robustness::Faulted, ..detached };
        assert_eq!(robustness(&Redundancy { faulted: true, ..detached }), Robustness::Faulted);
        assert_eq!(robustness(&faulted), Robustness::Faulted);
        assert_eq!(robustness(&Redundancy { recovered: true, ..faulted }), Robustness::Unknown);
        assert_eq!(robustness(&Redundancy { before: Robustness::Healthy, ..detached }), Robustness::Unknown);
    }
}
