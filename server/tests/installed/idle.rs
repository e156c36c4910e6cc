//! What volumes cost the manager: an idle installation writes next to nothing to its store, and volumes that are written to
//! have their sizes noted once a minute.
//!
//! `AUROCHS_IDLE_ATTACHED=50 AUROCHS_IDLE_DETACHED=500` measures with that many volumes, and prints the manager's share of a
//! core; without them the numbers are small, and what is written is judged alone.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aurochs_api::size::ByteSize;
use aurochs_server::controllers::runtime::RESYNC;
use aurochs_server::resources::volume::{Frontend, Robustness, VolumeSpec, VolumeState};
use aurochs_server::resources::{Engine, Object, Volume};
use aurochs_server::store::Store;

use aurochs_server::standalone::Layout;
use sqlx::SqlitePool;

use crate::installation::Installation;
use crate::nbd::Nbd;

/// Tables beside the objects' that nothing may be written to while nothing happens.
const QUIET_TABLES: [&str; 4] = ["jobs", "job_log", "audits", "audit_results"];
const NODES: u32 = 3;
/// Every object is looked at again at least once, however late its turn comes.
const WINDOW: Duration = Duration::from_secs(RESYNC.as_secs() * 6 / 5 + 3);
/// What an attachment writes ends before it.
const QUIET: Duration = Duration::from_secs(5);
/// Volumes that are written to meanwhile.
const BUSY: usize = 2;
/// Of an object whose sizes change all the time: once a minute, and the window is longer than one.
const ROWS_OF_A_BUSY_OBJECT_MAXIMUM: usize = 2;
/// Looks at a node's disks, whose free space other programs change.
const ROWS_OF_A_NODE_MAXIMUM: usize = 4;

