//! What every store does, whatever keeps its objects.

use std::collections::BTreeMap;
use std::time::Duration;

use aurochs_engine::backup::{ErrorKind, Listing, Store};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use time::OffsetDateTime;

use crate::s3_server::S3Server;
use crate::target;

#[tokio::test]
async fn a_local_directory_does_it() {
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    let url = format!("vfs://{}", place.path().display());
    let store = Store::open(&target(&url, [])).await.unwrap();
    keeps_its_word(&store).await;
    let left: Vec<_> = walkdir(place.path());
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[tokio::test]
async fn s3_does_it_with_and_without_a_path() {
    let server = S3Server::start();
    for prefix in ["", "some/where/"] {
        let store = Store::open(&server.target(prefix)).await.unwrap();
        keeps_its_word(&store).await;
    }
}

#[tokio::test]
async fn a_path_in_a_bucket_shows_nothing_of_its_neighbours() {
    let server = S3Server::start();
    let one = Store::open(&server.target("one")).await.unwrap();
    let other = Store::open(&server.target("one-more")).await.unwrap();
    one.write("backupstore/a.cfg", Bytes::from("a")).await.unwrap();
    other.write("backupstore/b.cfg", Bytes::from("b")).await.unwrap();
    assert!(server.file("one/backupstore/a.cfg").is_file());
    one.remove_all("backupstore").await.unwrap();
    assert_eq!(other.read("backupstore/b.cfg").await.unwrap(), "b");
    assert_eq!(one.list("").await.unwrap(), Listing::default());
}

/// Directories, as others make them in buckets, and files that no backup store has, disturb nothing.
#[tokio::test]
async fn what_others_keep_in_a_bucket_disturbs_nothing() {
    let server = S3Server::start();
    let store = Store::open(&server.target("")).await.unwrap();
    std::fs::create_dir_all(server.file("backupstore/volumes/empty")).unwrap();
    std::fs::write(server.file("backupstore/a name, %41 & \"more\" ~.txt"), "x").unwrap();
    store.write("backupstore/v.cfg", Bytes::from("v")).await.unwrap();
    let names: Vec<String> = store.list("backupstore").await.unwrap().files.into_iter().map(|file| file.name).collect();
    assert_eq!(names, ["a name, %41 & \"more\" ~.txt", "v.cfg"]);
    assert_eq!(store.read("backupstore/a name, %41 & \"more\" ~.txt").await.unwrap(), "x");
}

pub(crate) async fn keeps_its_word(store: &Store) {
    nothing_is_there_yet(store).await;
    an_object_is_whole(store).await;
    many_are_listed(store).await;
    names_stay_inside(store).await;
    store.test().await.unwrap();
    assert!(store.walk("backupstore").next().await.is_none(), "the test leaves something behind");
}

async fn nothing_is_there_yet(store: &Store) {
    let path = "backupstore/volumes/ab/cd/v/volume.cfg";
    assert_eq!(store.read(path).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(store.facts(path).await.unwrap(), None);
    assert_eq!(store.list("backupstore/volumes").await.unwrap(), Listing::default());
    assert_eq!(store.list("").await.unwrap(), Listing::default());
    assert!(store.walk("backupstore").next().await.is_none());
    store.remove(path).await.unwrap();
    store.remove_all("backupstore/volumes").await.unwrap();
}

async fn an_object_is_whole(store: &Store) {
    let path = "backupstore/volumes/ab/cd/v/volume.cfg";
    let before = OffsetDateTime::now_utc() - Duration::from_secs(2);
    for size in [0, 1, 4096, (2 << 20) + 1, 16 << 20] {
        let data: Bytes = (0..size).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        store.write(path, data.clone()).await.unwrap();
        assert!(store.read(path).await.unwrap() == data, "{size} bytes are not what was written");
        let facts = store.facts(path).await.unwrap().unwrap();
        assert_eq!((facts.name.as_str(), facts.size), ("volume.cfg", u64::from(size)));
        assert!(facts.modified >= before && facts.modified <= OffsetDateTime::now_utc() + Duration::from_secs(2));
        let listing = store.list("backupstore/volumes/ab/cd/v").await.unwrap();
        assert_eq!(listing.directories, Vec::<String>::new());
        assert_eq!((&listing.files[0].name, &listing.files[0].version), (&facts.name, &facts.version));
    }
    let first = store.facts(path).await.unwrap().unwrap().version;
    store.write(path, Bytes::from("other")).await.unwrap();
    assert!(
        first.is_some() && store.facts(path).await.unwrap().unwrap().version != first,
        "a replaced object looks the same"
    );
    assert_eq!(store.read_at_most(path, 5).await.unwrap(), "other");
    assert_eq!(store.read_at_most(path, 4).await.unwrap_err().kind(), ErrorKind::Damaged);
    assert_eq!(store.list("backupstore/volumes").await.unwrap().directories, ["ab"]);
    // A directory is no object.
    assert_eq!(store.facts("backupstore/volumes/ab").await.unwrap(), None);
    store.remove(path).await.unwrap();
    assert_eq!(store.facts(path).await.unwrap(), None);
}

/// More than a page of S3 has.
async fn many_are_listed(store: &Store) {
    let name = |number: u32| format!("backup_b{number:04}.cfg");
    let writes = (0..1100).map(|number| {
        let path = format!("backupstore/v/backups/{}", name(number));
        async move { store.write(&path, Bytes::from(path.clone())).await }
    });
    futures::stream::iter(writes).buffer_unordered(16).try_collect::<()>().await.unwrap();
    store.write("backupstore/v/blocks/ab/cd/abcd.blk", Bytes::from("block")).await.unwrap();
    let listing = store.list("backupstore/v/backups").await.unwrap();
    assert!(listing.files.iter().map(|file| file.name.clone()).eq((0..1100).map(name)));
    let found: BTreeMap<String, u64> =
        store.walk("backupstore/v").map_ok(|found| (found.path, found.entry.size)).try_collect().await.unwrap();
    assert_eq!(found.len(), 1101);
    assert_eq!(found["backupstore/v/blocks/ab/cd/abcd.blk"], 5);
    assert_eq!(store.list("backupstore/v").await.unwrap().directories, ["backups", "blocks"]);
    // As any task may do it.
    let owned = store.clone();
    tokio::spawn(async move { owned.remove_all("backupstore/v").await }).await.unwrap().unwrap();
    assert!(store.walk("backupstore").next().await.is_none());
}

async fn names_stay_inside(store: &Store) {
    for path in ["", "/etc/passwd", "backupstore/../../x", "backupstore//x", "backupstore/./x", "backupstore/a\nb"] {
        assert_eq!(store.write(path, Bytes::new()).await.unwrap_err().kind(), ErrorKind::Other, "{path:?}");
        assert_eq!(store.read(path).await.unwrap_err().kind(), ErrorKind::Other, "{path:?}");
        assert_eq!(store.remove_all(path).await.unwrap_err().kind(), ErrorKind::Other, "{path:?}");
    }
}

/// All files below a directory, hidden or not.
fn walkdir(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walkdir(&path) } else { vec![path] }).collect()
}
