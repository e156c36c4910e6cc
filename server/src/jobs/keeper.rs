//! The tables of jobs in SQLite.

use std::time::Duration;

use aurochs_api::job::{JobKind, JobLogLevel, JobStarter, JobState};
use serde::de::DeserializeOwned;
use serde::de::value::{Error as NoWord, StrDeserializer};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, SqlitePool};
use time::OffsetDateTime;

use super::board::{LINES_AT_EACH_END, Sheet};
use super::new_job::{Cancel, Failure, Outcome, StartedBy};
use super::query::{Filter, Page};
use super::record::{JobId, Line, Record, Standing};
use crate::settings::{Name, Settings};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How much of the history is kept. What runs is never forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) age: Duration,
    pub(super) count: u64,
}

impl Bounds {
    pub(super) fn of(settings: &Settings) -> Self {
        let days = u32::try_from(settings.number(Name::JobHistoryMaxAgeDays)).unwrap_or(u32::MAX);
        Self { age: DAY.saturating_mul(days), count: settings.number(Name::JobHistoryMaxCount) }
    }
}

// === writing ===

/// Writes the jobs in one transaction; where some ended, those that are too old or too many go.
pub(super) async fn write(pool: &SqlitePool, sheets: &[Sheet], bounds: Bounds) -> Result<(), sqlx::Error> {
    if sheets.is_empty() {
        return Ok(());
    }
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    for sheet in sheets {
        put(&mut transaction, &sheet.record).await?;
        put_lines(&mut transaction, sheet).await?;
    }
    if sheets.iter().any(|sheet| !sheet.record.is_running()) {
        forget_in(&mut transaction, bounds).await?;
    }
    transaction.commit().await
}

async fn put(connection: &mut SqliteConnection, job: &Record) -> Result<(), sqlx::Error> {
    let failure = match &job.standing {
        Standing::Ended { outcome: Outcome::Failed(failure), .. } => Some(failure),
        _ => None,
    };
    let cancel_refusal = match &job.cancel {
        Cancel::Possible => None,
        Cancel::Impossible(why) => Some(why.as_str()),
    };
    // Who cancelled it is who asked for that.
    let cancelled_by = match &job.standing {
        Standing::Ended { outcome: Outcome::Cancelled(by), .. } => Some(by),
        _ => job.cancel_asked_by.as_ref(),
    };
    sqlx::query(
        "INSERT INTO jobs (id, key, kind, object, volume, node, starter, started_by, phases, planned_bytes, done_bytes, \
         cancel_refusal, cancel_asked_by, started_at, updated_at, state, ended_at, message, next_step, cause) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET \
         phases = excluded.phases, planned_bytes = excluded.planned_bytes, done_bytes = excluded.done_bytes, \
         cancel_refusal = excluded.cancel_refusal, cancel_asked_by = excluded.cancel_asked_by, \
         updated_at = excluded.updated_at, state = excluded.state, ended_at = excluded.ended_at, \
         message = excluded.message, next_step = excluded.next_step, cause = excluded.cause",
    )
    .bind(job.id.0)
    .bind(&job.key)
    .bind(job.kind.word())
    .bind(&job.object)
    .bind(&job.volume)
    .bind(&job.node)
    .bind(job.started_by.starter().word())
    .bind(job.started_by.text())
    .bind(json(&job.phases)?)
    .bind(job.planned_bytes.map(stored))
    .bind(stored(job.done_bytes))
    .bind(cancel_refusal)
    .bind(cancelled_by)
    .bind(millis(job.started_at))
    .bind(millis(job.updated_at))
    .bind(job.state().word())
    .bind(job.ended_at().map(millis))
    .bind(failure.map_or("", |failure| &failure.message))
    .bind(failure.map_or("", |failure| &failure.next_step))
    .bind(failure.and_then(|failure| failure.cause.as_ref()).map(json).transpose()?)
    .execute(connection)
    .await?;
    Ok(())
}

