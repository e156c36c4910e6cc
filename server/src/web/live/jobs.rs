//! Jobs in the live stream: those that run, and those that ended a moment ago. They are in no store; what changed is found
//! by comparing.

use std::collections::HashMap;
use std::time::Duration;

use futures::Stream;
use futures::stream::{self, StreamExt};

use crate::jobs::{Jobs, Seen};
use crate::view::world::{Change, JobChange};

/// Progress is told at most this often.
const PERIOD: Duration = Duration::from_secs(1);

/// Every change, from what is there now on. It does not keep the jobs alive, and ends with them.
pub(super) fn changes(jobs: &Jobs) -> impl Stream<Item = Change> + Send + use<> {
    let (weak, changed) = (jobs.downgrade(), jobs.changed());
    let begin = (weak, changed, HashMap::new(), true);
    let rounds = stream::unfold(begin, |(weak, mut changed, mut told, is_first)| async move {
        if !is_first {
            changed.changed().await.ok()?;
            tokio::time::sleep(PERIOD).await;
        }
        changed.mark_unchanged();
        let changes = compare(&mut told, weak.upgrade()?.recent());
        Some((changes, (weak, changed, told, false)))
    });
    rounds.flat_map(stream::iter).map(Change::Job)
}

fn compare(told: &mut HashMap<String, Seen>, now: Vec<Seen>) -> Vec<JobChange> {
    let now: HashMap<String, Seen> = now.into_iter().map(|seen| (seen.record.id.to_string(), seen)).collect();
    let gone = told.keys().filter(|id| !now.contains_key(*id)).map(|id| JobChange { id: id.clone(), now: None });
    let changed = now.iter().filter(|(id, seen)| told.get(*id) != Some(seen));
    let changed = changed.map(|(id, seen)| JobChange { id: id.clone(), now: Some(Box::new(seen.clone())) });
    let changes = gone.chain(changed).collect();
    *told = now;
    changes
}
