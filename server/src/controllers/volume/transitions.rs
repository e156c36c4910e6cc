//! News of a volume: what changed in a pass, as Longhorn's events. Each is told once, at the change.

use crate::controllers::Context;
use crate::events::{EventType, ObjectRef, Reason};
use crate::resources::volume::{Robustness, VolumeState, VolumeStatus};
use crate::resources::{Object, Volume};

use super::fault::Recovery;

/// What happened besides what the states tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Happened {
    /// The engine ended while the volume was attached.
    pub engine_ended: bool,
    pub recovery: Option<Recovery>,
}

type News = (Reason, EventType, String);

/// Tells what is new in `after`.
pub(super) fn tell(context: &Context, before: &Object<Volume>, after: &VolumeStatus, happened: Happened) {
    for (reason, kind, message) in news(before, after, happened) {
        context.events.emit(&ObjectRef::from(before), reason, kind, &message);
    }
}

fn news(before: &Object<Volume>, after: &VolumeStatus, happened: Happened) -> Vec<News> {
    use EventType::{Normal, Warning};
    let (name, was) = (before.name(), &before.status);
    let mut news = Vec::new();
    if happened.engine_ended && was.state == VolumeState::Attached && after.state != VolumeState::Attached {
        let message =
            format!("Volume {name} lost its engine on {} and is attached again by itself.", was.current_node_id);
        news.push((Reason::DetachedUnexpectedly, Warning, message));
    }
    if was.state != after.state {
        match after.state {
            VolumeState::Attached => {
                let message = format!("Volume {name} has been attached to {}.", after.current_node_id);
                news.push((Reason::Attached, Normal, message));
            }
            VolumeState::Detached => news.push((Reason::Detached, Normal, format!("Volume {name} has been detached."))),
            VolumeState::Creating | VolumeState::Attaching | VolumeState::Detaching | VolumeState::Deleting => {}
        }
    }
    if was.robustness != after.robustness {
        let why = after.causes.first().map(|cause| format!(": {}", cause.message)).unwrap_or_default();
        match after.robustness {
            Robustness::Healthy => news.push((Reason::Healthy, Normal, format!("Volume {name} is healthy."))),
            Robustness::Degraded => news.push((Reason::Degraded, Warning, format!("Volume {name} is degraded{why}"))),
            Robustness::Faulted => news.push((Reason::Faulted, Warning, format!("Volume {name} is faulted{why}"))),
            Robustness::Unknown if after.state == VolumeState::Attached => {
                news.push((Reason::Unknown, Warning, format!("The state of volume {name} is not known{why}")));
            }
            Robustness::Unknown => {}
        }
    }
    if happened.recovery == Some(Recovery::ByItself) {
        let message = format!("Volume {name} can be used again: a replica with all of its data is back.");
        news.push((Reason::AutoSalvaged, Warning, message));
    }
    news
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(was: (VolumeState, Robustness), is: (VolumeState, Robustness), happened: Happened) -> Vec<Reason> {
        let mut volume = Object::<Volume>::new("v", Default::default());
        (volume.status.state, volume.status.robustness) = was;
        let after = VolumeStatus { state: is.0, robustness: is.1, ..VolumeStatus::default() };
        news(&volume, &after, happened).into_iter().map(|(reason, ..)| reason).collect()
    }

    #[test]
    fn each_change_is_told_once() {
        use Robustness::{Degraded, Faulted, Healthy, Unknown};
        use VolumeState::{Attached, Attaching, Detached, Detaching};
        let quiet = Happened::default();
        let ended = Happened { engine_ended: true, ..quiet };
        let rows = [
            ((Attaching, Unknown), (Attached, Unknown), quiet, vec![Reason::Attached]),
            ((Attached, Unknown), (Attached, Healthy), quiet, vec![Reason::Healthy]),
            ((Attached, Healthy), (Attached, Healthy), quiet, vec![]),
            ((Attached, Healthy), (Attached, Degraded), quiet, vec![Reason::Degraded]),
            ((Attached, Healthy), (Attached, Unknown), quiet, vec![Reason::Unknown]),
            ((Attached, Healthy), (Detaching, Unknown), ended, vec![Reason::DetachedUnexpectedly]),
            ((Detaching, Unknown), (Detaching, Unknown), ended, vec![]),
            ((Detaching, Unknown), (Detached, Unknown), quiet, vec![Reason::Detached]),
            ((Attaching, Unknown), (Detaching, Faulted), quiet, vec![Reason::Faulted]),
        ];
        for (was, is, happened, expected) in rows {
            assert_eq!(reasons(was, is, happened), expected, "{was:?} {is:?}");
        }
        let recovered = Happened { recovery: Some(Recovery::ByItself), ..quiet };
        assert_eq!(reasons((Detached, Faulted), (Detached, Unknown), recovered), [Reason::AutoSalvaged]);
    }
}
