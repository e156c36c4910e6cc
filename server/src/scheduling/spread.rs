//! How evenly a volume's replicas are spread: one comparable figure by which balance and the removal of surplus
//! replicas judge. Because every move has to lower it, moves come to an end and never go back.

use std::collections::BTreeMap;

use super::anti_affinity::zone_of;
use super::{DiskView, NodeView};

/// How much is done for an even spread: the volume's own word, or the setting's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    #[default]
    Disabled,
    /// Replicas go to zones and nodes that have none.
    LeastEffort,
    /// Numbers are evened out, and disks under pressure are relieved.
    BestEffort,
}

impl Mode {
    /// Both words as in resources; anything else than a mode in the volume's follows the setting.
    #[must_use]
    pub fn of(volume: &str, setting: &str) -> Self {
        Self::named(volume).or_else(|| Self::named(setting)).unwrap_or_default()
    }

    fn named(word: &str) -> Option<Self> {
        match word {
            "disabled" => Some(Self::Disabled),
            "least-effort" => Some(Self::LeastEffort),
            "best-effort" => Some(Self::BestEffort),
            _ => None,
        }
    }
}

/// A replica that has all data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    pub name: String,
    pub node: String,
    pub disk_uuid: String,
    pub evicting: bool,
}

/// What one replica adds to the figure.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    pub zone: &'a str,
    pub node: &'a str,
    /// Its disk is under pressure.
    pub pressed: bool,
}

impl<'a> Standing<'a> {
    #[must_use]
    pub fn of(holder: &'a Holder, nodes: &'a [NodeView], pressure_percent: u64) -> Self {
        let pressed = disk_of(holder, nodes).is_some_and(|disk| disk.space.is_pressed(pressure_percent));
        Self { zone: zone_of(nodes, &holder.node), node: &holder.node, pressed }
    }
}

/// The disk that a replica is on, while its node is known.
#[must_use]
pub fn disk_of<'a>(holder: &Holder, nodes: &'a [NodeView]) -> Option<&'a DiskView> {
    let node = nodes.iter().find(|node| node.name == holder.node)?;
    node.disks.iter().find(|disk| disk.uuid == holder.disk_uuid)
}

/// 0 is best. Zones come first, then nodes, then disks: a step that betters an earlier one may worsen a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unevenness {
    pub zones: u64,
    pub nodes: u64,
    pub pressed: u64,
}

impl Unevenness {
    #[must_use]
    pub fn of<'a>(mode: Mode, standings: impl IntoIterator<Item = Standing<'a>>) -> Self {
        let (mut zones, mut nodes) = (BTreeMap::new(), BTreeMap::new());
        let (mut count, mut pressed) = (0, 0);
        for standing in standings {
            *zones.entry(standing.zone).or_default() += 1;
            *nodes.entry(standing.node).or_default() += 1;
            count += 1;
            pressed += u64::from(standing.pressed);
        }
        match mode {
            Mode::LeastEffort => Self { zones: crowding(count, &zones), nodes: crowding(count, &nodes), pressed: 0 },
            Mode::Disabled | Mode::BestEffort => Self { zones: squares(&zones), nodes: squares(&nodes), pressed },
        }
    }
}

/// How many replicas are not the only ones where they are.
fn crowding(count: u64, groups: &BTreeMap<&str, u64>) -> u64 {
    count.saturating_sub(groups.len() as u64)
}

/// Lowest when all groups are equal; one that goes from a group of `a` to one of `b` lowers it when `a > b + 1`.
fn squares(groups: &BTreeMap<&str, u64>) -> u64 {
    groups.values().map(|count| count * count).sum()
}
