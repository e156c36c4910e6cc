//! The tables of notifications in SQLite.

use std::collections::BTreeSet;

use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, SqliteConnection, SqlitePool};
use time::OffsetDateTime;

use super::notice::Notice;
use super::target::Spec;

/// Milliseconds since 1970.
pub(super) type UnixMillis = i64;

/// Notices of one target that may wait; more is given up and counted.
const WAITING_MAXIMUM: i64 = 1000;
/// A reason why a target takes nothing is not kept longer.
const ERROR_LIMIT_BYTES: usize = 500;

/// A target with what became of its notices.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) name: String,
    pub(crate) spec: Spec,
    pub(crate) waiting: u64,
    pub(crate) delivered: u64,
    pub(crate) dropped: u64,
    pub(crate) last_delivered: Option<OffsetDateTime>,
    pub(crate) last_error_at: Option<OffsetDateTime>,
    pub(crate) last_error: String,
}

/// What was found, and how far was looked: written together, so that nothing is told twice or not at all.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) notices: Vec<Notice>,
    pub(super) cursor: Option<(&'static str, i64)>,
    /// Object and code of causes that came up and that went.
    pub(super) raised: Vec<(String, String)>,
    pub(super) gone: Vec<(String, String)>,
}

const COLUMNS: &str = "SELECT t.*, (SELECT count(*) FROM notification_outbox o WHERE o.target = t.name) AS waiting FROM notification_targets t";

pub(super) async fn list(pool: &SqlitePool) -> Result<Vec<Kept>, sqlx::Error> {
    let rows = sqlx::query(&format!("{COLUMNS} ORDER BY t.name")).fetch_all(pool).await?;
    rows.iter().map(kept).collect()
}

pub(super) async fn find(pool: &SqlitePool, name: &str) -> Result<Option<Kept>, sqlx::Error> {
    let row = sqlx::query(&format!("{COLUMNS} WHERE t.name = ?")).bind(name).fetch_optional(pool).await?;
    row.as_ref().map(kept).transpose()
}

/// False when there is one of this name.
pub(super) async fn create(pool: &SqlitePool, name: &str, spec: &Spec) -> Result<bool, sqlx::Error> {
    let query =
        sqlx::query("INSERT INTO notification_targets (name, spec) VALUES (?, ?) ON CONFLICT (name) DO NOTHING");
    let written = query.bind(name).bind(json(spec)?).execute(pool).await?;
    Ok(written.rows_affected() > 0)
}

pub(super) async fn change(pool: &SqlitePool, name: &str, spec: &Spec) -> Result<bool, sqlx::Error> {
    let query = sqlx::query("UPDATE notification_targets SET spec = ? WHERE name = ?");
    Ok(query.bind(json(spec)?).bind(name).execute(pool).await?.rows_affected() > 0)
}

/// What waits for it goes along.
pub(super) async fn delete(pool: &SqlitePool, name: &str) -> Result<bool, sqlx::Error> {
    let written = sqlx::query("DELETE FROM notification_targets WHERE name = ?").bind(name).execute(pool).await?;
    Ok(written.rows_affected() > 0)
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(Box::new(error)))
}

fn kept(row: &SqliteRow) -> Result<Kept, sqlx::Error> {
    let count = |name: &str| row.try_get::<i64, _>(name).map(|count| u64::try_from(count).unwrap_or_default());
    let moment = |name: &str| row.try_get(name).map(moment);
    let spec: String = row.try_get("spec")?;
    Ok(Kept {
        name: row.try_get("name")?,
        spec: serde_json::from_str(&spec).map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
        waiting: count("waiting")?,
        delivered: count("delivered")?,
        dropped: count("dropped")?,
        last_delivered: moment("last_delivered_at")?,
        last_error_at: moment("last_error_at")?,
        last_error: row.try_get("last_error")?,
    })
}

// === the outbox ===

/// Puts what was found into the outboxes of those who want it. True when somebody has something to be told.
pub(super) async fn keep(pool: &SqlitePool, found: &Found) -> Result<bool, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut any = false;
    let rows = sqlx::query("SELECT name, spec FROM notification_targets").fetch_all(&mut *transaction).await?;
    for row in rows {
        let (name, spec): (String, String) = (row.try_get("name")?, row.try_get("spec")?);
        // One that a later version wrote is told of nothing by this one.
        let Ok(spec) = serde_json::from_str::<Spec>(&spec) else { continue };
        for notice in found.notices.iter().filter(|notice| spec.wants(notice)) {
            put(&mut transaction, &name, notice).await?;
            any = true;
        }
    }
    if let Some((source, value)) = found.cursor {
        sqlx::query("INSERT INTO notification_cursors (source, value) VALUES (?, ?) ON CONFLICT (source) DO UPDATE SET value = excluded.value")
            .bind(source)
            .bind(value)
            .execute(&mut *transaction)
            .await?;
    }
    for (sql, causes) in [
        ("INSERT INTO notification_causes (object, code) VALUES (?, ?) ON CONFLICT DO NOTHING", &found.raised),
        ("DELETE FROM notification_causes WHERE object = ? AND code = ?", &found.gone),
    ] {
        for (object, code) in causes {
            sqlx::query(sql).bind(object).bind(code).execute(&mut *transaction).await?;
        }
    }
    transaction.commit().await?;
    Ok(any)
}

