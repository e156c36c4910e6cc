//! The log by itself: bounds, and what a crash leaves.

use axum::http::StatusCode;

use super::bounds::{Bounds, NUMBER_MINIMUM};
use super::{Act, Audit, Ended, Filter, keeper};
use crate::store::sqlite::Sqlite;

async fn open(directory: &tempfile::TempDir) -> (Sqlite, Audit) {
    let sqlite = Sqlite::open(&directory.path().join("aurochs.db")).await.unwrap();
    let audit = Audit::keep(&sqlite);
    (sqlite, audit)
}

fn act(object: &str) -> Act {
    Act { user: "ann".to_owned(), object: object.to_owned(), ..Act::default() }
}

async fn list(audit: &Audit) -> Vec<(i64, String)> {
    let kept = audit.list(&Filter { limit: 5000, ..Filter::default() }).await.unwrap();
    let result = |end: Option<keeper::KeptEnd>| end.map_or("unknown", |end| end.ended.result.word()).to_owned();
    kept.into_iter().map(|kept| (kept.id, result(kept.end))).collect()
}

#[tokio::test]
async fn what_was_begun_is_there_after_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let (sqlite, audit) = open(&directory).await;
    audit.begin(act("a")).await.unwrap().end(StatusCode::OK, "").await;
    let under_way = audit.begin(act("b")).await.unwrap();
    // As after a power cut: nobody tells the end.
    std::mem::forget(under_way);
    sqlite.close().await;
    let (_, audit) = open(&directory).await;
    assert_eq!(list(&audit).await, [(2, "unknown".to_owned()), (1, "done".to_owned())]);
}

#[tokio::test]
async fn many_changes_at_once_have_a_row_each() {
    let directory = tempfile::tempdir().unwrap();
    let (_, audit) = open(&directory).await;
    let changes = (0..500).map(|number| {
        let audit = audit.clone();
        async move { audit.begin(act(&number.to_string())).await.unwrap().end(StatusCode::CONFLICT, "no").await }
    });
    futures::future::join_all(changes).await;
    let all = list(&audit).await;
    let expected: Vec<_> = (1..=500).rev().map(|id| (id, "failed".to_owned())).collect();
    assert_eq!(all, expected, "numbers have no gap");
}

/// From the oldest end, and never below a minimum.
#[tokio::test]
async fn it_forgets_what_is_too_much_or_too_old() {
    let directory = tempfile::tempdir().unwrap();
    let (sqlite, audit) = open(&directory).await;
    let count = NUMBER_MINIMUM + 500;
    for _ in 0..count / 100 {
        futures::future::join_all((0..100).map(|_| audit.record(act("x"), Ended::done()))).await;
    }
    let forget = async |number: i64, oldest: i64| {
        let mut connection = sqlite.writer().acquire().await.unwrap();
        keeper::forget(&mut connection, Bounds { number, oldest }).await.unwrap();
    };
    forget(count - 100, 0).await;
    let all = list(&audit).await;
    assert_eq!((all.len() as i64, all.last().unwrap().0), (count - 100, 101));
    forget(count, i64::MAX).await;
    let all = list(&audit).await;
    assert_eq!((all.len() as i64, all[0].0), (NUMBER_MINIMUM, count), "a clock that jumps does not empty it");
    assert!(all.iter().all(|(_, result)| result == "done"), "an end stays with its row");
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM audit_results").fetch_one(&sqlite.pool()).await.unwrap();
    assert_eq!(left, NUMBER_MINIMUM);
    audit.record(act("next"), Ended::done()).await.unwrap();
    assert_eq!(list(&audit).await[0].0, count + 1, "numbers are not used again");
}

#[tokio::test]
async fn a_row_that_cannot_be_written_holds_up_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let (sqlite, audit) = open(&directory).await;
    let odd =
        "CREATE TRIGGER odd BEFORE INSERT ON audits WHEN NEW.object = 'odd' BEGIN SELECT RAISE(ABORT, 'odd'); END";
    sqlx::query(odd).execute(&sqlite.pool()).await.unwrap();
    let records = ["a", "odd", "b"].map(|object| audit.record(act(object), Ended::done()));
    let written: Vec<bool> = futures::future::join_all(records).await.iter().map(Result::is_ok).collect();
    assert_eq!(written, [true, false, true]);
    assert_eq!(list(&audit).await.len(), 2);
}
