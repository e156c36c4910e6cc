//! The table of samples in SQLite.

use std::time::Duration;

use sqlx::{Row as _, SqliteConnection, SqlitePool};

use super::chunk::{self, Points, Sample};
use super::level::{LEVELS, Level};
use super::memory::Row;

/// How often what is new is written: what a crash may cost.
pub(super) const FLUSH_PERIOD: Duration = Duration::from_secs(5 * 60);
/// Rows of one transaction: others write between two.
const BATCH: usize = 256;
/// What a row takes beside its points and its name: numbers, headers, its place in the index, half-filled pages.
const ROW_BYTES: usize = 120;

/// Adds the rows to what the table has. The rows that were not written come back with the error.
pub(super) async fn write<S: Sample>(
    pool: &SqlitePool,
    mut rows: Vec<Row<S>>,
) -> Result<(), (sqlx::Error, Vec<Row<S>>)> {
    while !rows.is_empty() {
        let rest = rows.split_off(rows.len().min(BATCH));
        if let Err(error) = write_batch(pool, &rows).await {
            rows.extend(rest);
            return Err((error, rows));
        }
        rows = rest;
    }
    Ok(())
}

async fn write_batch<S: Sample>(pool: &SqlitePool, rows: &[Row<S>]) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    for row in rows {
        let level = LEVELS[row.level];
        let mut points = find::<S>(&mut transaction, &row.series, level, row.start).await?;
        chunk::add(&mut points, &row.points);
        put::<S>(&mut transaction, &row.series, level, row.start, &points).await?;
    }
    transaction.commit().await
}

async fn find<S: Sample>(
    connection: &mut SqliteConnection,
    series: &str,
    level: Level,
    start: u64,
) -> Result<Points<S>, sqlx::Error> {
    let found = sqlx::query("SELECT points FROM samples WHERE kind = ? AND series = ? AND step = ? AND start = ?")
        .bind(S::KIND)
        .bind(series)
        .bind(number(level.step))
        .bind(number(start))
        .fetch_optional(connection)
        .await?;
    found.map_or_else(|| Ok(Points::new()), |row| Ok(points(&row.try_get::<Vec<u8>, _>("points")?, series)))
}

/// What can't be read is as good as absent, and is written over.
fn points<S: Sample>(bytes: &[u8], series: &str) -> Points<S> {
    chunk::decode(bytes).unwrap_or_else(|error| {
        tracing::warn!(series, kind = S::KIND, %error, "left out");
        Points::new()
    })
}

async fn put<S: Sample>(
    connection: &mut SqliteConnection,
    series: &str,
    level: Level,
    start: u64,
    points: &Points<S>,
) -> Result<(), sqlx::Error> {
    let points = chunk::encode(points);
    // The name is in the table and in its index.
    let bytes = points.len() + 2 * series.len() + ROW_BYTES;
    sqlx::query("INSERT OR REPLACE INTO samples (kind, series, step, start, bytes, points) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(S::KIND)
        .bind(series)
        .bind(number(level.step))
        .bind(number(start))
        .bind(i64::try_from(bytes).unwrap_or(i64::MAX))
        .bind(points)
        .execute(connection)
        .await?;
    Ok(())
}

/// Points of a series in a range of moments, by the moment at which each begins.
pub(super) async fn read<S: Sample>(
    pool: &SqlitePool,
    series: &str,
    level: Level,
    from: u64,
    to: u64,
) -> Result<Vec<(u64, S)>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT start, points FROM samples WHERE kind = ? AND series = ? AND step = ? AND start >= ? AND start < ? \
         ORDER BY start",
    )
    .bind(S::KIND)
    .bind(series)
    .bind(number(level.step))
    .bind(number(level.row_of(from)))
    .bind(number(to))
    .fetch_all(pool)
    .await?;
    let mut found = Vec::new();
    for row in rows {
        let start = u64::try_from(row.try_get::<i64, _>("start")?).unwrap_or_default();
        let points = points::<S>(&row.try_get::<Vec<u8>, _>("points")?, series);
        found.extend(points.into_iter().map(|(step, sample)| (start.saturating_add(step * level.step), sample)));
    }
    Ok(found)
}

/// Names of all series of a kind. Each is one step in the table's index, however many rows it has.
pub(super) async fn series(pool: &SqlitePool, kind: &str) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "WITH RECURSIVE names(name) AS ( \
         SELECT min(series) FROM samples WHERE kind = ?1 UNION ALL \
         SELECT (SELECT min(series) FROM samples WHERE kind = ?1 AND series > name) FROM names WHERE name IS NOT NULL \
         ) SELECT name FROM names WHERE name IS NOT NULL",
    )
    .bind(kind)
    .fetch_all(pool)
    .await
}

/// Removes everything of a series.
pub(super) async fn remove(pool: &SqlitePool, kind: &str, series: &str) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM samples WHERE kind = ? AND series = ?").bind(kind).bind(series).execute(pool).await?;
    Ok(())
}

/// Removes what is too old; then, if all together is too much, what has been kept for the largest part of its time, so
/// that every step keeps the same part of what it would keep.
pub(super) async fn forget(pool: &SqlitePool, now: u64, bytes_maximum: u64) -> Result<(), sqlx::Error> {
    for level in LEVELS {
        let oldest = now.saturating_sub(level.kept + level.row);
        sqlx::query("DELETE FROM samples WHERE step = ? AND start < ?")
            .bind(number(level.step))
            .bind(number(oldest))
            .execute(pool)
            .await?;
    }
    let mut bytes = size(pool).await?;
    if bytes <= bytes_maximum {
        return Ok(());
    }
    // A little more than has to go, or each write would have to look for room.
    while bytes > bytes_maximum / 100 * 95 {
        let Some((level, start)) = first_to_go(pool, now).await? else { return Ok(()) };
        sqlx::query("DELETE FROM samples WHERE step = ? AND start = ?")
            .bind(number(level.step))
            .bind(number(start))
            .execute(pool)
            .await?;
        bytes = size(pool).await?;
    }
    Ok(())
}

/// The row times of one step that have been kept for the largest part of their time.
async fn first_to_go(pool: &SqlitePool, now: u64) -> Result<Option<(Level, u64)>, sqlx::Error> {
    let mut first = None::<(u64, Level, u64)>;
    for level in LEVELS {
        let oldest: Option<i64> = sqlx::query_scalar("SELECT min(start) FROM samples WHERE step = ?")
            .bind(number(level.step))
            .fetch_one(pool)
            .await?;
        let Some(oldest) = oldest.and_then(|oldest| u64::try_from(oldest).ok()) else { continue };
        let part = now.saturating_sub(oldest).saturating_mul(1000) / level.kept;
        if first.is_none_or(|(most, _, _)| part > most) {
            first = Some((part, level, oldest));
        }
    }
    Ok(first.map(|(_, level, start)| (level, start)))
}

/// What all rows take.
pub(super) async fn size(pool: &SqlitePool) -> Result<u64, sqlx::Error> {
    let bytes: i64 = sqlx::query_scalar("SELECT coalesce(sum(bytes), 0) FROM samples").fetch_one(pool).await?;
    Ok(u64::try_from(bytes).unwrap_or_default())
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
