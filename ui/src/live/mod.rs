//! The live state: the only owner of the WebSocket. Hands out one signal per resource, and keeps the lists fresh that
//! only some pages show ([`lists`]).
//!
//! connecting ──first message──► live ──close, silence──► reconnecting ──first message──► live

pub(crate) mod lists;
mod message;
mod socket;
mod table;
mod thing;

use std::sync::{Arc, OnceLock};

use aurochs_api::instance_manager::InstanceManager;
use aurochs_api::job::Job;
use aurochs_api::live::{LiveItem, LiveKind, LiveMessage};
use aurochs_api::node::Node;
use aurochs_api::setting::Setting;
use aurochs_api::volume::Volume;
use leptos::prelude::*;

pub(crate) use lists::{List, ListState, follow, follow_at};
pub(crate) use table::{Row, Table};
pub(crate) use thing::Thing;

/// How fresh the state is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Link {
    /// Nothing has arrived yet.
    Connecting,
    Live,
    /// What is shown is as old as `since` (seconds since 1970).
    Reconnecting {
        since: i64,
    },
}

/// Everything that the manager keeps the page up to date with.
#[derive(Clone, Copy)]
pub(crate) struct Live {
    pub(crate) link: RwSignal<Link>,
    /// False until the first state has arrived; pages show skeletons so long.
    pub(crate) loaded: RwSignal<bool>,
    pub(crate) volumes: Table<Volume>,
    pub(crate) nodes: Table<Node>,
    pub(crate) instance_managers: Table<InstanceManager>,
    pub(crate) settings: Table<Setting>,
    /// By number: those that run, and those that ended a moment ago.
    pub(crate) jobs: Table<Job>,
}

/// That of the application: what handles a click knows no context.
static LIVE: OnceLock<Live> = OnceLock::new();

impl Live {
    /// Opens the stream and provides the state to everything below.
    pub(crate) fn start() -> Self {
        let live = Self {
            link: RwSignal::new(Link::Connecting),
            loaded: RwSignal::new(false),
            volumes: Table::new(),
            nodes: Table::new(),
            instance_managers: Table::new(),
            settings: Table::new(),
            jobs: Table::new(),
        };
        // The application is mounted once.
        _ = LIVE.set(live);
        provide_context(live);
        socket::open(live);
        live
    }

    pub(crate) fn expect() -> Self {
        LIVE.get().copied().unwrap_or_else(expect_context)
    }

    fn apply(&self, messages: Vec<LiveMessage>) {
        for message in messages {
            match message {
                LiveMessage::Everything(all) => {
                    self.volumes.replace(all.volumes);
                    self.nodes.replace(all.nodes);
                    self.instance_managers.replace(all.instance_managers);
                    self.settings.replace(all.settings);
                    self.jobs.replace(all.jobs);
                    lists::connected(!self.loaded.get_untracked());
                    self.loaded.set(true);
                }
                LiveMessage::Changed { items } => items.into_iter().for_each(|item| self.put(item)),
                LiveMessage::Gone { kind, id } => match kind {
                    LiveKind::Volume => self.volumes.remove(&id),
                    LiveKind::Node => self.nodes.remove(&id),
                    LiveKind::InstanceManager => self.instance_managers.remove(&id),
                    LiveKind::Setting => self.settings.remove(&id),
                    LiveKind::Job => self.jobs.remove(&id),
                },
                LiveMessage::Alive => {}
                LiveMessage::Following { lists } => lists::following(lists),
                LiveMessage::Stale { lists } => lists::stale(&lists),
            }
        }
        self.volumes.announce();
        self.nodes.announce();
        self.instance_managers.announce();
        self.settings.announce();
        self.jobs.announce();
    }

    fn put(&self, item: LiveItem) {
        match item {
            LiveItem::Volume(volume) => self.volumes.put(*volume),
            LiveItem::Node(node) => self.nodes.put(*node),
            LiveItem::InstanceManager(manager) => self.instance_managers.put(*manager),
            LiveItem::Setting(setting) => self.settings.put(*setting),
            LiveItem::Job(job) => self.jobs.put(*job),
        }
    }

    /// A setting's number. Settings with a value per data engine are JSON objects; ours is `v1`.
    pub(crate) fn setting_number(&self, name: &str) -> Option<u64> {
        let setting = self.settings.get(name)?;
        let value = &setting.value;
        value.parse().ok().or_else(|| {
            let by_engine: serde_json::Value = serde_json::from_str(value).ok()?;
            let own = by_engine.get("v1")?;
            own.as_u64().or_else(|| own.as_str()?.parse().ok())
        })
    }

    /// The row of a volume, following it through creation and deletion.
    pub(crate) fn volume(&self, name: impl Fn() -> String + Send + Sync + 'static) -> Memo<Option<Arc<Volume>>> {
        let volumes = self.volumes;
        Memo::new(move |_| volumes.get(&name()))
    }
}
