//! What the members take down of replicas that have left.
//!
//! Invariant: **between the moment at which a member stops getting requests and the one at which those that stay have begun to
//! take down what it misses, none of them makes a region clean, and no acknowledgement leaves.** Until then everything that
//! it may miss is dirty in their logs: what was in flight, and what came since; and what is dirty is what a member begins with.
//! So the order is:
//! 1. the record says that the replica is no member any more;
//! 2. every member takes down what it misses, from that generation on, durably;
//! 3. acknowledgements leave, and rounds of clearing end (`region_rounds`).
//!
//! A crash between 1 and 2 leaves members that know nothing, or something of an earlier absence, which does not count: the
//! replica was told a later generation. It is rebuilt in full then. So is one for which a member could not take anything down,
//! unless another did.
//!
//! A member that does not answer holds no acknowledgement up for longer than [`PATIENCE`], and goes on holding up the rounds:
//! what it takes down late would lack what was cleared before.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::membership::{Mode, View};
use super::record::{Generation, Record};
use crate::link::ReplicaLink;
use crate::link::control::ControlRequest;
use crate::rule;

/// Longest wait for members: each replaces one small file.
const PATIENCE: Duration = Duration::from_secs(8);

/// Questions to members that have no answer yet, and replicas of which nothing is to be taken down.
#[derive(Default)]
pub(super) struct Absentees {
    unanswered: Arc<watch::Sender<usize>>,
    /// Members that were removed on request: what is on their disks is not to be used again.
    given_up: Mutex<BTreeSet<String>>,
}

/// One question.
struct Question(Arc<watch::Sender<usize>>);

impl Question {
    fn of(absentees: &Absentees) -> Self {
        absentees.unanswered.send_modify(|count| *count += 1);
        Self(Arc::clone(&absentees.unanswered))
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Absentees {
    fn given_up(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The member is about to be removed on request.
    pub(super) fn give_up(&self, name: &str) {
        self.given_up().insert(name.to_owned());
    }

    /// It is a member, or about to be one.
    pub(super) fn take_back(&self, name: &str) {
        self.given_up().remove(name);
    }

    /// Whether every member has answered.
    pub(super) fn are_noted(&self) -> bool {
        *self.unanswered.borrow() == 0
    }

    /// The record is `now`: tells its members who has left since `before`, and who has come.
    pub(super) async fn note(&self, view: &View, before: &Record, now: &Record) {
        let stays = |name: &str, mode: Mode| mode != Mode::WriteOnly && now.members.contains(name);
        let members = view.members.iter().filter(|member| stays(member.link.name(), member.mode));
        let links: Vec<&ReplicaLink> = members.map(|member| &member.link).collect();
        for back in now.members.difference(&before.members) {
            self.take_back(back);
            forget(&links, back);
        }
        let mut any = false;
        for absent in before.members.difference(&now.members) {
            if self.given_up().contains(absent) {
                forget(&links, absent);
            } else if !rule::is_left_out(rule::MISSED_FIRST) {
                links.iter().for_each(|link| self.ask(link, absent, now.generation));
                any = true;
            }
        }
        if any {
            let mut unanswered = self.unanswered.subscribe();
            // An error of the channel means that the sender is gone, and it is `self`.
            let answered = unanswered.wait_for(|count| *count == 0);
            if tokio::time::timeout(PATIENCE, answered).await.is_err() {
                tracing::warn!("a member has not confirmed yet that it takes down what an absent replica misses");
            }
        }
    }

    fn ask(&self, link: &ReplicaLink, absent: &str, since: Generation) {
        let (question, link) = (Question::of(self), link.clone());
        let request = ControlRequest::BeginToMiss { replica: absent.to_owned(), since: since.0 };
        tokio::spawn(async move {
            if let Err(error) = link.control(&request).await {
                tracing::warn!(replica = link.name(), %error, "it does not take down what an absent replica misses");
            }
            // Not before: it may do it as long as the link is there.
            drop(question);
        });
    }
}

/// In the background: what is not forgotten is too much, and no harm.
fn forget(links: &[&ReplicaLink], replica: &str) {
    for link in links {
        let (link, request) = ((*link).clone(), ControlRequest::ForgetMissed { replica: replica.to_owned() });
        tokio::spawn(async move {
            if let Err(error) = link.control(&request).await {
                tracing::debug!(replica = link.name(), %error, "it goes on taking down what no replica misses any more");
            }
        });
    }
}
