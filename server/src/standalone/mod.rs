//! One machine without Kubernetes: a data directory, an instance manager process for each logical node, one manager.
//!
//! 1. [`layout`] — where everything lies;
//! 2. [`claim`] — only one manager for a data directory, and how to find it;
//! 3. [`supervise`] — instance managers are started, adopted, started again;
//! 4. [`duty`] — what acts, as opposed to what answers: always, or in a cluster ([`crate::cluster`]) when it is this manager's turn;
//! 5. this file — serve until told to stop; [`stop`] — stop everything.

pub mod check;
mod claim;
mod duty;
mod first;
mod layout;
pub mod stop;
mod supervise;
pub mod zone;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::admission::Judge;
use crate::app::App;
use crate::auth::Auth;
use crate::auth::users::{self, FirstPassword, UsersError};
use crate::backups::{self, Backups};
use crate::cluster::instance_pods::Pods;
use crate::cluster::users::ClusterUsers;
use crate::cluster::{self, Cluster, ClusterError, Member, identity};
use crate::controllers::{self, Context, Controllers};
use crate::events::Events;
use crate::instance::{Clients, Instances, Network};
use crate::jobs::Jobs;
use crate::notifications::{self, Notifications};
use crate::recurring::clock::Clock;
use crate::resources::condition::is_true;
use crate::resources::node::READY;
use crate::resources::{Node, Object};
use crate::samples::Samples;
use crate::settings::{Name, Settings};
use crate::store::sqlite::Sqlite;
use crate::store::{Store, StoreError};
use crate::support_bundle::{Bundles, Place};
use crate::web::connections::tls::Tls;

use duty::{Duty, Work};

pub use claim::ClaimError;
pub use layout::{Layout, LayoutError};

/// What the dashboard's corner says. In a cluster it is the namespace.
const INSTALLATION_NAME: &str = "standalone";

/// Settings that start with another value than Longhorn's. One machine's root disk is shared with the system and is
/// often more than three quarters full; a quarter of it kept free would refuse every volume there.
///
/// Runs of a recurring job are rows of a table here, and no pods of a cluster: more than the last one of them may stay.
const FIRST_SETTINGS: &[(Name, &str)] = &[
    (Name::StorageMinimalAvailablePercentage, "10"),
    (Name::RecurringSuccessfulJobsHistoryLimit, "100"),
    (Name::RecurringFailedJobsHistoryLimit, "100"),
];
/// The same in a cluster: its disks are what Longhorn's are.
const FIRST_SETTINGS_IN_A_CLUSTER: &[(Name, &str)] = FIRST_SETTINGS.split_at(1).1;

/// How long a start waits for its nodes before it serves all the same.
const NODES_PATIENCE: std::time::Duration = std::time::Duration::from_secs(15);

/// How `aurochs serve` was called.
#[derive(Clone, Debug)]
pub struct Options {
    pub data: PathBuf,
    /// Number of logical nodes.
    pub nodes: u32,
    pub address: SocketAddr,
    /// How volumes are offered to other machines.
    pub network: Network,
    /// The data plane's binary; `None` for the one beside this program.
    pub engine_binary: Option<PathBuf>,
    /// Which zone, and region, each node is in.
    pub zones: Vec<zone::NodeZone>,
    /// The Kubernetes cluster that keeps the resources; `None` keeps them in the data directory.
    pub kubernetes: Option<Member>,
}

