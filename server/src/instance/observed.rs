//! What the instance managers last told about their processes.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use aurochs_engine::grpc::instance_v1::{Instance, InstanceState as Told};
use tokio::sync::broadcast;

use crate::resources::engine::InstanceState;
use crate::resources::timestamp;

/// Whether a node's instance manager answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answering {
    /// The manager has just started and has not heard from it yet: nothing may be concluded.
    NotYet,
    Yes {
        version: String,
        pid: u32,
    },
    No {
        since: String,
        error: String,
    },
}

/// What is known of one instance.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// Its instance manager does not answer, or has not yet.
    Unknown,
    /// The instance manager has no such process.
    Absent,
    Present(Box<Instance>),
}

impl Seen {
    /// As the word in a resource's status.
    #[must_use]
    pub fn state(&self) -> InstanceState {
        match self {
            Self::Unknown => InstanceState::Unknown,
            Self::Absent => InstanceState::Stopped,
            Self::Present(instance) => state_of(instance),
        }
    }
}

/// The word for what an instance manager told.
#[must_use]
pub fn state_of(instance: &Instance) -> InstanceState {
    match instance.state() {
        Told::Starting => InstanceState::Starting,
        Told::Running => InstanceState::Running,
        Told::Stopping => InstanceState::Stopping,
        Told::Stopped => InstanceState::Stopped,
        Told::Error => InstanceState::Error,
        Told::Unspecified => InstanceState::Unknown,
    }
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstanceChange {
    /// The instance manager of this node began or ceased to answer.
    Node(String),
    /// This instance came, changed or went.
    Instance { node: String, name: String },
}

#[derive(Clone, Debug)]
struct NodeState {
    answering: Answering,
    instances: BTreeMap<String, Instance>,
}

/// Shared view of all nodes' processes; cheap to clone.
#[derive(Clone, Debug)]
pub struct Instances {
    nodes: Arc<Mutex<BTreeMap<String, NodeState>>>,
    changes: broadcast::Sender<InstanceChange>,
}

/// A receiver that lags more than this looks at everything again.
const CHANGES_BUFFERED: usize = 1024;

impl Default for Instances {
    /// Of no node.
    fn default() -> Self {
        Self::new([""; 0])
    }
}

impl Instances {
    pub fn new(nodes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let empty = || NodeState { answering: Answering::NotYet, instances: BTreeMap::new() };
        let nodes = nodes.into_iter().map(|name| (name.into(), empty())).collect();
        Self { nodes: Arc::new(Mutex::new(nodes)), changes: broadcast::Sender::new(CHANGES_BUFFERED) }
    }

    /// A node that was not known: nothing may be concluded of it before it is heard. True if it was not.
    pub fn bring(&self, node: &str) -> bool {
        let is_new = self.with(|nodes| match nodes.entry(node.to_owned()) {
            Entry::Vacant(place) => {
                place.insert(NodeState { answering: Answering::NotYet, instances: BTreeMap::new() });
                true
            }
            Entry::Occupied(_) => false,
        });
        if is_new {
            self.announce(vec![InstanceChange::Node(node.to_owned())]);
        }
        is_new
    }

    /// A node that is there no more.
    pub fn take_away(&self, node: &str) {
        if self.with(|nodes| nodes.remove(node)).is_some() {
            self.announce(vec![InstanceChange::Node(node.to_owned())]);
        }
    }

    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<InstanceChange> {
        self.changes.subscribe()
    }

    #[must_use]
    pub fn answering(&self, node: &str) -> Answering {
        let unknown =
            || Answering::No { since: String::new(), error: format!("there is no instance manager for {node}") };
        self.with(|nodes| nodes.get(node).map_or_else(unknown, |state| state.answering.clone()))
    }

    #[must_use]
    pub fn answers(&self, node: &str) -> bool {
        matches!(self.answering(node), Answering::Yes { .. })
    }

    #[must_use]
    pub fn see(&self, node: &str, name: &str) -> Seen {
        self.with(|nodes| match nodes.get(node) {
            Some(state) if matches!(state.answering, Answering::Yes { .. }) => match state.instances.get(name) {
                Some(instance) => Seen::Present(Box::new(instance.clone())),
                None => Seen::Absent,
            },
            _ => Seen::Unknown,
        })
    }

    /// All instances of a node, by name.
    #[must_use]
    pub fn of_node(&self, node: &str) -> Vec<Instance> {
        self.with(|nodes| nodes.get(node).map(|state| state.instances.values().cloned().collect()).unwrap_or_default())
    }

    /// Takes over a whole list.
    pub fn replace(&self, node: &str, version: &str, pid: u32, list: Vec<Instance>) {
        let next: BTreeMap<String, Instance> =
            list.into_iter().map(|instance| (instance.name.clone(), instance)).collect();
        let answering = Answering::Yes { version: version.to_owned(), pid };
        let mut events = Vec::new();
        self.with(|nodes| {
            let Some(state) = nodes.get_mut(node) else { return };
            // What is told again after a silence is news, be it the same: it was unknown meanwhile.
            let heard_again = state.answering != answering;
            if heard_again {
                events.push(InstanceChange::Node(node.to_owned()));
            }
            let names: BTreeSet<&String> = state.instances.keys().chain(next.keys()).collect();
            for name in names {
                if heard_again || state.instances.get(name) != next.get(name) {
                    events.push(InstanceChange::Instance { node: node.to_owned(), name: name.clone() });
                }
            }
            *state = NodeState { answering, instances: next };
        });
        self.announce(events);
    }

    /// Takes over one instance, as a start answered it: the next list may still be on its way. When a list has told of
    /// the same process already, the list is the younger news. Answers with what holds now.
    pub fn put(&self, node: &str, instance: Instance) -> Instance {
        let event = InstanceChange::Instance { node: node.to_owned(), name: instance.name.clone() };
        let now = self.with(|nodes| {
            let Some(state) = nodes.get_mut(node) else { return instance };
            match state.instances.get(&instance.name) {
                Some(listed) if listed.pid == instance.pid => listed.clone(),
                _ => {
                    state.instances.insert(instance.name.clone(), instance.clone());
                    instance
                }
            }
        });
        self.announce(vec![event]);
        now
    }

    /// Notes that an instance was stopped.
    pub fn forget(&self, node: &str, name: &str) {
        let event = InstanceChange::Instance { node: node.to_owned(), name: name.to_owned() };
        self.with(|nodes| {
            if let Some(state) = nodes.get_mut(node) {
                state.instances.remove(name);
            }
        });
        self.announce(vec![event]);
    }

    /// Notes that the node's instance manager does not answer. Its processes may well be running.
    pub fn lost(&self, node: &str, error: &str) {
        let mut events = Vec::new();
        self.with(|nodes| {
            let Some(state) = nodes.get_mut(node) else { return };
            let since = match &state.answering {
                Answering::No { since, .. } => since.clone(),
                Answering::NotYet | Answering::Yes { .. } => {
                    events.push(InstanceChange::Node(node.to_owned()));
                    let names = state.instances.keys().cloned();
                    events.extend(names.map(|name| InstanceChange::Instance { node: node.to_owned(), name }));
                    timestamp::now()
                }
            };
            state.answering = Answering::No { since, error: error.to_owned() };
        });
        self.announce(events);
    }

    fn with<T>(&self, use_nodes: impl FnOnce(&mut BTreeMap<String, NodeState>) -> T) -> T {
        use_nodes(&mut self.nodes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn announce(&self, events: Vec<InstanceChange>) {
        for event in events {
            // Nobody listening is fine: controllers look at the state, not at the events.
            let _ = self.changes.send(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(name: &str, state: Told) -> Instance {
        Instance { name: name.to_owned(), state: state.into(), ..Instance::default() }
    }

    #[test]
    fn a_node_that_was_not_heard_tells_nothing_about_its_processes() {
        let instances = Instances::new(["node-1"]);
        assert_eq!(instances.see("node-1", "a").state(), InstanceState::Unknown);
        instances.replace("node-1", "1", 7, vec![instance("a", Told::Running)]);
        assert_eq!(instances.see("node-1", "a").state(), InstanceState::Running);
        assert_eq!(instances.see("node-1", "b").state(), InstanceState::Stopped);
        instances.lost("node-1", "gone");
        assert_eq!(instances.see("node-1", "a").state(), InstanceState::Unknown);
        assert_eq!(instances.see("node-9", "a").state(), InstanceState::Unknown);
    }

    #[test]
    fn after_a_silence_everything_is_news() {
        let instances = Instances::new(["node-1"]);
        instances.replace("node-1", "1", 7, vec![instance("a", Told::Running)]);
        instances.lost("node-1", "gone");
        let mut changes = instances.changes();
        instances.replace("node-1", "1", 8, vec![instance("a", Told::Running)]);
        let told: Vec<_> = std::iter::from_fn(|| changes.try_recv().ok()).collect();
        assert!(told.contains(&InstanceChange::Instance { node: "node-1".into(), name: "a".into() }), "{told:?}");
    }

    #[test]
    fn the_answer_to_a_start_does_not_undo_what_a_list_told_since() {
        let instances = Instances::new(["node-1"]);
        let started = Instance { pid: 5, ..instance("a", Told::Starting) };
        instances.replace("node-1", "1", 7, vec![Instance { pid: 5, ..instance("a", Told::Running) }]);
        assert_eq!(state_of(&instances.put("node-1", started)), InstanceState::Running);
        assert_eq!(instances.see("node-1", "a").state(), InstanceState::Running);
        let newer = Instance { pid: 6, ..instance("a", Told::Starting) };
        assert_eq!(state_of(&instances.put("node-1", newer)), InstanceState::Starting);
    }

    #[test]
    fn only_what_changed_is_announced() {
        let instances = Instances::new(["node-1"]);
        instances.replace("node-1", "1", 7, vec![instance("a", Told::Running), instance("b", Told::Running)]);
        let mut changes = instances.changes();
        instances.replace("node-1", "1", 7, vec![instance("a", Told::Running), instance("b", Told::Error)]);
        let change = InstanceChange::Instance { node: "node-1".into(), name: "b".into() };
        assert_eq!(changes.try_recv(), Ok(change));
        assert!(changes.try_recv().is_err());
        instances.lost("node-1", "gone");
        assert_eq!(changes.try_recv(), Ok(InstanceChange::Node("node-1".into())));
    }
}