async fn put_lines(connection: &mut SqliteConnection, sheet: &Sheet) -> Result<(), sqlx::Error> {
    let id = sheet.record.id.0;
    for line in &sheet.lines {
        sqlx::query("INSERT OR REPLACE INTO job_log (job, number, at, level, text) VALUES (?, ?, ?, ?, ?)")
            .bind(id)
            .bind(stored(line.number))
            .bind(millis(line.at))
            .bind(line.level.word())
            .bind(&line.text)
            .execute(&mut *connection)
            .await?;
    }
    let Some(last) = sheet.lines.last().filter(|last| last.number >= 2 * LINES_AT_EACH_END) else { return Ok(()) };
    sqlx::query("DELETE FROM job_log WHERE job = ? AND number >= ? AND number <= ?")
        .bind(id)
        .bind(stored(LINES_AT_EACH_END))
        .bind(stored(last.number - LINES_AT_EACH_END))
        .execute(connection)
        .await?;
    Ok(())
}

/// Forgets what is too old or too much, if anything is.
pub(super) async fn forget(pool: &SqlitePool, bounds: Bounds) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    forget_in(&mut transaction, bounds).await?;
    transaction.commit().await
}

async fn forget_in(connection: &mut SqliteConnection, bounds: Bounds) -> Result<(), sqlx::Error> {
    let oldest = millis(OffsetDateTime::now_utc() - bounds.age);
    sqlx::query("DELETE FROM jobs WHERE ended_at < ?").bind(oldest).execute(&mut *connection).await?;
    sqlx::query(
        "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE state <> 'running' ORDER BY id DESC LIMIT -1 OFFSET ?)",
    )
    .bind(stored(bounds.count))
    .execute(connection)
    .await?;
    Ok(())
}

// === reading ===

/// Number of the latest job that there ever was.
pub(super) async fn last_id(pool: &SqlitePool) -> Result<i64, sqlx::Error> {
    let last: Option<i64> =
        sqlx::query_scalar("SELECT seq FROM sqlite_sequence WHERE name = 'jobs'").fetch_optional(pool).await?;
    Ok(last.unwrap_or_default())
}

/// Those that an earlier manager left running, with the number of their next line.
pub(super) async fn running(pool: &SqlitePool) -> Result<Vec<(Record, u64)>, sqlx::Error> {
    let next = "(SELECT coalesce(max(number) + 1, 0) FROM job_log WHERE job = jobs.id) AS next_line";
    let rows = sqlx::query(&format!("SELECT *, {next} FROM jobs WHERE state = 'running'")).fetch_all(pool).await?;
    rows.iter().map(|row| Ok((record(row)?, count(row.try_get("next_line")?)))).collect()
}

pub(super) async fn find(pool: &SqlitePool, id: JobId) -> Result<Option<Record>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM jobs WHERE id = ?").bind(id.0).fetch_optional(pool).await?;
    row.as_ref().map(record).transpose()
}

pub(super) async fn log_of(pool: &SqlitePool, id: JobId) -> Result<Vec<Line>, sqlx::Error> {
    let rows = sqlx::query("SELECT * FROM job_log WHERE job = ? ORDER BY number").bind(id.0).fetch_all(pool).await?;
    rows.iter().map(line).collect()
}

