//! Bounds on what is kept of one kind of work on one object: those of the whole history are the keeper's.

use aurochs_api::job::{JobKind, JobState};
use sqlx::QueryBuilder;

use super::Jobs;

impl Jobs {
    /// Forgets all but the last `keep` jobs of this kind and object that ended in one of these ways.
    pub async fn forget_beyond(
        &self,
        kind: JobKind,
        object: &str,
        states: &[JobState],
        keep: u64,
    ) -> Result<(), sqlx::Error> {
        let Some(pool) = &self.0.pool else { return Ok(()) };
        let mut query = QueryBuilder::new("DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE kind = ");
        query.push_bind(kind.word()).push(" AND object = ").push_bind(object.to_owned()).push(" AND state IN (");
        let mut list = query.separated(", ");
        // What runs has no place among them, whatever the caller says.
        for state in states.iter().filter(|state| **state != JobState::Running) {
            list.push_bind(state.word());
        }
        query.push(") ORDER BY id DESC LIMIT -1 OFFSET ").push_bind(i64::try_from(keep).unwrap_or(i64::MAX)).push(")");
        query.build().execute(pool).await?;
        Ok(())
    }
}
