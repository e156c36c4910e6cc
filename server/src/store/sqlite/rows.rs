//! The SQL: one function a statement, inside the caller's transaction.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::Failure;
use crate::resources::Metadata;
use crate::store::RawObject;

type Labels = BTreeMap<String, String>;

/// The version of the whole store.
pub(super) async fn version(connection: &mut SqliteConnection) -> Result<u64, Failure> {
    let version: i64 = sqlx::query_scalar("SELECT value FROM store_version WHERE id = 1").fetch_one(connection).await?;
    Ok(version.cast_unsigned())
}

pub(super) async fn get(
    connection: &mut SqliteConnection,
    plural: &str,
    name: &str,
) -> Result<Option<RawObject>, Failure> {
    let row = sqlx::query("SELECT resource_version, metadata, spec, status FROM objects WHERE plural = ? AND name = ?")
        .bind(plural)
        .bind(name)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read).transpose()
}

/// The stored object, if its version is the one that the caller saw.
pub(super) async fn get_at_version(
    connection: &mut SqliteConnection,
    plural: &str,
    seen: &Metadata,
) -> Result<RawObject, Failure> {
    let stored = get(connection, plural, &seen.name).await?.ok_or(Failure::NotFound)?;
    if stored.metadata.resource_version != seen.resource_version || stored.metadata.uid != seen.uid {
        return Err(Failure::Conflict);
    }
    Ok(stored)
}

pub(super) async fn list(
    connection: &mut SqliteConnection,
    plural: &str,
    label: Option<(&str, &str)>,
) -> Result<Vec<RawObject>, Failure> {
    let rows = match label {
        None => {
            sqlx::query("SELECT resource_version, metadata, spec, status FROM objects WHERE plural = ? ORDER BY name")
                .bind(plural)
                .fetch_all(connection)
                .await?
        }
        Some((key, value)) => {
            sqlx::query(
                "SELECT o.resource_version, o.metadata, o.spec, o.status
                 FROM labels l JOIN objects o ON o.plural = l.plural AND o.name = l.name
                 WHERE l.plural = ? AND l.key = ? AND l.value = ? ORDER BY o.name",
            )
            .bind(plural)
            .bind(key)
            .bind(value)
            .fetch_all(connection)
            .await?
        }
    };
    rows.iter().map(read).collect()
}

/// Writes the object under the next version, which it gets. `before`: the labels that it had, none when it is new. Most
/// writes are of a status, and leave the rows of labels alone.
pub(super) async fn put(
    connection: &mut SqliteConnection,
    plural: &str,
    object: &mut RawObject,
    before: &Labels,
) -> Result<(), Failure> {
    let version = next_version(connection).await?;
    object.metadata.resource_version = version.to_string();
    sqlx::query(
        "INSERT INTO objects (plural, name, resource_version, metadata, spec, status) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (plural, name) DO UPDATE SET resource_version = excluded.resource_version,
             metadata = excluded.metadata, spec = excluded.spec, status = excluded.status",
    )
    .bind(plural)
    .bind(&object.metadata.name)
    .bind(version)
    .bind(serde_json::to_string(&object.metadata)?)
    .bind(object.spec.to_string())
    .bind(object.status.to_string())
    .execute(&mut *connection)
    .await?;
    if object.metadata.labels == *before {
        return Ok(());
    }
    write_labels(connection, plural, &object.metadata).await
}

/// Removes the object; it gets the version of its removal.
pub(super) async fn remove(
    connection: &mut SqliteConnection,
    plural: &str,
    object: &mut RawObject,
) -> Result<(), Failure> {
    object.metadata.resource_version = next_version(connection).await?.to_string();
    sqlx::query("DELETE FROM objects WHERE plural = ? AND name = ?")
        .bind(plural)
        .bind(&object.metadata.name)
        .execute(connection)
        .await?;
    Ok(())
}

async fn next_version(connection: &mut SqliteConnection) -> Result<i64, Failure> {
    let next = sqlx::query_scalar("UPDATE store_version SET value = value + 1 WHERE id = 1 RETURNING value");
    Ok(next.fetch_one(connection).await?)
}

async fn write_labels(connection: &mut SqliteConnection, plural: &str, metadata: &Metadata) -> Result<(), Failure> {
    sqlx::query("DELETE FROM labels WHERE plural = ? AND name = ?")
        .bind(plural)
        .bind(&metadata.name)
        .execute(&mut *connection)
        .await?;
    for (key, value) in &metadata.labels {
        sqlx::query("INSERT INTO labels (plural, name, key, value) VALUES (?, ?, ?, ?)")
            .bind(plural)
            .bind(&metadata.name)
            .bind(key)
            .bind(value)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

fn read(row: &SqliteRow) -> Result<RawObject, Failure> {
    let version: i64 = row.try_get(0)?;
    let (metadata, spec, status): (&str, &str, &str) = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
    let mut metadata: Metadata = serde_json::from_str(metadata)?;
    metadata.resource_version = version.to_string();
    Ok(RawObject { metadata, spec: serde_json::from_str(spec)?, status: serde_json::from_str(status)? })
}