pub(super) async fn list(pool: &SqlitePool, filter: &Filter, page: Page) -> Result<Vec<Record>, sqlx::Error> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM jobs WHERE true");
    let texts = [("volume", &filter.volume), ("node", &filter.node), ("object", &filter.object)];
    for (column, wanted) in texts.into_iter().filter_map(|(column, wanted)| Some((column, wanted.as_ref()?))) {
        query.push(format_args!(" AND {column} = ")).push_bind(wanted.clone());
    }
    push_any(&mut query, "kind", filter.kinds.iter().map(|kind| kind.word()));
    push_any(&mut query, "state", filter.states.iter().map(|state| state.word()));
    if let Some(starter) = &filter.started_by {
        query.push(" AND starter = ").push_bind(starter.kind.word());
        if let Some(name) = &starter.name {
            query.push(" AND started_by = ").push_bind(name.clone());
        }
    }
    if let Some(from) = filter.from {
        query.push(" AND (ended_at IS NULL OR ended_at >= ").push_bind(millis(from)).push(")");
    }
    if let Some(to) = filter.to {
        query.push(" AND started_at < ").push_bind(millis(to));
    }
    if let Some(before) = page.before {
        query.push(" AND id < ").push_bind(before.0);
    }
    query.push(" ORDER BY id DESC LIMIT ").push_bind(i64::from(page.limit));
    query.build().fetch_all(pool).await?.iter().map(record).collect()
}

fn push_any(query: &mut QueryBuilder<'_, Sqlite>, column: &str, words: impl ExactSizeIterator<Item = &'static str>) {
    if words.len() == 0 {
        return;
    }
    query.push(format_args!(" AND {column} IN ("));
    let mut list = query.separated(", ");
    for word in words {
        list.push_bind(word);
    }
    query.push(")");
}

// === rows ===

fn record(row: &SqliteRow) -> Result<Record, sqlx::Error> {
    let starter = read_word::<JobStarter>(row.try_get("starter")?);
    Ok(Record {
        id: JobId(row.try_get("id")?),
        key: row.try_get("key")?,
        kind: read_word::<JobKind>(row.try_get("kind")?),
        object: row.try_get("object")?,
        volume: row.try_get("volume")?,
        node: row.try_get("node")?,
        started_by: StartedBy::of(starter, row.try_get("started_by")?),
        cancel: row.try_get::<Option<String>, _>("cancel_refusal")?.map_or(Cancel::Possible, Cancel::Impossible),
        cancel_asked_by: row.try_get("cancel_asked_by")?,
        phases: serde_json::from_str(row.try_get("phases")?).unwrap_or_default(),
        planned_bytes: row.try_get::<Option<i64>, _>("planned_bytes")?.map(count),
        done_bytes: count(row.try_get("done_bytes")?),
        started_at: moment(row.try_get("started_at")?),
        updated_at: moment(row.try_get("updated_at")?),
        standing: standing(row)?,
    })
}

fn standing(row: &SqliteRow) -> Result<Standing, sqlx::Error> {
    let outcome = match read_word::<JobState>(row.try_get("state")?) {
        JobState::Running => return Ok(Standing::Running),
        JobState::Succeeded => Outcome::Succeeded,
        JobState::Cancelled => {
            Outcome::Cancelled(row.try_get::<Option<String>, _>("cancel_asked_by")?.unwrap_or_default())
        }
        JobState::Interrupted => Outcome::Interrupted,
        JobState::Failed => Outcome::Failed(Failure {
            message: row.try_get("message")?,
            next_step: row.try_get("next_step")?,
            cause: row.try_get::<Option<&str>, _>("cause")?.and_then(|text| serde_json::from_str(text).ok()),
        }),
    };
    let at = row.try_get::<Option<i64>, _>("ended_at")?.map_or(OffsetDateTime::UNIX_EPOCH, moment);
    Ok(Standing::Ended { at, outcome })
}

fn line(row: &SqliteRow) -> Result<Line, sqlx::Error> {
    Ok(Line {
        number: count(row.try_get("number")?),
        at: moment(row.try_get("at")?),
        level: read_word::<JobLogLevel>(row.try_get("level")?),
        text: row.try_get("text")?,
    })
}

/// A word that this version does not know is the type's default.
fn read_word<T: DeserializeOwned + Default>(text: &str) -> T {
    T::deserialize(StrDeserializer::<NoWord>::new(text)).unwrap_or_default()
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(Box::new(error)))
}

fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn count(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or_default()
}

fn millis(moment: OffsetDateTime) -> i64 {
    i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

fn moment(millis: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
