//! Which lists a client of the live stream shows besides what the stream has: it hears that one changed, and asks for it.

use std::time::Duration;

use aurochs_api::live::{FOLLOWED_MAXIMUM, LiveMessage, LiveRequest};
use tokio::time::Instant;

use super::hub::GATHER;
use super::revisions::Revisions;

/// A client hears of changes at most this often: each makes it ask for whole lists.
const PERIOD: Duration = Duration::from_secs(1);

/// The kinds whose changes change the list with this plural; none when there is no such list to follow.
pub(crate) type Sources = fn(&str) -> Option<&'static [&'static str]>;

/// What one client follows.
pub(crate) struct Followed {
    revisions: Revisions,
    sources: Sources,
    lists: Vec<List>,
    not_before: Instant,
    /// When a change that was noticed is told. Kept here, so that waiting can be cut short and go on.
    due: Option<Instant>,
}

struct List {
    name: String,
    sources: &'static [&'static str],
    /// Changes that the client knows of.
    known: u64,
}

impl Followed {
    pub(crate) fn new(revisions: Revisions, sources: Sources) -> Self {
        Self { revisions, sources, lists: Vec::new(), not_before: Instant::now(), due: None }
    }

    /// Takes what the client said; answers with what it hears of from now on. None when that was no request.
    pub(crate) fn follow(&mut self, said: &str) -> Option<LiveMessage> {
        let mut request: LiveRequest = serde_json::from_str(said).ok()?;
        request.follow.truncate(FOLLOWED_MAXIMUM);
        request.follow.sort_unstable();
        request.follow.dedup();
        let list = |name: String| {
            let sources = (self.sources)(&name)?;
            // What was followed before keeps what is not told yet.
            let before = self.lists.iter().find(|list| list.name == name);
            let known = before.map_or_else(|| self.revisions.of(sources), |list| list.known);
            Some(List { name, sources, known })
        };
        let lists: Vec<List> = request.follow.into_iter().filter_map(list).collect();
        self.lists = lists;
        self.due = None;
        Some(LiveMessage::Following { lists: self.lists.iter().map(|list| list.name.clone()).collect() })
    }

    /// Waits until there is something to tell; for ever while nothing changes. Safe to cancel.
    pub(crate) async fn stale(&mut self) -> LiveMessage {
        loop {
            let due = match self.due {
                Some(due) => due,
                None => {
                    self.changed().await;
                    let due = self.not_before.max(Instant::now() + GATHER);
                    self.due = Some(due);
                    due
                }
            };
            tokio::time::sleep_until(due).await;
            (self.due, self.not_before) = (None, Instant::now() + PERIOD);
            let lists = self.take_changed();
            if !lists.is_empty() {
                return LiveMessage::Stale { lists };
            }
        }
    }

    /// Waits until any of the lists is another one than the client knows.
    async fn changed(&self) {
        if self.lists.is_empty() {
            return std::future::pending().await;
        }
        let sources: Vec<&'static str> = self.lists.iter().flat_map(|list| list.sources.iter().copied()).collect();
        loop {
            let now = self.revisions.of(&sources);
            if self.lists.iter().any(|list| self.revisions.of(list.sources) != list.known) {
                return;
            }
            self.revisions.other_than(&sources, now).await;
        }
    }

    fn take_changed(&mut self) -> Vec<String> {
        let mut changed = Vec::new();
        for list in &mut self.lists {
            let now = self.revisions.of(list.sources);
            if now != list.known {
                list.known = now;
                changed.push(list.name.clone());
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(name: &str) -> Option<&'static [&'static str]> {
        match name {
            "backups" => Some(&["backups"]),
            "volumes" => Some(&["volumes", "engines"]),
            _ => None,
        }
    }

    fn followed() -> (Revisions, Followed) {
        let revisions = Revisions::default();
        (revisions.clone(), Followed::new(revisions, sources))
    }

    fn lists(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[tokio::test]
    async fn changes_are_gathered_and_told_once_a_second() {
        let (revisions, mut followed) = followed();
        revisions.touch("backups");
        let answer = followed.follow(r#"{"follow": ["volumes", "backups", "backups", "secrets"]}"#);
        assert_eq!(answer, Some(LiveMessage::Following { lists: lists(&["backups", "volumes"]) }));
        revisions.touch("engines");
        revisions.touch("backups");
        revisions.touch("engines");
        let began = Instant::now();
        assert_eq!(followed.stale().await, LiveMessage::Stale { lists: lists(&["backups", "volumes"]) });
        revisions.touch("engines");
        assert_eq!(followed.stale().await, LiveMessage::Stale { lists: lists(&["volumes"]) });
        assert!(began.elapsed() >= PERIOD, "the second time came after {:?}", began.elapsed());
    }

    #[tokio::test]
    async fn waiting_that_is_cut_short_again_and_again_comes_to_its_end() {
        let (revisions, mut followed) = followed();
        followed.follow(r#"{"follow": ["backups"]}"#);
        revisions.touch("backups");
        // Shorter than changes are gathered for.
        let told = async {
            loop {
                if let Ok(told) = tokio::time::timeout(GATHER / 5, followed.stale()).await {
                    return told;
                }
            }
        };
        // Far longer than it takes; a test that hangs should fail.
        let told = tokio::time::timeout(20 * PERIOD, told).await;
        assert_eq!(told, Ok(LiveMessage::Stale { lists: lists(&["backups"]) }));
    }

    #[tokio::test]
    async fn what_is_not_followed_any_more_is_not_told_and_nonsense_changes_nothing() {
        let (revisions, mut followed) = followed();
        followed.follow(r#"{"follow": ["backups"]}"#);
        for nonsense in ["", "[]", "{\"follow\": 1}", "\u{0}"] {
            assert_eq!(followed.follow(nonsense), None);
        }
        followed.follow(r#"{"follow": ["volumes"]}"#);
        revisions.touch("backups");
        revisions.touch("volumes");
        assert_eq!(followed.stale().await, LiveMessage::Stale { lists: lists(&["volumes"]) });
        let many: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
        let answer = followed.follow(&serde_json::json!({"follow": many}).to_string());
        assert_eq!(answer, Some(LiveMessage::Following { lists: Vec::new() }));
    }
}