async fn put(connection: &mut SqliteConnection, target: &str, notice: &Notice) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO notification_outbox (target, at, notice) VALUES (?, ?, ?)")
        .bind(target)
        .bind(millis(OffsetDateTime::now_utc()))
        .bind(json(notice)?)
        .execute(&mut *connection)
        .await?;
    // The oldest go: what is going on now matters more.
    let dropped = sqlx::query(
        "DELETE FROM notification_outbox WHERE id IN (SELECT id FROM notification_outbox WHERE target = ? \
         ORDER BY id DESC LIMIT -1 OFFSET ?)",
    )
    .bind(target)
    .bind(WAITING_MAXIMUM)
    .execute(&mut *connection)
    .await?
    .rows_affected();
    count_dropped(connection, target, dropped).await
}

async fn count_dropped(connection: &mut SqliteConnection, target: &str, dropped: u64) -> Result<(), sqlx::Error> {
    if dropped > 0 {
        tracing::warn!(target = target, dropped, "notices were given up: the target takes too little");
        sqlx::query("UPDATE notification_targets SET dropped = dropped + ? WHERE name = ?")
            .bind(i64::try_from(dropped).unwrap_or(i64::MAX))
            .bind(target)
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// The oldest notices of a target.
pub(super) async fn waiting(pool: &SqlitePool, target: &str, limit: u32) -> Result<Vec<(i64, Notice)>, sqlx::Error> {
    let rows = sqlx::query("SELECT id, notice FROM notification_outbox WHERE target = ? ORDER BY id LIMIT ?")
        .bind(target)
        .bind(limit)
        .fetch_all(pool)
        .await?;
    let read = |row: &SqliteRow| -> Result<(i64, Notice), sqlx::Error> {
        let notice: String = row.try_get("notice")?;
        let notice = serde_json::from_str(&notice).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        Ok((row.try_get("id")?, notice))
    };
    rows.iter().map(read).collect()
}

/// These were told.
pub(super) async fn delivered(pool: &SqlitePool, target: &str, ids: &[i64]) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for id in ids {
        sqlx::query("DELETE FROM notification_outbox WHERE id = ?").bind(id).execute(&mut *transaction).await?;
    }
    sqlx::query("UPDATE notification_targets SET delivered = delivered + ?, last_delivered_at = ?, last_error = '' WHERE name = ?")
        .bind(i64::try_from(ids.len()).unwrap_or(i64::MAX))
        .bind(millis(OffsetDateTime::now_utc()))
        .bind(target)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

/// A try failed; what waits since before `oldest` is given up.
pub(super) async fn failed(
    pool: &SqlitePool,
    target: &str,
    error: &str,
    oldest: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    let error = &error[..error.floor_char_boundary(ERROR_LIMIT_BYTES)];
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let given_up = sqlx::query("DELETE FROM notification_outbox WHERE target = ? AND at < ?");
    let given_up = given_up.bind(target).bind(millis(oldest)).execute(&mut *transaction).await?.rows_affected();
    count_dropped(&mut transaction, target, given_up).await?;
    sqlx::query("UPDATE notification_targets SET last_error = ?, last_error_at = ? WHERE name = ?")
        .bind(error)
        .bind(millis(OffsetDateTime::now_utc()))
        .bind(target)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

// === what was looked through ===

/// How far a source was looked through; none when it never was.
pub(super) async fn cursor(pool: &SqlitePool, source: &str) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar("SELECT value FROM notification_cursors WHERE source = ?")
        .bind(source)
        .fetch_optional(pool)
        .await
}

/// Object and code of what was told of and is not gone.
pub(super) async fn causes(pool: &SqlitePool) -> Result<BTreeSet<(String, String)>, sqlx::Error> {
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT object, code FROM notification_causes").fetch_all(pool).await?;
    Ok(rows.into_iter().collect())
}

pub(super) fn millis(moment: OffsetDateTime) -> UnixMillis {
    i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// None for never.
pub(super) fn moment(millis: UnixMillis) -> Option<OffsetDateTime> {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok();
    moment.filter(|_| millis > 0)
}
