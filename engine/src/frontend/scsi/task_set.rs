//! The task set: which commands may be at work at the same time (SAM-5, section 8).
//!
//! ```text
//! front                                                          back
//! ┌─────────────────┐   ┌─────────┐   ┌─────────────────┐
//! │ simple, simple… │ ◄ │ ordered │ ◄ │ simple, simple… │ ◄ whoever comes
//! └─────────────────┘   └─────────┘   └─────────────────┘
//!  at work               wait until all in front of them have ended
//! ```
//! One task set for all sessions (TST 000b in the control mode page), in which SIMPLE commands run in any order (QUEUE
//! ALGORITHM MODIFIER 0001b). An ORDERED one begins when everything that came before it has ended, and everything that comes
//! after it waits. HEAD OF QUEUE joins the front; what comes after it waits for its end.
//!
//! A command is in the set from when it is its turn by its number until it has ended, so also while a transport collects
//! its data. Invariant: once it is a command's turn, it stays so. So whoever takes what is scarce (memory) only in its turn
//! waits for nobody who waits for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The order that an initiator asks for among its commands: the task attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Any.
    Simple,
    /// After every command that came before, and before every one that comes after.
    Ordered,
    /// Before all that wait.
    HeadOfQueue,
}

/// Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct TaskSet(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Another group is at the front.
    moved: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    /// Number of the group at the front; those behind it follow.
    front: u64,
    groups: VecDeque<Group>,
}

/// Commands that may be at work together.
#[derive(Debug)]
struct Group {
    commands: usize,
    /// More SIMPLE commands may join.
    is_open: bool,
}

/// A command's place in the set, which it leaves when this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Place {
    set: TaskSet,
    group: u64,
}

impl TaskSet {
    /// Puts a command into the set, behind those that are there.
    pub fn enter(&self, order: Order) -> Place {
        let mut queue = self.lock();
        let group = queue.enter(order);
        drop(queue);
        Place { set: self.clone(), group }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn enter(&mut self, order: Order) -> u64 {
        let has_room = |group: &Group| order == Order::Simple && group.is_open;
        match order {
            Order::HeadOfQueue if !self.groups.is_empty() => {
                let front = &mut self.groups[0];
                front.commands += 1;
                front.is_open = false;
                return self.front;
            }
            _ if self.groups.back().is_some_and(has_room) => {}
            _ => self.groups.push_back(Group { commands: 0, is_open: order == Order::Simple }),
        }
        let last = self.groups.len() - 1;
        self.groups[last].commands += 1;
        self.front + last as u64
    }

    /// True: another group is at the front.
    fn leave(&mut self, group: u64) -> bool {
        if let Some(group) = self.groups.get_mut((group - self.front) as usize) {
            group.commands -= 1;
        }
        let before = self.front;
        while self.groups.front().is_some_and(|group| group.commands == 0) {
            self.groups.pop_front();
            self.front += 1;
        }
        // What was called off at the back keeps nobody waiting who comes now.
        while self.groups.back().is_some_and(|group| group.commands == 0) {
            self.groups.pop_back();
        }
        self.front != before
    }
}

impl Place {
    pub fn is_its_turn(&self) -> bool {
        self.set.lock().front == self.group
    }

    /// Returns when it is the command's turn. Does not borrow the place, so that whoever keeps it can wait elsewhere.
    pub fn turn(&self) -> impl Future<Output = ()> + Send + use<> {
        let (set, group) = (self.set.clone(), self.group);
        async move {
            loop {
                // Almost always so.
                if set.lock().front >= group {
                    return;
                }
                let moved = set.0.moved.notified();
                tokio::pin!(moved);
                // Before looking again, so that nothing that happens in between is missed.
                moved.as_mut().enable();
                if set.lock().front < group {
                    moved.await;
                }
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let has_moved = self.set.lock().leave(self.group);
        if has_moved {
            self.set.0.moved.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn begins(place: &Place) -> bool {
        let now = place.turn().now_or_never().is_some();
        assert_eq!(now, place.is_its_turn());
        now
    }

    #[test]
    fn an_ordered_command_is_alone_and_keeps_its_place() {
        let set = TaskSet::default();
        let before = [set.enter(Order::Simple), set.enter(Order::Simple)];
        let ordered = set.enter(Order::Ordered);
        let after = [set.enter(Order::Simple), set.enter(Order::Ordered), set.enter(Order::Simple)];
        assert!(before.iter().all(begins));
        let [first, second] = before;
        drop(second);
        assert!(!begins(&ordered) && !after.iter().any(begins));
        drop(first);
        assert!(begins(&ordered) && !after.iter().any(begins));
        let [first, second, third] = after;
        // One that is aborted before its turn leaves no gap.
        drop(second);
        drop(ordered);
        assert!(begins(&first) && !begins(&third));
        drop(first);
        assert!(begins(&third));
        drop(third);
        assert!(begins(&set.enter(Order::Ordered)));
    }

    #[test]
    fn an_ordered_command_that_was_called_off_keeps_nobody_waiting() {
        let set = TaskSet::default();
        let running = set.enter(Order::Simple);
        drop(set.enter(Order::Ordered));
        assert!(begins(&set.enter(Order::Simple)));
        let ordered = [set.enter(Order::Ordered), set.enter(Order::Ordered)];
        let [first, second] = ordered;
        drop(first);
        drop(second);
        let after = set.enter(Order::Ordered);
        assert!(begins(&set.enter(Order::HeadOfQueue)) && !begins(&after));
        drop(running);
        assert!(begins(&after));
    }

    #[test]
    fn the_head_of_the_queue_waits_for_nobody_and_is_waited_for() {
        let set = TaskSet::default();
        let running = set.enter(Order::Simple);
        let ordered = set.enter(Order::Ordered);
        let head = set.enter(Order::HeadOfQueue);
        assert!(begins(&head) && begins(&running));
        drop(running);
        assert!(!begins(&ordered));
        drop(head);
        assert!(begins(&ordered));
        let head = set.enter(Order::HeadOfQueue);
        assert!(begins(&head) && begins(&ordered), "it was its turn already");
        drop((ordered, head));
        let head = set.enter(Order::HeadOfQueue);
        let after = set.enter(Order::Simple);
        assert!(begins(&head) && !begins(&after));
        drop(head);
        assert!(begins(&after));
    }

    #[tokio::test]
    async fn whoever_waits_is_woken() {
        let set = TaskSet::default();
        let first = set.enter(Order::Ordered);
        let second = set.enter(Order::Simple);
        let waiting = tokio::spawn(second.turn());
        tokio::task::yield_now().await;
        drop(first);
        waiting.await.unwrap();
    }
}
