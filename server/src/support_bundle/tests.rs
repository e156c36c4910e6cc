//! Bundles from being asked for to their end, with secrets planted where they could be.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::controllers::Context;
use crate::events::{EventType, Events, ObjectRef, Reason};
use crate::instance::{Clients, Instances, Network};
use crate::jobs::Jobs;
use crate::resources::backup_target::BackupTargetSpec;
use crate::resources::setting::SettingSpec;
use crate::resources::support_bundle::{SupportBundleSpec, SupportBundleState};
use crate::resources::{BackupTarget, Object, Setting, SupportBundle};
use crate::samples::Samples;
use crate::settings::Settings;
use crate::store::Store;
use crate::store::sqlite::Sqlite;

const PLANTED: &str = "hunter2planted";

struct Installation {
    context: Context,
    bundles: Bundles,
    directory: tempfile::TempDir,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Installation {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let sqlite = Sqlite::open(&directory.path().join("db")).await.unwrap();
        let context = Context {
            store: Store::new(Arc::new(sqlite.clone())),
            settings: Settings::default(),
            clients: Clients::new([].into(), Network::default()),
            instances: Instances::default(),
            events: Events::keep(sqlite.pool()),
            jobs: Jobs::default(),
            samples: Samples::default(),
            backups: crate::backups::Backups::default(),
            giving_up: Arc::default(),
            owner: "node-1".into(),
            node_labels: Arc::default(),
            default_disks: Arc::default(),
            first_settings: &[],
        };
        let logs = directory.path().join("logs");
        std::fs::create_dir(&logs).unwrap();
        let secrets = vec![directory.path().join("users")];
        let place = Place::new(directory.path().join("bundles"), logs, "node-1", secrets);
        let mut installation = Self { context, bundles: Bundles::at(place), directory, tasks: Vec::new() };
        installation.restart();
        installation
    }

    fn restart(&mut self) {
        self.tasks.drain(..).for_each(|task| task.abort());
        self.tasks = controller::start(&self.context, &self.bundles);
    }

    async fn ask(&self, name: &str) {
        let spec = SupportBundleSpec { description: format!("password={PLANTED}"), ..SupportBundleSpec::default() };
        self.context.store.create(&Object::<SupportBundle>::new(name, spec)).await.unwrap();
    }

    async fn until(&self, name: &str, holds: impl Fn(Option<&Object<SupportBundle>>) -> bool) {
        let mut watch = self.context.store.watch::<SupportBundle>();
        let wait = async {
            while !holds(self.context.store.find::<SupportBundle>(name).await.unwrap().as_ref()) {
                watch.next().await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(60), wait).await.is_ok(), "waited in vain for {name}");
    }

    async fn until_state(&self, name: &str, state: SupportBundleState) {
        self.until(name, |bundle| bundle.is_some_and(|bundle| bundle.status.state == state)).await;
    }
}

/// Names and contents of an archive's files.
fn unpack(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut files = Vec::new();
    for place in 0..archive.len() {
        let mut file = archive.by_index(place).unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        files.push((file.name().unwrap().into_owned(), content));
    }
    files
}