fn from_environment(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

async fn make(installation: &Installation, name: &str) {
    let size = ByteSize(16 << 20);
    let spec = VolumeSpec { size, number_of_replicas: 1, frontend: Frontend::Nbd, ..VolumeSpec::default() };
    installation.store().create(&Object::<Volume>::new(name, spec)).await.unwrap();
    until(installation, name, |volume| volume.status.state == VolumeState::Detached).await;
}

async fn attach(installation: &Installation, name: &str, node: &str) {
    installation.attach_volume(name, node).await;
    let healthy = |volume: &Object<Volume>| {
        volume.status.state == VolumeState::Attached && volume.status.robustness == Robustness::Healthy
    };
    until(installation, name, healthy).await;
}

async fn until(installation: &Installation, name: &str, holds: impl Fn(&Object<Volume>) -> bool) {
    let seen = async |store: &Store| store.find::<Volume>(name).await.unwrap().is_some_and(|volume| holds(&volume));
    installation.until(&format!("volume {name} has come so far"), seen).await;
}

/// Writes to a volume, a new place each second, until it is aborted.
async fn keep_writing(store: &Store, volume: &str) -> tokio::task::JoinHandle<()> {
    let uri = store.get::<Engine>(&format!("{volume}-e-0")).await.unwrap().status.nbd_uri;
    tokio::spawn(async move {
        let mut nbd = tokio::task::block_in_place(|| Nbd::connect(&uri)).unwrap();
        for block in (0..4096).step_by(32) {
            tokio::task::block_in_place(|| nbd.write(block * 4096, &[7; 32 * 4096])).unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
}

/// Time that this process has had of all cores; engines and replicas are processes of their own.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, after_name) = stat.rsplit_once(") ").unwrap();
    let ticks: u64 = after_name.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    let a_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).unwrap().unwrap();
    Duration::from_millis(ticks * 1000 / u64::try_from(a_second).unwrap())
}

/// Rows written, by kind and name, until `done`.
async fn written(store: &Store, mut done: impl FnMut(Option<Instant>) -> bool) -> BTreeMap<(String, String), usize> {
    let mut changes = store.changes();
    let (mut rows, mut last) = (BTreeMap::new(), None);
    while !done(last) {
        match tokio::time::timeout(Duration::from_millis(200), changes.recv()).await {
            Ok(Ok(event)) => {
                let name = event.object.metadata.name.clone();
                *rows.entry((event.plural.to_owned(), name)).or_insert(0) += 1;
                last = Some(Instant::now());
            }
            Ok(Err(error)) => panic!("far too much is written: {error}"),
            Err(_) => {}
        }
    }
    rows
}

/// Writes to [`QUIET_TABLES`], counted by the database itself from now on.
struct OtherWrites(SqlitePool);

impl OtherWrites {
    async fn count(installation: &Installation) -> Self {
        let database = Layout::find(installation.path()).unwrap().database();
        let pool = SqlitePool::connect(&format!("sqlite:{}", database.display())).await.unwrap();
        let mut statements = vec!["CREATE TABLE counted_writes (\"table\" TEXT NOT NULL)".to_owned()];
        for table in QUIET_TABLES {
            statements.extend(["INSERT", "UPDATE", "DELETE"].map(|verb| {
                format!(
                    "CREATE TRIGGER counted_{verb}_of_{table} AFTER {verb} ON {table} \
                     BEGIN INSERT INTO counted_writes VALUES ('{table}'); END"
                )
            }));
        }
        for statement in statements {
            sqlx::query(&statement).execute(&pool).await.unwrap();
        }
        Self(pool)
    }

    async fn done(&self) -> Vec<String> {
        sqlx::query_scalar("SELECT \"table\" FROM counted_writes").fetch_all(&self.0).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_volume_costs_at_most_a_row_a_minute() {
    let attached = from_environment("AUROCHS_IDLE_ATTACHED", 8);
    let detached = from_environment("AUROCHS_IDLE_DETACHED", 4);
    let installation = Installation::start(NODES).await;
    installation.set("storage-over-provisioning-percentage", "100000").await;
    for number in 0..BUSY + attached + detached {
        make(&installation, &format!("v{number}")).await;
    }
    for number in 0..BUSY + attached {
        attach(&installation, &format!("v{number}"), &format!("node-{}", number % NODES as usize + 1)).await;
    }
    let store = installation.store();
    let started = Instant::now();
    written(&store, |last| last.unwrap_or(started).elapsed() > QUIET).await;
    let busy: Vec<String> = (0..BUSY).map(|number| format!("v{number}")).collect();
    let mut writers = Vec::new();
    for volume in &busy {
        writers.push(keep_writing(&store, volume).await);
    }

    let others = OtherWrites::count(&installation).await;
    let (before, started) = (processor_time(), Instant::now());
    let rows = written(&store, |_| started.elapsed() > WINDOW).await;
    let share = (processor_time() - before).as_secs_f64() / started.elapsed().as_secs_f64();
    writers.iter().for_each(tokio::task::JoinHandle::abort);
    let total: usize = rows.values().sum();
    println!(
        "{attached} attached, {detached} detached, {BUSY} busy: {total} rows in {WINDOW:?}, {:.2} % of a core",
        share * 100.0
    );
    for ((kind, name), count) in &rows {
        println!("  {count:3} {kind}/{name}");
    }

    assert_eq!(others.done().await, [] as [String; 0], "nothing is done, and nothing that takes long");
    // It counts at all.
    installation.set("log-level", "Info").await;
    assert!(others.done().await.contains(&"audits".to_owned()));
    let (mut of_nodes, mut of_idle) = (0, 0);
    for ((kind, name), count) in &rows {
        if kind == "nodes" {
            of_nodes += count;
        } else if busy.iter().any(|volume| name == volume || name.starts_with(&format!("{volume}-"))) {
            assert!(*count <= ROWS_OF_A_BUSY_OBJECT_MAXIMUM, "{count} rows of {kind}/{name}");
        } else {
            of_idle += count;
        }
    }
    assert!(
        rows.keys().any(|(kind, name)| kind == "engines" && name == "v0-e-0"),
        "nothing is told of what is written"
    );
    assert!(of_nodes <= NODES as usize * ROWS_OF_A_NODE_MAXIMUM, "{of_nodes} rows of nodes");
    // More than a minute went by, and yet.
    assert!(of_idle <= attached, "{of_idle} rows for {attached} attached volumes: {rows:?}");
    installation.stop().await;
}
