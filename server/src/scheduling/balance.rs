//! Whether a replica would be better elsewhere (behaviour.md §3, auto-balance): one move at a time, judged by
//! [`Unevenness`].
//!
//! Hysteresis: a move is planned only when it lowers the figure, and the figure of what is there now does not depend on
//! the moves before. So repeated moves reach a state that asks for none, and none is taken back. A disk that relieves
//! another keeps a margin to its own line of pressure.

use super::filter::{self, Candidate};
use super::spread::{Holder, Mode, Standing, Unevenness, disk_of};
use super::{NodeView, Place, Request, Rules, score};

/// What the plan is made from. All holders have all data, and there are as many as wished.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub mode: Mode,
    /// The volume, with `required` set to the bytes that a copy has.
    pub request: &'a Request,
    pub holders: &'a [Holder],
    pub nodes: &'a [NodeView],
    pub rules: &'a Rules,
    /// A disk that is fuller than this part of it is under pressure; 0 for never.
    pub pressure_percent: u64,
    /// The node on which data locality wants a replica.
    pub keep_on: Option<&'a str>,
    /// Where a replica has been made for a move already: is it still good?
    pub only_disk: Option<&'a str>,
}

/// A new replica goes to `to`; when it is whole, `replica` is the one too many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    pub replica: String,
    pub to: Place,
    pub why: Why,
}

/// What gets better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Zones,
    Nodes,
    DiskPressure,
}

impl Why {
    /// The end of a sentence: "… moves to node-4, …".
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Zones => "so that the volume's replicas are spread more evenly over zones",
            Self::Nodes => "so that the volume's replicas are spread more evenly over nodes",
            Self::DiskPressure => "because its disk is nearly full",
        }
    }
}

/// One replica on its way to one disk.
struct Way<'a> {
    holder: &'a Holder,
    target: Candidate<'a>,
    after: Unevenness,
}

/// The best move, if any makes the spread better.
#[must_use]
pub fn plan(asked: &Asked<'_>) -> Option<Move> {
    if asked.mode == Mode::Disabled || asked.holders.iter().any(|holder| holder.evicting) {
        return None;
    }
    let now = Unevenness::of(asked.mode, asked.holders.iter().map(|holder| standing(asked, holder)));
    let ways = ways(asked, now);
    let best = ways.iter().map(|way| way.after).min()?;
    let equals = || ways.iter().filter(|way| way.after == best);
    // Of replicas that could go equally well, the one whose disk has least room.
    let leaving = equals()
        .map(|way| way.holder)
        .min_by_key(|holder| (disk_of(holder, asked.nodes).map(|disk| disk.space.usable()), holder.name.as_str()))?;
    let targets: Vec<Candidate<'_>> =
        equals().filter(|way| way.holder.name == leaving.name).map(|way| way.target).collect();
    let to = Place::at(&score::most_even(&targets, asked.request.size)?);
    Some(Move { replica: leaving.name.clone(), to, why: why(now, best) })
}

fn standing<'a>(asked: &Asked<'a>, holder: &'a Holder) -> Standing<'a> {
    Standing::of(holder, asked.nodes, asked.pressure_percent)
}

fn ways<'a>(asked: &Asked<'a>, now: Unevenness) -> Vec<Way<'a>> {
    let (targets, _) = filter::candidates(asked.request, asked.nodes, asked.rules);
    let meant = |target: &Candidate<'_>| asked.only_disk.is_none_or(|only| only == target.disk.uuid);
    let mut ways = Vec::new();
    for target in targets.into_iter().filter(meant) {
        for holder in asked.holders.iter().filter(|holder| may_move(asked, holder, &target)) {
            let after = unevenness_after(asked, holder, &target);
            let spreads = (after.zones, after.nodes) < (now.zones, now.nodes);
            // Pressure is relieved within the node: it is no reason to send data to another one.
            let relieves = after < now && holder.node == target.node.name;
            if spreads || relieves {
                ways.push(Way { holder, target, after });
            }
        }
    }
    ways
}

/// The rules that have to hold when the move is over; while it is under way there is one replica more.
fn may_move(asked: &Asked<'_>, holder: &Holder, target: &Candidate<'_>) -> bool {
    let (node, disk) = (&target.node.name, &target.disk.uuid);
    let leaves_locality = asked.keep_on.is_some_and(|keep| holder.node == keep && node != keep);
    let others = || asked.holders.iter().filter(|other| other.name != holder.name);
    let zone_of = |name: &str| super::anti_affinity::zone_of(asked.nodes, name);
    let node_is_free = asked.request.node_soft || others().all(|other| &other.node != node);
    let zone_is_free = asked.request.zone_soft || others().all(|other| zone_of(&other.node) != target.node.zone);
    // Two on one disk are never an improvement that is worth a copy.
    let disk_is_free = asked.holders.iter().all(|other| &other.disk_uuid != disk);
    !leaves_locality && node_is_free && zone_is_free && disk_is_free
}

fn unevenness_after(asked: &Asked<'_>, holder: &Holder, target: &Candidate<'_>) -> Unevenness {
    let others = asked.holders.iter().filter(|other| other.name != holder.name);
    let pressed =
        asked.pressure_percent > 0 && !target.disk.space.relieves(asked.request.required, asked.pressure_percent);
    let new = Standing { zone: &target.node.zone, node: &target.node.name, pressed };
    Unevenness::of(asked.mode, others.map(|other| standing(asked, other)).chain([new]))
}

fn why(now: Unevenness, after: Unevenness) -> Why {
    if after.zones < now.zones {
        Why::Zones
    } else if after.nodes < now.nodes {
        Why::Nodes
    } else {
        Why::DiskPressure
    }
}