async fn plant(installation: &Installation) {
    let (store, root) = (&installation.context.store, installation.directory.path());
    let url = format!("nfs://ann:{PLANTED}@host/share");
    let spec =
        BackupTargetSpec { backup_target_url: url, credential_secret: PLANTED.into(), ..BackupTargetSpec::default() };
    store.create(&Object::<BackupTarget>::new("default", spec)).await.unwrap();
    store.create(&Object::<Setting>::new("registry-secret", SettingSpec { value: PLANTED.into() })).await.unwrap();
    let object = ObjectRef { kind: "Volume".into(), name: "data".into(), uid: String::new() };
    let message = format!("login to https://{PLANTED}@host failed: token={PLANTED}");
    installation.context.events.emit(&object, Reason::Failed, EventType::Warning, &message);
    std::fs::write(root.join("users"), format!("ann:{PLANTED}\n")).unwrap();
    std::fs::create_dir(root.join("logs/node-1")).unwrap();
    let log = format!(
        "starting\nCHAP_PASSWORD={PLANTED}\nthe word {PLANTED} alone\nAuthorization: Basic {PLANTED}\n\u{fffd}end\n"
    );
    std::fs::write(root.join("logs/node-1/engine.log"), log).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_has_everything_and_no_secret() {
    let installation = Installation::start().await;
    plant(&installation).await;
    installation.ask("support-bundle-1").await;
    installation.until_state("support-bundle-1", SupportBundleState::ReadyForDownload).await;
    let bundle = installation.context.store.get::<SupportBundle>("support-bundle-1").await.unwrap();
    let path = installation.bundles.archive("support-bundle-1").unwrap();
    let size = std::fs::metadata(&path).unwrap().len();
    assert_eq!((bundle.status.progress, bundle.status.filesize.bytes()), (100, size));
    assert_eq!(bundle.status.owner_id, "node-1");

    let files = unpack(&path);
    let raw = ("the archive itself".to_owned(), std::fs::read(&path).unwrap());
    for (name, content) in files.iter().chain([&raw]) {
        let found = content.windows(PLANTED.len()).any(|window| window == PLANTED.as_bytes());
        assert!(!found, "{name} holds a secret: {}", String::from_utf8_lossy(content));
    }
    let text = |name: &str| {
        let found = files.iter().find(|(found, _)| found == name);
        String::from_utf8_lossy(&found.unwrap_or_else(|| panic!("no {name} in {files:?}")).1).into_owned()
    };
    for (name, words) in [
        ("bundle.json", "createdAt"),
        ("resources/backuptargets.json", "@host/share"),
        ("resources/settings.json", "registry-secret"),
        ("resources/volumes.json", "[]"),
        ("events.json", "failed: token"),
        ("logs/node-1/engine.log", "end"),
        ("metrics.txt", "longhorn_node_count_total 0"),
        ("environment/meminfo.txt", "MemTotal"),
        ("environment/disks.json", "availableBytes"),
    ] {
        assert!(text(name).contains(words), "{name}: {}", text(name));
    }
    assert!(!files.iter().any(|(name, _)| name == "left-out.txt" || name.contains("users")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_bundle_leaves_nothing() {
    let installation = Installation::start().await;
    installation.ask("support-bundle-1").await;
    installation.until_state("support-bundle-1", SupportBundleState::ReadyForDownload).await;
    let replaced = SupportBundleState::Replaced;
    installation
        .context
        .store
        .modify_status::<SupportBundle>("support-bundle-1", |status| status.state = replaced)
        .await
        .unwrap();
    installation.until("support-bundle-1", |bundle| bundle.is_none()).await;
    assert_eq!(std::fs::read_dir(installation.directory.path().join("bundles")).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_that_ended_half_way_begins_again() {
    let mut installation = Installation::start().await;
    installation.tasks.drain(..).for_each(|task| task.abort());
    installation.ask("support-bundle-1").await;
    let generating = SupportBundleState::Generating;
    installation
        .context
        .store
        .modify_status::<SupportBundle>("support-bundle-1", |status| status.state = generating)
        .await
        .unwrap();
    installation.restart();
    installation.until_state("support-bundle-1", SupportBundleState::ReadyForDownload).await;
    // And one whose archive somebody removed says so.
    std::fs::remove_file(installation.bundles.archive("support-bundle-1").unwrap()).unwrap();
    installation.restart();
    installation.until_state("support-bundle-1", SupportBundleState::Error).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_ones_are_kept_as_the_setting_says() {
    let installation = Installation::start().await;
    // A file in the place of the directory: nothing can be made.
    std::fs::write(installation.directory.path().join("bundles"), "").unwrap();
    installation.ask("support-bundle-1").await;
    installation.until_state("support-bundle-1", SupportBundleState::Error).await;
    let bundle = installation.context.store.get::<SupportBundle>("support-bundle-1").await.unwrap();
    assert!(bundle.status.conditions[0].message.contains("can't make"), "{bundle:?}");
    installation.context.settings.set("support-bundle-failed-history-limit", "0");
    installation.ask("support-bundle-2").await;
    installation.until("support-bundle-1", |bundle| bundle.is_none()).await;
    installation.until("support-bundle-2", |bundle| bundle.is_none()).await;
}

#[test]
fn what_is_too_large_is_left_out_and_named() {
    use super::archive::{self, Part};
    use super::contents::Step;

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zip");
    let (steps, received) = tokio::sync::mpsc::channel(8);
    let part = |name: &str, size: usize| Step::Add(Part { name: name.into(), content: vec![0; size] });
    let half = usize::try_from(archive::LIMIT_BYTES / 2 + 1).unwrap();
    for step in [part("first", half), part("second", half), part("third", 10), Step::Whole] {
        steps.blocking_send(step).unwrap();
    }
    archive::write(&path, received, || {}).unwrap().unwrap();
    let names: Vec<String> = unpack(&path).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["first", "third", "left-out.txt"]);
    // Without its end there is no archive.
    let (steps, received) = tokio::sync::mpsc::channel(8);
    steps.blocking_send(part("first", 10)).unwrap();
    drop(steps);
    let other = directory.path().join("b.zip");
    assert_eq!(archive::write(&other, received, || {}).unwrap(), None);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}
