//! What can be done with a node and with a disk: the entries of their menus, each with its preview.

use std::sync::Arc;

use aurochs_api::node::{DiskUpdateInput, DiskWish, Node, NodeStatus};
use serde_json::{Value, json};

use super::edit;
use crate::api::{self, ApiError};
use crate::components::dialog::Tone;
use crate::components::menu::Entry;
use crate::live::{Live, Thing};
use crate::model::node_edit::{as_it_is, with_disk};
use crate::notices::Notices;
use crate::panels::ops::acts::{Plan, at_once, danger, encoded, entry};
use crate::role::may_write;
use crate::words::{self, fill, tr};

/// What the entries need of the page.
#[derive(Clone, Copy)]
pub(crate) struct Acts {
    live: Live,
    notices: Notices,
}

impl Acts {
    pub(crate) fn expect() -> Self {
        Self { live: Live::expect(), notices: Notices::expect() }
    }

    /// The menu of a node; empty for viewers.
    pub(crate) fn of_node(self, node: &Arc<Node>) -> Vec<Entry> {
        if !may_write() {
            return Vec::new();
        }
        let name = node.name.clone();
        let down = node.status() == NodeStatus::Down;
        let unreachable = down.then(|| tr("The node is down").to_owned());
        let opened = node.clone();
        let add = node.clone();
        let mut entries = vec![
            entry(tr("Edit node and disks…"), unreachable.clone(), move || edit::ask(&opened, None)),
            entry(tr("Add disk…"), unreachable, move || edit::ask(&add, Some(String::new()))),
            self.scheduling(node),
        ];
        if node.eviction_requested {
            let name = name.clone();
            entries.push(entry(tr("Cancel eviction"), None, move || {
                let done = fill("{} is no longer emptied. Its scheduling is still off.", &[&name]);
                at_once(self.notices, done, put(&name, json!({"evictionRequested": false})));
            }));
        } else {
            let name = name.clone();
            entries.push(entry(tr("Evict…"), None, move || evict(vec![name.clone()])));
        }
        if node.cordoned {
            let name = name.clone();
            entries.push(entry(tr("Uncordon"), None, move || {
                let done = fill("{} takes replicas again.", &[&name]);
                at_once(self.notices, done, put(&name, json!({"cordoned": false})));
            }));
        } else {
            let name = name.clone();
            entries.push(entry(tr("Drain…"), None, move || drain(&name)));
        }
        let stays = (!down).then(|| tr("Only a node that is down can be removed").to_owned());
        entries.push(danger(tr("Remove node…"), stays, move || remove(&name)));
        entries
    }

    fn scheduling(self, node: &Node) -> Entry {
        let (name, on) = (node.name.clone(), node.allow_scheduling);
        let refusal = (!on && node.eviction_requested).then(|| tr("Cancel the eviction first").to_owned());
        let label = if on { tr("Switch scheduling off") } else { tr("Switch scheduling on") };
        entry(label, refusal, move || {
            let done = if on {
                fill("{} takes no new replicas.", &[&name])
            } else {
                fill("{} takes replicas again.", &[&name])
            };
            at_once(self.notices, done, put(&name, json!({"allowScheduling": !on})));
        })
    }

    /// What can be done with several nodes.
    pub(crate) fn of_nodes(self, names: &[String]) -> Vec<Entry> {
        if !may_write() {
            return Vec::new();
        }
        let nodes: Vec<Arc<Node>> = names.iter().filter_map(|name| self.live.nodes.get(name)).collect();
        let all = names.to_vec();
        let (on, off, away) = (all.clone(), all.clone(), all.clone());
        let evicting = nodes.iter().find(|node| node.eviction_requested);
        let evicting = evicting.map(|node| fill("{}: cancel the eviction first", &[&node.name]));
        let alive = nodes.iter().find(|node| node.status() != NodeStatus::Down);
        let alive = alive.map(|node| fill("{} is not down", &[&node.name]));
        vec![
            entry(tr("Switch scheduling on"), evicting, move || self.put_all(&on, true)),
            entry(tr("Switch scheduling off"), None, move || self.put_all(&off, false)),
            entry(tr("Evict…"), None, move || evict(all.clone())),
            danger(tr("Remove…"), alive, move || remove_all(away.clone())),
        ]
    }

