//! What controllers work with, for tests of whole passes: a store of its own, and no process.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Context;
use crate::events::Events;
use crate::instance::{Clients, Instances, Network};
use crate::jobs::Jobs;
use crate::samples::Samples;
use crate::settings::Settings;
use crate::store::Store;
use crate::store::sqlite::Sqlite;

/// None of the nodes has been heard of; whatever is asked of their processes fails. The store lives as long as the
/// directory.
pub(crate) async fn context(nodes: &[&str]) -> (Context, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = format!("unix:{}", directory.path().join("nobody.sock").display());
    let managers = nodes.iter().map(|node| ((*node).to_owned(), nowhere.clone()));
    let clients = Clients::new(managers.collect(), Network::default());
    let context = Context {
        store: Store::new(Arc::new(Sqlite::open(&directory.path().join("aurochs.db")).await.unwrap())),
        settings: Settings::default(),
        instances: Instances::new(clients.nodes()),
        clients,
        events: Events::default(),
        jobs: Jobs::default(),
        samples: Samples::default(),
        backups: crate::backups::Backups::default(),
        giving_up: Arc::default(),
        owner: "manager".into(),
        default_disks: Arc::new(BTreeMap::new()),
        node_labels: Arc::new(BTreeMap::new()),
        first_settings: &[],
    };
    (context, directory)
}