/// Why the manager could not start or had to end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Layout(#[from] LayoutError),
    #[error(transparent)]
    Zone(#[from] zone::ZoneError),
    #[error(transparent)]
    Claim(#[from] ClaimError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("there is no {0}; build it (make run does) or name it with --engine-binary")]
    NoEngineBinary(PathBuf),
    #[error("can't open the database {path}: {source}; if the file is damaged, move it aside and restore a copy")]
    Database { path: PathBuf, source: sqlx::Error },
    #[error("can't read the history of jobs: {0}; if the database is damaged, move it aside and restore a copy")]
    Jobs(sqlx::Error),
    #[error("can't listen on {address}: {source}; choose another address with --address")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("the controllers can't start: {0}")]
    Controllers(#[from] controllers::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Users(#[from] UsersError),
    #[error(transparent)]
    Notifications(#[from] notifications::OpenError),
    #[error("serving HTTP failed: {0}")]
    Http(std::io::Error),
}

/// A manager that has everything but its HTTP service: made by [`Manager::start`], ended by [`Manager::stop`] (or by being
/// dropped at the end of the process). Engines and replicas run on.
pub struct Manager {
    pub app: App,
    pub address: SocketAddr,
    /// Made at the first start, to be shown once.
    pub first_password: Option<FirstPassword>,
    listener: TcpListener,
    sqlite: Sqlite,
    /// Keeps the manager's view fresh.
    looking: Controllers,
    duty: Duty,
    _instance_managers: Option<supervise::Supervisor>,
    _claim: claim::Claim,
}

impl Manager {
    /// Claims the data directory, opens the store, brings the instance managers up, starts the controllers. In a cluster they
    /// start when it is this manager's turn, which may be long after it began to serve.
    pub async fn start(options: &Options) -> Result<Self, Error> {
        Self::start_by(options, Clock::default()).await
    }

    /// The same with another clock for recurring jobs than the system's.
    pub async fn start_by(options: &Options, clock: Clock) -> Result<Self, Error> {
        let binary = engine_binary(options.engine_binary.clone())?;
        let layout = options.layout()?;
        zone::check(&options.zones, &layout.nodes)?;
        let claim = claim::Claim::take(&layout)?;
        // Bound before anything is started: an address in use must not leave processes behind.
        let address = options.address;
        let listener = TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })?;
        let database = layout.database();
        let sqlite = Sqlite::open(&database).await;
        let sqlite = sqlite.map_err(|source| Error::Database { path: database, source })?;
        let cluster = match &options.kubernetes {
            Some(member) => Some(Cluster::connect(member).await?),
            None => None,
        };
        let around = match (&cluster, &options.kubernetes) {
            (Some(cluster), Some(place)) => Around::make(cluster, &layout, place).await?,
            _ => Around::default(),
        };
        let users = bring_users(options, cluster.as_ref(), &layout).await;
        let (auth, first_password) = Auth::open(&layout.data, &sqlite)?;
        auth.catch_up().await;
        let settings = Settings::default();
        let jobs = Jobs::open(sqlite.pool(), settings.clone()).await.map_err(Error::Jobs)?;
        let store = open_store(cluster.as_ref(), &sqlite, &auth).await?;
        let of_a_member = |member: &identity::Member| {
            Clients::in_a_cluster(layout.nodes.clone(), options.network.clone(), Arc::clone(&member.identity))
        };
        let beside = || Clients::new(layout.instance_manager_addresses(), options.network.clone());
        let local = match &around {
            // Its pod says where it is, and answers members alone.
            Around { pods: Some(_), member: Some(member), .. } => of_a_member(member),
            _ => beside(),
        };
        let clients = around.member.as_ref().map_or_else(|| local.clone(), of_a_member);
        let (has_pods, nodes) = (around.pods.is_some(), layout.nodes.clone());
        let instance_managers = match around.pods {
            Some(_) => None,
            None => Some(supervise::Supervisor::start(&layout, &binary, around.told.as_ref())),
        };
        let owner = layout.nodes.first().map(String::as_str).unwrap_or_default().into();
        let backups = Backups::at(&layout.data);
        let samples = Samples::open(sqlite.pool(), &settings, &store);
        let context = Context {
            store,
            settings,
            instances: Instances::new(clients.nodes()),
            events: Events::keep(sqlite.pool()),
            jobs: jobs.clone(),
            samples: samples.clone(),
            backups: backups.clone(),
            giving_up: Arc::default(),
            owner,
            clients,
            // Below the data directory only where the instance manager is: a pod's is where Longhorn's are.
            default_disks: Arc::new(if has_pods { BTreeMap::new() } else { layout.default_disks() }),
            node_labels: Arc::new(zone::labels(&options.zones)),
            first_settings: if cluster.is_some() { FIRST_SETTINGS_IN_A_CLUSTER } else { FIRST_SETTINGS },
        };
        let mut looking = match around.member {
            Some(member) => {
                zone::apply(&context.store, &options.zones).await?;
                let mut looking = Controllers::look_around(&context).await?;
                looking.add(cluster::announce::start(&context, &local, &nodes));
                looking.add(vec![member.keep()]);
                looking.add(around.pods.map(|pods| pods.keep(&context, local)).into_iter().collect());
                looking
            }
            None => Controllers::look(&context).await?,
        };
        looking.add(users.map(ClusterUsers::follow).into_iter().collect());
        if let Some(cluster) = &cluster {
            looking.add(vec![cluster::credentials::follow(cluster, &context.store, &backups)]);
        }
        let place = options.kubernetes.as_ref().and_then(|member| member.webhook.as_ref());
        let webhook = match (&cluster, place) {
            (Some(cluster), Some(place)) => Some(cluster.webhook(place, &layout.data).await?),
            _ => None,
        };
        let name = options.kubernetes.as_ref().map_or(INSTALLATION_NAME, |member| member.namespace.as_str());
        let notifications = Notifications::open(&layout.data, &sqlite, name)?;
        let bundles = bundles(&layout, &context.owner, &options.network);
        let app = App {
            bundles: bundles.clone(),
            premises: layout.premises(),
            notifications: notifications.clone(),
            samples,
            backups,
            clients: context.clients.clone(),
            instances: context.instances.clone(),
            ..App::new(context.store.clone(), context.settings.clone(), auth, context.events.clone(), jobs, name)
        };
        let registration = match webhook {
            Some((webhook, registration)) => {
                looking.add(webhook.serve(Judge::from(&app)).map_err(ClusterError::from)?);
                Some(registration)
            }
            None => None,
        };
        let (store, clients, zones) = (app.store.clone(), app.clients.clone(), options.zones.clone());
        let work = Work { context, layout, zones, bundles, notifications, clock, registration };
        let duty = match cluster {
            Some(cluster) => Duty::in_turn(work, cluster, has_pods),
            None => {
                let duty = Duty::begin(&work).await?;
                wait_for_nodes(&store, &clients).await;
                duty
            }
        };
        let address = listener.local_addr().map_err(Error::Http)?;
        Ok(Self {
            app,
            address,
            first_password,
            listener,
            sqlite,
            looking,
            duty,
            _instance_managers: instance_managers,
            _claim: claim,
        })
    }

    /// Answers requests until `stop` is done, then finishes what is under way.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        self.serve_over(None, stop).await;
    }

    /// The same over TLS, if there is any.
    pub async fn serve_over(self, tls: Option<Tls>, stop: impl Future<Output = ()>) {
        crate::router::serve_over(self.listener, tls, self.app.clone(), stop).await;
        end(self.duty, self.looking, &self.app, &self.sqlite).await;
    }

    /// Ends it; nothing is written afterwards, so that the next manager of the same data may start.
    pub async fn stop(self) {
        end(self.duty, self.looking, &self.app, &self.sqlite).await;
    }
}