    fn put_all(self, names: &[String], on: bool) {
        let names = names.to_vec();
        let done = fill("Scheduling of {} was changed.", &[&words::count(names.len(), "node")]);
        at_once(self.notices, done, async move {
            for name in names {
                put(&name, json!({"allowScheduling": on})).await?;
            }
            Ok(())
        });
    }

    /// The menu of a disk.
    pub(crate) fn of_disk(self, node: &Arc<Node>, disk: &str) -> Vec<Entry> {
        let Some(shape) = node.disks.get(disk).filter(|_| may_write()) else { return Vec::new() };
        let down = node.status() == NodeStatus::Down;
        let unreachable = || down.then(|| tr("The node is down").to_owned());
        let (opened, name) = (node.clone(), disk.to_owned());
        let mut entries =
            vec![entry(tr("Edit disk…"), unreachable(), move || edit::ask(&opened, Some(name.clone())))];
        let (this, name, on) = (node.clone(), disk.to_owned(), shape.allow_scheduling);
        let label = if on { tr("Switch scheduling off") } else { tr("Switch scheduling on") };
        let refusal = (!on && shape.eviction_requested).then(|| tr("Cancel the eviction first").to_owned());
        entries.push(entry(label, refusal, move || {
            let done = fill("Scheduling of {} was changed.", &[&name]);
            at_once(
                self.notices,
                done,
                change_disk(this.clone(), name.clone(), move |wish| wish.allow_scheduling = !on),
            );
        }));
        let (this, name) = (node.clone(), disk.to_owned());
        entries.push(if shape.eviction_requested {
            entry(tr("Cancel eviction"), None, move || {
                let done = fill("{} is no longer emptied. Its scheduling is still off.", &[&name]);
                let change = |wish: &mut DiskWish| wish.eviction_requested = false;
                at_once(self.notices, done, change_disk(this.clone(), name.clone(), change));
            })
        } else {
            entry(tr("Evict…"), None, move || evict_disk(&this, &name))
        });
        let held = shape.scheduled_replica.len();
        let refusal = (held > 0).then(|| fill("It has {}: evict it first", &[&words::count(held, "replica")]));
        let (this, name) = (node.clone(), disk.to_owned());
        entries.push(danger(tr("Remove disk…"), refusal, move || remove_disk(&this, &name)));
        entries
    }
}

fn put(node: &str, body: Value) -> impl Future<Output = Result<Thing, ApiError>> + use<> {
    let address = api::address_of("nodes", node);
    async move { api::put(&address, &body).await }
}

/// Sends all disks of a node.
pub(crate) async fn send_disks(node: &str, input: &DiskUpdateInput) -> Result<(), ApiError> {
    let address = format!("{}?action=diskUpdate", api::address_of("nodes", node));
    let body = serde_json::to_value(input).unwrap_or_default();
    api::post(&address, &body).await.map(drop)
}

async fn change_disk(node: Arc<Node>, disk: String, change: impl FnOnce(&mut DiskWish)) -> Result<(), ApiError> {
    let Some(shape) = node.disks.get(&disk) else { return Ok(()) };
    let mut wish = as_it_is(shape);
    change(&mut wish);
    send_disks(&node.name, &with_disk(&node, &disk, Some(wish))).await
}

fn evict(names: Vec<String>) {
    let one = names.len() == 1;
    let title = if one { fill("Evict {}?", &[&names[0]]) } else { fill("Evict {} nodes?", &[&names.len()]) };
    let plan = Plan {
        title,
        answer: "Evict",
        tone: Tone::Plain,
        consequences: one.then(|| format!("v1/whatif?change=evictNode&node={}", encoded(&names[0]))),
        lines: vec![
            tr("Scheduling is switched off, and all replicas move to other nodes while their volumes stay in use.")
                .to_owned(),
        ],
        typed: None,
        done: if one {
            fill("{} is being emptied.", &[&names[0]])
        } else {
            fill("{} nodes are being emptied.", &[&names.len()])
        },
    };
    plan.ask(move || {
        let names = names.clone();
        async move {
            for name in names {
                put(&name, json!({"allowScheduling": false, "evictionRequested": true})).await?;
            }
            Ok(())
        }
    });
}

