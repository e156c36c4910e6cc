//! Which replica goes when there is one more than wished (behaviour.md §3, removal order): an evicting one first, never
//! the only one beside the engine while data locality wants it, then the one without which the rest is spread best.

use super::NodeView;
use super::spread::{Holder, Mode, Standing, Unevenness, disk_of};

/// What the choice is made from. All holders have all data.
#[derive(Clone, Copy, Debug)]
pub struct Surplus<'a> {
    pub holders: &'a [Holder],
    pub nodes: &'a [NodeView],
    /// The figure is the one that balance uses, or what balance made would be the first to go.
    pub mode: Mode,
    pub pressure_percent: u64,
    pub engine_node: &'a str,
    /// Data locality wants a replica beside the engine.
    pub keep_local: bool,
}

/// Name of the one that goes; none when it would be the last.
#[must_use]
pub fn choose<'a>(surplus: &Surplus<'a>) -> Option<&'a str> {
    if surplus.holders.len() < 2 {
        return None;
    }
    let is_local = |holder: &Holder| holder.node == surplus.engine_node;
    let locals = surplus.holders.iter().filter(|holder| is_local(holder) && !holder.evicting).count();
    let needed_here = |holder: &Holder| surplus.keep_local && locals == 1 && is_local(holder) && !holder.evicting;
    let going = surplus.holders.iter().filter(|holder| !needed_here(holder)).min_by_key(|holder| {
        let usable = disk_of(holder, surplus.nodes).map(|disk| disk.space.usable());
        (!holder.evicting, without(surplus, holder), is_local(holder), usable, holder.name.as_str())
    });
    going.map(|holder| holder.name.as_str())
}

fn without(surplus: &Surplus<'_>, going: &Holder) -> Unevenness {
    let rest = surplus.holders.iter().filter(|holder| holder.name != going.name);
    Unevenness::of(surplus.mode, rest.map(|holder| Standing::of(holder, surplus.nodes, surplus.pressure_percent)))
}