/// What a manager of a cluster needs beside its resources.
#[derive(Default)]
struct Around {
    told: Option<supervise::InCluster>,
    /// `None` where other machines don't reach this one.
    member: Option<identity::Member>,
    /// The instance manager, where it is a pod.
    pods: Option<Pods>,
}

impl Around {
    async fn make(cluster: &Cluster, layout: &Layout, place: &Member) -> Result<Self, Error> {
        cluster.hand_on(&layout.api_server_file())?;
        let address = place.instance_address;
        let node = layout.nodes.first().map(String::as_str).unwrap_or_default();
        let pods = match &place.instance_manager_image {
            Some(image) => Some(cluster.instance_pods(node, image, &layout.data).await?),
            None => None,
        };
        let member = match address.is_some() || pods.is_some() {
            true => Some(cluster.identity(node, &layout.certificates()).await?),
            false => None,
        };
        Ok(Self { told: Some(supervise::InCluster { address }), member, pods })
    }
}

impl Options {
    fn layout(&self) -> Result<Layout, LayoutError> {
        let Some(member) = &self.kubernetes else { return Layout::make(&self.data, self.nodes) };
        let name = member.node_name.clone().unwrap_or_else(|| host_name().to_lowercase());
        Layout::make_named(&self.data, self.nodes, Some(&name))
    }
}

/// The users of a cluster's Secret, where there is to be one. They are there before anybody can log in.
async fn bring_users(options: &Options, cluster: Option<&Cluster>, layout: &Layout) -> Option<ClusterUsers> {
    let secret = options.kubernetes.as_ref()?.users_secret.as_ref()?;
    Some(ClusterUsers::bring(cluster?, secret, &layout.data).await)
}

/// Where the resources are.
async fn open_store(cluster: Option<&Cluster>, sqlite: &Sqlite, auth: &Auth) -> Result<Store, Error> {
    let Some(cluster) = cluster else { return Ok(Store::new(Arc::new(sqlite.clone()))) };
    auth.accept_tokens(cluster.tokens());
    Ok(Store::new(Arc::new(cluster.store().await?)))
}

fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned()).unwrap_or_default()
}

async fn end(duty: Duty, looking: Controllers, app: &App, sqlite: &Sqlite) {
    duty.end().await;
    looking.stop().await;
    app.auth.look_at_users().await;
    app.auth.audit().settle().await;
    app.jobs.settle().await;
    app.samples.settle().await;
    sqlite.close().await;
}

/// Gives the nodes a moment to come up, so that the first request finds them. One that stays away shows as down.
async fn wait_for_nodes(store: &Store, clients: &Clients) {
    let all_ready = async {
        loop {
            let nodes = store.list::<Node>().await.unwrap_or_default();
            let is_ready = |node: &&Object<Node>| is_true(&node.status.conditions, READY);
            let ready: BTreeSet<&str> = nodes.iter().filter(is_ready).map(|node| node.name()).collect();
            if clients.nodes().iter().all(|name| ready.contains(name.as_str())) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let _ = tokio::time::timeout(NODES_PATIENCE, all_ready).await;
}

/// Where support bundles are, and which files must leave no trace in them.
fn bundles(layout: &Layout, owner: &str, network: &Network) -> Bundles {
    let chap = Some(&network.iscsi_chap_file).filter(|path| !path.is_empty()).map(PathBuf::from);
    let own = [users::FILE, users::FIRST_PASSWORD_FILE, notifications::secrets::FILE, backups::credentials::FILE]
        .map(|file| layout.data.join(file));
    let secrets = own.into_iter().chain(chap).collect();
    Bundles::at(Place::new(layout.support_bundles(), layout.logs(), owner, secrets))
}

/// The binary beside this program, unless another is named.
fn engine_binary(named: Option<PathBuf>) -> Result<PathBuf, Error> {
    let binary = match named {
        Some(named) => named,
        None => std::env::current_exe()
            .map(|own| own.with_file_name("aurochs-engine"))
            .unwrap_or_else(|_| PathBuf::from("aurochs-engine")),
    };
    // Canonical: instance managers are started with another working directory in mind.
    binary.canonicalize().map_err(|_| Error::NoEngineBinary(binary))
}
