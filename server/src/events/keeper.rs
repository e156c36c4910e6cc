//! The table of events in SQLite.

use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};
use time::OffsetDateTime;

use super::ObjectRef;
use super::news::{Kept, News, millis, moment};

/// Events are kept for a week; Kubernetes keeps them for an hour, which is over before anybody looks.
const AGE_MAXIMUM: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The most that are kept: a list of them still is a few megabytes.
pub(super) const NUMBER_MAXIMUM: u32 = 10_000;

/// Writes the news in one transaction and forgets what is too old or too much.
pub(super) async fn write<'a>(pool: &SqlitePool, news: impl Iterator<Item = &'a News>) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    for one in news {
        sqlx::query(
            "INSERT INTO events (name, kind, object, object_uid, reason, type, message, count, first_seen, last_seen) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET \
             count = count + excluded.count, last_seen = max(last_seen, excluded.last_seen)",
        )
        .bind(&one.name)
        .bind(&one.object.kind)
        .bind(&one.object.name)
        .bind(&one.object.uid)
        .bind(one.reason)
        .bind(one.kind)
        .bind(&one.message)
        .bind(one.count)
        .bind(one.first_seen)
        .bind(one.last_seen)
        .execute(&mut *transaction)
        .await?;
    }
    let oldest = millis(OffsetDateTime::now_utc() - AGE_MAXIMUM);
    sqlx::query("DELETE FROM events WHERE last_seen < ?").bind(oldest).execute(&mut *transaction).await?;
    sqlx::query("DELETE FROM events WHERE name IN (SELECT name FROM events ORDER BY last_seen DESC LIMIT -1 OFFSET ?)")
        .bind(NUMBER_MAXIMUM)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

pub(super) async fn list(pool: &SqlitePool) -> Result<Vec<Kept>, sqlx::Error> {
    let rows = sqlx::query("SELECT * FROM events ORDER BY last_seen DESC, name").fetch_all(pool).await?;
    rows.iter().map(kept).collect()
}

pub(super) async fn since(pool: &SqlitePool, moment: i64) -> Result<Vec<Kept>, sqlx::Error> {
    let query = sqlx::query("SELECT * FROM events WHERE last_seen > ? ORDER BY last_seen, name").bind(moment);
    query.fetch_all(pool).await?.iter().map(kept).collect()
}

pub(super) async fn find(pool: &SqlitePool, name: &str) -> Result<Option<Kept>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM events WHERE name = ?").bind(name).fetch_optional(pool).await?;
    row.as_ref().map(kept).transpose()
}

fn kept(row: &SqliteRow) -> Result<Kept, sqlx::Error> {
    Ok(Kept {
        name: row.try_get("name")?,
        object: ObjectRef { kind: row.try_get("kind")?, name: row.try_get("object")?, uid: row.try_get("object_uid")? },
        reason: row.try_get("reason")?,
        kind: row.try_get("type")?,
        message: row.try_get("message")?,
        count: u64::try_from(row.try_get::<i64, _>("count")?).unwrap_or_default(),
        first_seen: moment(row.try_get("first_seen")?),
        last_seen: moment(row.try_get("last_seen")?),
    })
}
