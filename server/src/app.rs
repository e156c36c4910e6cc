//! What a request handler may touch.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::FromRef;

use crate::audit::Audit;
use crate::auth::Auth;
use crate::backups::Backups;
use crate::environment::premises::Premises;
use crate::events::Events;
use crate::files::Files;
use crate::instance::{Clients, Instances, Network};
use crate::jobs::Jobs;
use crate::notifications::Notifications;
use crate::samples::Samples;
use crate::search::Index;
use crate::settings::Settings;
use crate::store::Store;
use crate::support_bundle::Bundles;
use crate::web::live::{Live, Streams};
use crate::web::pieces;

/// Everything the API works with. Clones share it.
#[derive(Clone)]
pub struct App {
    pub store: Store,
    /// Typed values of the settings.
    pub settings: Settings,
    pub auth: Auth,
    pub live: Live,
    /// The list of volumes as it was last sent, for `GET /v1/volumes`.
    pub volume_pieces: pieces::Cache,
    /// Texts that followers of Longhorn's streams share.
    pub streams: Streams,
    /// What happened goes here, right after it is stored.
    pub events: Events,
    /// What takes long is told here, and its history kept.
    pub jobs: Jobs,
    /// Where people are told of what happens.
    pub notifications: Notifications,
    /// The way to backup targets.
    pub backups: Backups,
    /// The nodes' instance managers; none where nothing runs.
    pub clients: Clients,
    /// What they last told.
    pub instances: Instances,
    /// What volumes did and what disks had, over time.
    pub samples: Samples,
    /// What is found by its words.
    pub search: Index,
    /// Where support bundles are; nowhere unless whoever starts the manager says so.
    pub bundles: Bundles,
    /// Who looks into the file systems of snapshots.
    pub files: Files,
    /// Where disks can't be, on the machine that all nodes share; nothing where they don't.
    pub premises: Premises,
    /// Name of this installation, shown in the dashboard.
    pub cluster: Arc<str>,
}

impl App {
    /// Begins to follow the store and the jobs for the live stream; to be called inside a tokio runtime.
    #[must_use]
    pub fn new(store: Store, settings: Settings, auth: Auth, events: Events, jobs: Jobs, cluster: &str) -> Self {
        auth.audit().obey(&settings);
        let live = Live::start(&store, &jobs);
        let streams = Streams::start(&store);
        streams.follow_also("events", events.changed());
        streams.follow_also("jobs", jobs.changed());
        let volume_pieces = pieces::Cache::default();
        let search = Index::new(&store, &settings);
        Self {
            store,
            settings,
            auth,
            live,
            volume_pieces,
            streams,
            events,
            jobs,
            notifications: Notifications::default(),
            backups: Backups::default(),
            clients: Clients::new(BTreeMap::new(), Network::default()),
            instances: Instances::default(),
            samples: Samples::default(),
            search,
            bundles: Bundles::default(),
            files: Files::default(),
            premises: Premises::default(),
            cluster: cluster.into(),
        }
    }

    /// With the processes of an installation.
    #[must_use]
    pub fn with_clients(self, clients: Clients) -> Self {
        Self { clients, ..self }
    }

    /// With what is known of these processes.
    #[must_use]
    pub fn with_instances(self, instances: Instances) -> Self {
        Self { instances, ..self }
    }
}

// === parts that handlers ask for ===

impl FromRef<App> for Audit {
    fn from_ref(app: &App) -> Self {
        app.auth.audit().clone()
    }
}

impl FromRef<App> for Auth {
    fn from_ref(app: &App) -> Self {
        app.auth.clone()
    }
}

impl FromRef<App> for Backups {
    fn from_ref(app: &App) -> Self {
        app.backups.clone()
    }
}

impl FromRef<App> for Bundles {
    fn from_ref(app: &App) -> Self {
        app.bundles.clone()
    }
}

impl FromRef<App> for Events {
    fn from_ref(app: &App) -> Self {
        app.events.clone()
    }
}

impl FromRef<App> for Jobs {
    fn from_ref(app: &App) -> Self {
        app.jobs.clone()
    }
}

impl FromRef<App> for Notifications {
    fn from_ref(app: &App) -> Self {
        app.notifications.clone()
    }
}

impl FromRef<App> for Store {
    fn from_ref(app: &App) -> Self {
        app.store.clone()
    }
}

impl FromRef<App> for Settings {
    fn from_ref(app: &App) -> Self {
        app.settings.clone()
    }
}
