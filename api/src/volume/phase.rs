//! The one word for a volume, and the group it is counted in.

use super::{Robustness, Volume, VolumeState};

/// What a volume is doing, as one badge shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Creating,
    Attaching,
    Detaching,
    Deleting,
    /// Attached, and the engine has not yet said how its replicas are.
    Starting,
    /// Fewer usable replicas than wished, and a new one is being filled.
    Rebuilding,
    Healthy,
    Degraded,
    Faulted,
    Detached,
}

/// The five figures of the dashboard and the chips of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Healthy,
    Degraded,
    InProgress,
    Faulted,
    Detached,
}

impl Phase {
    #[must_use]
    pub fn of(volume: &Volume) -> Self {
        match volume.state {
            VolumeState::Creating => Self::Creating,
            VolumeState::Attaching => Self::Attaching,
            VolumeState::Detaching => Self::Detaching,
            VolumeState::Deleting => Self::Deleting,
            VolumeState::Attached => match volume.robustness {
                Robustness::Healthy => Self::Healthy,
                Robustness::Degraded if volume.rebuild_status.iter().any(|rebuild| rebuild.is_rebuilding) => {
                    Self::Rebuilding
                }
                Robustness::Degraded => Self::Degraded,
                Robustness::Faulted => Self::Faulted,
                Robustness::Unknown => Self::Starting,
            },
            VolumeState::Detached => match volume.robustness {
                Robustness::Faulted => Self::Faulted,
                Robustness::Healthy | Robustness::Degraded | Robustness::Unknown => Self::Detached,
            },
        }
    }

    /// One shape, one group: a volume with a turning arc is counted where the arc is.
    #[must_use]
    pub const fn group(self) -> Group {
        match self {
            Self::Creating | Self::Attaching | Self::Detaching | Self::Deleting | Self::Starting | Self::Rebuilding => {
                Group::InProgress
            }
            Self::Healthy => Group::Healthy,
            Self::Degraded => Group::Degraded,
            Self::Faulted => Group::Faulted,
            Self::Detached => Group::Detached,
        }
    }
}

impl Group {
    pub const ALL: [Self; 5] = [Self::Healthy, Self::Degraded, Self::InProgress, Self::Faulted, Self::Detached];

    /// Volumes per group, in the order of [`Self::ALL`].
    #[must_use]
    pub fn counts<'a>(volumes: impl IntoIterator<Item = &'a Volume>) -> [usize; Self::ALL.len()] {
        let mut counts = [0; Self::ALL.len()];
        for volume in volumes {
            let group = Phase::of(volume).group();
            for (count, other) in counts.iter_mut().zip(Self::ALL) {
                *count += usize::from(other == group);
            }
        }
        counts
    }

    /// The value of `?status=` in the address.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::InProgress => "in-progress",
            Self::Faulted => "faulted",
            Self::Detached => "detached",
        }
    }

    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.key() == key)
    }
}

#[cfg(test)]
mod tests {
    use crate::volume::RebuildStatus;

    use super::*;

    fn volume(state: VolumeState, robustness: Robustness) -> Volume {
        Volume { state, robustness, ..Volume::default() }
    }

    #[test]
    fn a_degraded_volume_that_is_being_repaired_is_in_progress() {
        let mut degraded = volume(VolumeState::Attached, Robustness::Degraded);
        assert_eq!(Phase::of(&degraded).group(), Group::Degraded);
        degraded.rebuild_status.push(RebuildStatus { is_rebuilding: true, ..RebuildStatus::default() }.into());
        assert_eq!(Phase::of(&degraded), Phase::Rebuilding);
        assert_eq!(Phase::of(&degraded).group(), Group::InProgress);
    }

    #[test]
    fn faulted_shows_through_detached() {
        assert_eq!(Phase::of(&volume(VolumeState::Detached, Robustness::Faulted)), Phase::Faulted);
        assert_eq!(Phase::of(&volume(VolumeState::Detached, Robustness::Unknown)), Phase::Detached);
        assert_eq!(Phase::of(&volume(VolumeState::Attached, Robustness::Unknown)), Phase::Starting);
    }

    #[test]
    fn keys_come_back() {
        for group in Group::ALL {
            assert_eq!(Group::from_key(group.key()), Some(group));
        }
        assert_eq!(Group::from_key("no-such-group"), None);
    }
}
