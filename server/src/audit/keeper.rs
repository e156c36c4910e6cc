//! The tables of the audit log in SQLite.

use aurochs_api::session::Role;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, SqlitePool};
use time::OffsetDateTime;

use super::act::{self, Act, Ended};
use super::bounds::{Bounds, NUMBER_MINIMUM};

/// Milliseconds since 1970.
pub(super) type UnixMillis = i64;

/// A row of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Counts up without a gap.
    pub id: i64,
    pub at: OffsetDateTime,
    pub act: Act,
    /// None when nobody knows how it ended.
    pub end: Option<KeptEnd>,
}

/// How it ended, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptEnd {
    pub at: OffsetDateTime,
    pub ended: Ended,
}

/// What is looked for; what is none is not asked about.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub user: Option<String>,
    pub noun: Option<String>,
    pub object: Option<String>,
    pub action: Option<String>,
    pub result: Option<String>,
    /// From this moment on.
    pub since: Option<OffsetDateTime>,
    /// Before this one.
    pub until: Option<OffsetDateTime>,
    /// Only what has a smaller number.
    pub before: Option<i64>,
    pub limit: u32,
}

/// The word for what has no end.
pub(crate) const UNKNOWN: &str = "unknown";

const COLUMNS: &str = "SELECT a.*, r.at AS ended_at, r.result, r.status, r.message \
                       FROM audits a LEFT JOIN audit_results r ON r.audit_id = a.id WHERE 1";

/// Answers with the row's number.
pub(super) async fn begin(connection: &mut SqliteConnection, act: &Act, at: UnixMillis) -> Result<i64, sqlx::Error> {
    let written = sqlx::query(
        "INSERT INTO audits (at, user, role, address, method, path, action, noun, object, input, request_id) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(at)
    .bind(&act.user)
    .bind(act.role.map_or("", |role| role.word()))
    .bind(&act.address)
    .bind(&act.method)
    .bind(&act.path)
    .bind(&act.action)
    .bind(&act.noun)
    .bind(&act.object)
    .bind(&act.input)
    .bind(&act.request_id)
    .execute(connection)
    .await?;
    Ok(written.last_insert_rowid())
}

pub(super) async fn end(
    connection: &mut SqliteConnection,
    id: i64,
    end: &Ended,
    at: UnixMillis,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO audit_results (audit_id, at, result, status, message) VALUES (?, ?, ?, ?, ?)")
        .bind(id)
        .bind(at)
        .bind(end.result.word())
        .bind(end.status)
        .bind(&end.message)
        .execute(connection)
        .await?;
    Ok(())
}

/// Forgets what is too old or too much, from the oldest end.
pub(super) async fn forget(connection: &mut SqliteConnection, bounds: Bounds) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE audit_retention SET forgotten_through = max(forgotten_through, \
         (SELECT coalesce(max(id), 0) - ? FROM audits), \
         min((SELECT coalesce(max(id), 0) FROM audits WHERE at < ?), (SELECT coalesce(max(id), 0) - ? FROM audits)))",
    )
    .bind(bounds.number)
    .bind(bounds.oldest)
    .bind(NUMBER_MINIMUM)
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM audits WHERE id <= (SELECT forgotten_through FROM audit_retention)")
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn list(pool: &SqlitePool, filter: &Filter) -> Result<Vec<Kept>, sqlx::Error> {
    let mut query: QueryBuilder<'_, Sqlite> = QueryBuilder::new(COLUMNS);
    for (column, wanted) in
        [("a.user", &filter.user), ("a.noun", &filter.noun), ("a.object", &filter.object), ("a.action", &filter.action)]
    {
        if let Some(wanted) = wanted {
            query.push(format!(" AND {column} = ")).push_bind(wanted);
        }
    }
    match filter.result.as_deref() {
        None => {}
        Some(UNKNOWN) => drop(query.push(" AND r.audit_id IS NULL")),
        Some(result) => drop(query.push(" AND r.result = ").push_bind(result)),
    }
    for (comparison, moment) in [(" AND a.at >= ", filter.since), (" AND a.at < ", filter.until)] {
        if let Some(moment) = moment {
            query.push(comparison).push_bind(millis(moment));
        }
    }
    if let Some(before) = filter.before {
        query.push(" AND a.id < ").push_bind(before);
    }
    query.push(" ORDER BY a.id DESC LIMIT ").push_bind(filter.limit);
    let rows = query.build().fetch_all(pool).await?;
    rows.iter().map(kept).collect()
}

pub(super) async fn find(pool: &SqlitePool, id: i64) -> Result<Option<Kept>, sqlx::Error> {
    let mut query: QueryBuilder<'_, Sqlite> = QueryBuilder::new(COLUMNS);
    query.push(" AND a.id = ").push_bind(id);
    query.build().fetch_optional(pool).await?.as_ref().map(kept).transpose()
}

fn kept(row: &SqliteRow) -> Result<Kept, sqlx::Error> {
    Ok(Kept { id: row.try_get("id")?, at: moment(row.try_get("at")?), act: act(row)?, end: kept_end(row)? })
}

fn act(row: &SqliteRow) -> Result<Act, sqlx::Error> {
    Ok(Act {
        user: row.try_get("user")?,
        role: Role::of_word(row.try_get("role")?),
        address: row.try_get("address")?,
        method: row.try_get("method")?,
        path: row.try_get("path")?,
        action: row.try_get("action")?,
        noun: row.try_get("noun")?,
        object: row.try_get("object")?,
        input: row.try_get("input")?,
        request_id: row.try_get("request_id")?,
    })
}

/// None also where a later version wrote a word that this one does not know.
fn kept_end(row: &SqliteRow) -> Result<Option<KeptEnd>, sqlx::Error> {
    let Some(at) = row.try_get::<Option<UnixMillis>, _>("ended_at")? else { return Ok(None) };
    let Some(result) = act::Result::of_word(row.try_get("result")?) else { return Ok(None) };
    let ended = Ended { result, status: row.try_get("status")?, message: row.try_get("message")? };
    Ok(Some(KeptEnd { at: moment(at), ended }))
}

pub(super) fn millis(moment: OffsetDateTime) -> UnixMillis {
    i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

fn moment(millis: UnixMillis) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
