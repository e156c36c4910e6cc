//! Work as it is seen at one moment, and what to tell of it after the moment before.

use std::collections::BTreeSet;

use super::cancel::Way;
use crate::jobs::{Cancel, JobKind, Level, NewJob, Outcome, StartedBy};

/// One piece of long work, as somebody tells of it now.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Work {
    pub(super) key: String,
    pub(super) kind: JobKind,
    pub(super) object: String,
    pub(super) volume: Option<String>,
    pub(super) node: Option<String>,
    pub(super) started_by: StartedBy,
    pub(super) cancel: Chance,
    pub(super) course: Course,
    pub(super) planned_bytes: Option<u64>,
    pub(super) done_bytes: u64,
    /// Lines for its log; one that was told is not told again.
    pub(super) notes: Vec<(Level, String)>,
}

/// Whether a person can end it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Chance {
    Possible(Way),
    Impossible(&'static str),
}

/// How far it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Course {
    /// In this phase.
    Runs(&'static str),
    Ended {
        outcome: Outcome,
        /// What tells this end from another one: work that ended unseen is told if its mark is new.
        marks: BTreeSet<String>,
    },
}

/// What is to be told.
#[derive(Debug, PartialEq)]
pub(super) enum Step<'a> {
    /// It runs: it begins, or goes on.
    Go(&'a Work),
    End(&'a Work, &'a Outcome),
    /// The job with this key runs, and nothing is to be seen of it any more.
    Lost(String),
}

/// `before`: what was seen last, `None` at the first look, when it is not known what is news. `open`: keys of the jobs
/// that run.
pub(super) fn steps<'a>(before: Option<&[Work]>, now: &'a [Work], open: &BTreeSet<String>) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    for work in now {
        match &work.course {
            Course::Runs(_) => steps.push(Step::Go(work)),
            Course::Ended { outcome, marks } => {
                let is_news = before.is_some_and(|before| !marks.is_subset(&marks_of(before, &work.key)));
                if open.contains(&work.key) || is_news {
                    steps.push(Step::End(work, outcome));
                }
            }
        }
    }
    let is_lost = |key: &&String| now.iter().all(|work| work.key != **key);
    steps.extend(open.iter().filter(is_lost).cloned().map(Step::Lost));
    steps
}

fn marks_of(before: &[Work], key: &str) -> BTreeSet<String> {
    let of_it = before.iter().find(|work| work.key == key);
    match of_it.map(|work| &work.course) {
        Some(Course::Ended { marks, .. }) => marks.clone(),
        Some(Course::Runs(_)) | None => BTreeSet::new(),
    }
}

impl Course {
    /// An end that nothing tells from another one.
    pub(super) fn succeeded() -> Self {
        Self::Ended { outcome: Outcome::Succeeded, marks: BTreeSet::new() }
    }
}

impl Work {
    /// The same work with its end.
    pub(super) fn succeeded(self) -> Self {
        Self { course: Course::succeeded(), ..self }
    }

    pub(super) fn as_new_job(&self) -> NewJob {
        NewJob {
            kind: self.kind,
            object: self.object.clone(),
            volume: self.volume.clone(),
            node: self.node.clone(),
            started_by: self.started_by.clone(),
            cancel: self.cancel.as_cancel(),
            planned_bytes: self.planned_bytes,
            key: Some(self.key.clone()),
        }
    }
}

impl Chance {
    pub(super) fn as_cancel(&self) -> Cancel {
        match self {
            Self::Possible(_) => Cancel::Possible,
            Self::Impossible(why) => Cancel::Impossible((*why).to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(course: Course) -> Work {
        Work {
            key: "k".to_owned(),
            kind: JobKind::Rebuild,
            object: "r".to_owned(),
            volume: None,
            node: None,
            started_by: StartedBy::System(String::new()),
            cancel: Chance::Impossible("no"),
            course,
            planned_bytes: None,
            done_bytes: 0,
            notes: Vec::new(),
        }
    }

    fn ended(marks: &[&str]) -> Work {
        let marks = marks.iter().map(|mark| (*mark).to_owned()).collect();
        work(Course::Ended { outcome: Outcome::Succeeded, marks })
    }

    /// What was seen, what is seen, whether a job runs, and what is told.
    #[test]
    fn what_is_told() {
        let runs = || work(Course::Runs("copying"));
        for (name, before, now, open, expected) in [
            ("it begins", Some(vec![]), vec![runs()], false, "go"),
            ("it goes on", Some(vec![runs()]), vec![runs()], true, "go"),
            ("a new manager goes on", None, vec![runs()], true, "go"),
            ("it ends", Some(vec![runs()]), vec![ended(&["a"])], true, "end"),
            ("it ended while no manager looked", None, vec![ended(&["a"])], true, "end"),
            ("it ended before anybody saw it run", Some(vec![]), vec![ended(&["a"])], false, "end"),
            ("another one ended so", Some(vec![ended(&["a"])]), vec![ended(&["b"])], false, "end"),
            ("it ended long ago", Some(vec![ended(&["a"])]), vec![ended(&["a"])], false, ""),
            ("one of those that took part is gone", Some(vec![ended(&["a", "b"])]), vec![ended(&["a"])], false, ""),
            ("what ended before the manager started is no news", None, vec![ended(&["a"])], false, ""),
            ("it is gone", Some(vec![runs()]), vec![], true, "lost"),
            ("it was gone when the manager started", None, vec![], true, "lost"),
            ("nothing", Some(vec![]), vec![], false, ""),
        ] {
            let open = if open { BTreeSet::from(["k".to_owned()]) } else { BTreeSet::new() };
            let told: Vec<&str> = steps(before.as_deref(), &now, &open)
                .iter()
                .map(|step| match step {
                    Step::Go(_) => "go",
                    Step::End(..) => "end",
                    Step::Lost(_) => "lost",
                })
                .collect();
            assert_eq!(told.join(","), expected, "{name}");
        }
    }
}
