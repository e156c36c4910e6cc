//! Events as they are kept.

use super::keeper::NUMBER_MAXIMUM;
use super::*;
use crate::store::sqlite::Sqlite;

struct Database {
    sqlite: Sqlite,
    _directory: tempfile::TempDir,
}

impl Database {
    async fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { sqlite: Sqlite::open(&directory.path().join("db")).await.unwrap(), _directory: directory }
    }

    fn events(&self) -> Events {
        Events::keep(self.sqlite.pool())
    }
}

fn volume(name: &str) -> ObjectRef {
    ObjectRef { kind: "Volume".into(), name: name.into(), uid: "u-1".into() }
}

#[tokio::test]
async fn a_thousand_equal_events_are_one_row() {
    let database = Database::open().await;
    let events = database.events();
    let mut changed = events.changed();
    for _ in 0..1000 {
        events.emit(&volume("data"), Reason::Degraded, EventType::Warning, "one replica is missing");
    }
    events.settle().await;
    assert!(changed.has_changed().unwrap());
    changed.mark_unchanged();
    events.emit(&volume("data"), Reason::Degraded, EventType::Warning, "two replicas are missing");
    events.emit(&volume("other"), Reason::Degraded, EventType::Warning, "one replica is missing");
    events.emit(&volume("data"), Reason::Degraded, EventType::Warning, "one replica is missing");
    events.settle().await;
    let mut kept = events.list().await.unwrap();
    kept.sort_by_key(|event| (std::cmp::Reverse(event.count), event.object.name.clone()));
    let counts: Vec<_> = kept.iter().map(|event| (event.object.name.as_str(), event.count)).collect();
    assert_eq!(counts, [("data", 1001), ("data", 1), ("other", 1)]);
    let first = &kept[0];
    assert!(first.first_seen <= first.last_seen, "{first:?}");
    assert_eq!((first.reason.as_str(), first.kind.as_str()), ("Degraded", "Warning"));
    assert_eq!(events.find(&first.name).await.unwrap().as_ref(), Some(first));
    assert_eq!(events.find("data.none").await.unwrap(), None);
}

#[tokio::test]
async fn what_was_told_before_the_end_is_still_written() {
    let database = Database::open().await;
    let events = database.events();
    events.emit(&volume("data"), Reason::Attached, EventType::Normal, "attached to node-1");
    let mut changed = events.changed();
    drop(events);
    // The writer's own end of the channel ends after its last write.
    while changed.changed().await.is_ok() {}
    assert_eq!(database.events().list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn old_ones_and_too_many_go() {
    let database = Database::open().await;
    let pool = database.sqlite.pool();
    let events = database.events();
    events.emit(&volume("data"), Reason::Attached, EventType::Normal, "long ago");
    events.settle().await;
    let eight_days = 8 * 24 * 60 * 60 * 1000_i64;
    sqlx::query("UPDATE events SET last_seen = last_seen - ?").bind(eight_days).execute(&pool).await.unwrap();
    // More than are kept, all a moment older than what comes next.
    sqlx::query(
        "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 10050) INSERT INTO events \
         SELECT 'x.' || n, 'Volume', 'x', '', 'Attached', 'Normal', 'm' || n, 1, last_seen + ?1 - 1000 - n, \
         last_seen + ?1 - 1000 - n FROM number, (SELECT last_seen FROM events)",
    )
    .bind(eight_days)
    .execute(&pool)
    .await
    .unwrap();
    events.emit(&volume("data"), Reason::Detached, EventType::Normal, "now");
    events.settle().await;
    let kept = events.list().await.unwrap();
    assert_eq!(kept.len(), NUMBER_MAXIMUM as usize);
    assert_eq!(kept[0].message, "now");
    assert!(kept.iter().all(|event| event.message != "long ago" && event.name != "x.10050"));
    assert!(kept.iter().any(|event| event.name == "x.1"));
}

#[tokio::test]
async fn long_messages_are_cut_between_letters() {
    let database = Database::open().await;
    let events = database.events();
    events.emit(&volume("data"), Reason::Failed, EventType::Warning, &"ä".repeat(5000));
    events.settle().await;
    let message = &events.list().await.unwrap()[0].message;
    assert!(message.len() <= 1024 && message.ends_with("ä…"), "{message}");
}

#[tokio::test]
async fn without_a_keeper_nothing_is_kept_and_nothing_waits() {
    let events = Events::default();
    events.emit(&volume("data"), Reason::Attached, EventType::Normal, "attached");
    events.settle().await;
    assert!(events.list().await.unwrap().is_empty());
}