fn drain(name: &str) {
    let name = name.to_owned();
    let plan = Plan {
        title: fill("Drain {}?", &[&name]),
        answer: "Drain",
        tone: Tone::Plain,
        consequences: Some(format!("v1/whatif?change=drainNode&node={}", encoded(&name))),
        lines: vec![tr("The node is cordoned: nothing new is placed there, and the setting node-drain-policy says what may stay. Uncordon it when it is back.").to_owned()],
        typed: None,
        done: fill("{} is cordoned.", &[&name]),
    };
    plan.ask(move || {
        let name = name.clone();
        async move { put(&name, json!({"cordoned": true})).await.map(drop) }
    });
}

fn remove(name: &str) {
    let name = name.to_owned();
    let plan = Plan {
        title: fill("Remove {}?", &[&name]),
        answer: "Remove node",
        tone: Tone::Danger,
        consequences: Some(format!("v1/whatif?change=removeNode&node={}", encoded(&name))),
        lines: vec![tr("Only for a node that is lost for good: what is on its disks counts as gone.").to_owned()],
        typed: Some(name.clone()),
        done: fill("{} was removed.", &[&name]),
    };
    plan.ask(move || {
        let address = api::address_of("nodes", &name);
        async move { api::remove(&address).await }
    });
}

fn remove_all(names: Vec<String>) {
    let plan = Plan {
        title: fill("Remove {}?", &[&words::count(names.len(), "node")]),
        answer: "Remove nodes",
        tone: Tone::Danger,
        consequences: None,
        lines: vec![
            tr("Only for nodes that are lost for good: what is on their disks counts as gone.").to_owned(),
            names.join(", "),
        ],
        typed: Some(names.len().to_string()),
        done: fill("Removed: {}.", &[&names.join(", ")]),
    };
    plan.ask(move || {
        let names = names.clone();
        async move {
            for name in names {
                api::remove(&api::address_of("nodes", &name)).await?;
            }
            Ok(())
        }
    });
}

fn evict_disk(node: &Arc<Node>, disk: &str) {
    let (node, disk) = (node.clone(), disk.to_owned());
    let what = format!("{} / {disk}", node.name);
    let plan = Plan {
        title: fill("Evict {}?", &[&what]),
        answer: "Evict",
        tone: Tone::Plain,
        consequences: Some(format!("v1/whatif?change=evictDisk&node={}&disk={}", encoded(&node.name), encoded(&disk))),
        lines: vec![
            tr("Scheduling is switched off, and all replicas move to other disks while their volumes stay in use.")
                .to_owned(),
        ],
        typed: None,
        done: fill("{} is being emptied.", &[&what]),
    };
    plan.ask(move || {
        change_disk(node.clone(), disk.clone(), |wish| {
            wish.allow_scheduling = false;
            wish.eviction_requested = true;
        })
    });
}

fn remove_disk(node: &Arc<Node>, disk: &str) {
    let (node, disk) = (node.clone(), disk.to_owned());
    let what = format!("{} / {disk}", node.name);
    let plan = Plan {
        title: fill("Remove {}?", &[&what]),
        answer: "Remove disk",
        tone: Tone::Danger,
        consequences: Some(format!("v1/whatif?change=removeDisk&node={}&disk={}", encoded(&node.name), encoded(&disk))),
        lines: vec![tr("The node no longer uses it. What is in its directory stays there.").to_owned()],
        typed: None,
        done: fill("{} was removed.", &[&what]),
    };
    plan.ask(move || {
        let (node, disk) = (node.clone(), disk.clone());
        async move {
            let on = node.disks.get(&disk).is_some_and(|shape| shape.allow_scheduling);
            if on {
                change_disk(node.clone(), disk.clone(), |wish| wish.allow_scheduling = false).await?;
            }
            send_disks(&node.name, &with_disk(&node, &disk, None)).await
        }
    });
}
