//! The jobs that run, and those that ended a moment ago, in memory: what is asked of them is answered from here, and the
//! table follows ([`super::writer`]).

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aurochs_api::job::JobLogLevel;
use time::OffsetDateTime;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::new_job::{Cancel, Failure, NewJob, Outcome, StartedBy};
use super::rate::Rate;
use super::record::{JobId, Line, Record, Standing, shortened};

/// Lines that are kept of one job's log: as many of its beginning, and as many of its end.
pub(super) const LINES_AT_EACH_END: u64 = 100;
/// Jobs that ended stay in the live stream for so long, and no more of them than this.
const RECENT_AGE: Duration = Duration::from_secs(10 * 60);
const RECENT_MAXIMUM: usize = 100;
/// A job with a key that nobody goes on with for so long, after a restart, is over: whoever could has looked by then.
const UNHELD_PATIENCE: Duration = Duration::from_secs(2 * 60);
/// Who asked for work is remembered until the work is seen to begin, which takes moments.
const EXPECTATION_AGE: Duration = Duration::from_secs(60);
/// Progress is announced this often, however often it is reported.
const PROGRESS_NEWS_PERIOD: Duration = Duration::from_millis(500);

/// What the table does not have yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dirt {
    Nothing,
    /// Numbers and lines: they can wait.
    Progress,
    /// A beginning, an end, a phase: a person who looks at the list has to find them.
    Structure,
}

#[derive(Debug)]
struct Entry {
    record: Record,
    rate: Rate,
    /// Number of the next line.
    next_line: u64,
    /// Lines that are not written yet.
    lines: Vec<Line>,
    dirt: Dirt,
    /// Handles of this process.
    holders: usize,
    /// Since when there have been none.
    unheld_since: Instant,
    /// The user who asked to cancel it.
    cancelled: watch::Sender<Option<String>>,
    announced_at: Option<Instant>,
}

/// What is to be written of one job.
#[derive(Debug)]
pub(super) struct Sheet {
    pub(super) record: Record,
    pub(super) lines: Vec<Line>,
    dirt: Dirt,
}

/// A job with what is only known while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub record: Record,
    pub bytes_per_second: u64,
    pub seconds_left: Option<u64>,
}

impl From<Record> for Seen {
    fn from(record: Record) -> Self {
        Self { bytes_per_second: record.average_rate(), seconds_left: None, record }
    }
}

/// Why a job is not cancelled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CancelError {
    #[error("it does not run any more")]
    Ended,
    /// With what to do instead.
    #[error("{0}")]
    Impossible(String),
}

#[derive(Debug, Default)]
pub(super) struct Board {
    last_id: i64,
    entries: BTreeMap<JobId, Entry>,
    by_key: HashMap<String, JobId>,
    expected: HashMap<String, (StartedBy, Instant)>,
    settling: Vec<oneshot::Sender<()>>,
    /// What was taken to be written is on its way.
    writing: bool,
}

// === beginning and ending ===

impl Board {
    /// With what the table has of an earlier manager. What has no key can't be gone on with: it is over.
    pub(super) fn new(last_id: i64, running: Vec<(Record, u64)>) -> Self {
        let mut board = Self { last_id, ..Self::default() };
        for (record, next_line) in running {
            let (id, is_lost) = (record.id, record.key.is_none());
            board.put(record, next_line, Dirt::Nothing);
            if is_lost {
                board.finish(id, Outcome::Interrupted);
            }
        }
        board
    }

    fn put(&mut self, record: Record, next_line: u64, dirt: Dirt) {
        if let Some(key) = &record.key {
            self.by_key.insert(key.clone(), record.id);
        }
        let entry = Entry {
            rate: Rate::default(),
            next_line,
            lines: Vec::new(),
            dirt,
            holders: 0,
            unheld_since: Instant::now(),
            cancelled: watch::Sender::new(record.cancel_asked_by.clone()),
            announced_at: None,
            record,
        };
        self.entries.insert(entry.record.id, entry);
    }

    /// The job with this key that runs, or a new one; one more holds it.
    pub(super) fn begin(&mut self, mut new: NewJob) -> (JobId, bool) {
        let known = new.key.as_ref().and_then(|key| self.by_key.get(key)).copied();
        if let Some(entry) = known.and_then(|id| self.entries.get_mut(&id)) {
            entry.holders += 1;
            if entry.record.cancel != new.cancel {
                entry.record.cancel = new.cancel;
                entry.dirt = Dirt::Structure;
            }
            return (entry.record.id, false);
        }
        if let Some(started_by) = new.key.as_ref().and_then(|key| self.expected.remove(key)) {
            new.started_by = started_by.0;
        }
        self.last_id += 1;
        let id = JobId(self.last_id);
        self.put(Record::begin(id, new, OffsetDateTime::now_utc()), 0, Dirt::Structure);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.holders = 1;
        }
        (id, true)
    }

    /// Who asked for what will begin under this key.
    pub(super) fn expect(&mut self, key: String, started_by: StartedBy) {
        self.expected.retain(|_, (_, since)| since.elapsed() < EXPECTATION_AGE);
        self.expected.insert(key, (started_by, Instant::now()));
    }

    /// Whether it ran until now.
    pub(super) fn finish(&mut self, id: JobId, outcome: Outcome) -> bool {
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.record.is_running()) else { return false };
        let (now, outcome) = (OffsetDateTime::now_utc(), bounded(outcome));
        (entry.record.updated_at, entry.dirt) = (now, Dirt::Structure);
        entry.record.standing = Standing::Ended { at: now, outcome };
        crate::metrics::jobs::ended(entry.record.kind, entry.record.state());
        if let Some(key) = &entry.record.key {
            self.by_key.remove(key);
        }
        true
    }

    /// A handle is gone. Whether the job ended with it.
    pub(super) fn release(&mut self, id: JobId) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        entry.holders = entry.holders.saturating_sub(1);
        entry.unheld_since = Instant::now();
        let is_lost = entry.holders == 0 && entry.record.key.is_none();
        is_lost && self.finish(id, Outcome::Interrupted)
    }

    /// Ends what nobody goes on with, and forgets what ended a while ago. Whether anything is different now.
    pub(super) fn sweep(&mut self, now: Instant) -> bool {
        let is_lost = |entry: &&Entry| {
            entry.record.is_running() && entry.holders == 0 && now - entry.unheld_since >= UNHELD_PATIENCE
        };
        let lost: Vec<JobId> = self.entries.values().filter(is_lost).map(|entry| entry.record.id).collect();
        for id in &lost {
            self.log(*id, JobLogLevel::Warning, "nothing goes on with it since the manager started again");
            self.finish(*id, Outcome::Interrupted);
        }
        let count = self.entries.len();
        let oldest = OffsetDateTime::now_utc() - RECENT_AGE;
        self.entries.retain(|_, entry| {
            entry.dirt != Dirt::Nothing || entry.record.ended_at().is_none_or(|ended| ended > oldest)
        });
        self.forget_surplus();
        !lost.is_empty() || self.entries.len() != count
    }

    /// Of those that ended, the latest stay. Those that are not written are forgotten, too: where nothing can be written,
    /// memory has to have an end.
    fn forget_surplus(&mut self) {
        let ended = self.entries.values().filter(|entry| !entry.record.is_running());
        let mut by_end: Vec<_> = ended.map(|entry| (entry.record.ended_at(), entry.record.id, entry.dirt)).collect();
        by_end.sort_unstable_by_key(|(at, id, _)| std::cmp::Reverse((*at, *id)));
        for (place, (_, id, dirt)) in by_end.into_iter().enumerate() {
            let room = if dirt == Dirt::Nothing { RECENT_MAXIMUM } else { 10 * RECENT_MAXIMUM };
            if place >= room {
                self.entries.remove(&id);
            }
        }
    }
}

/// What stands in errors can be long.
fn bounded(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Failed(failure) => Outcome::Failed(Failure {
            message: shortened(&failure.message),
            next_step: shortened(&failure.next_step),
            ..failure
        }),
        outcome => outcome,
    }
}

// === what a handle tells ===

impl Board {
    /// Changes a job that runs; `change` tells whether anything is different. Whether that is news.
    fn change(&mut self, id: JobId, dirt: Dirt, change: impl FnOnce(&mut Entry) -> bool) -> bool {
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.record.is_running()) else { return false };
        if !change(entry) {
            return false;
        }
        entry.record.updated_at = OffsetDateTime::now_utc();
        entry.dirt = entry.dirt.max(dirt);
        let is_due = entry.announced_at.is_none_or(|last| last.elapsed() >= PROGRESS_NEWS_PERIOD);
        let is_news = dirt == Dirt::Structure || is_due;
        if is_news {
            entry.announced_at = Some(Instant::now());
        }
        is_news
    }

    pub(super) fn enter(&mut self, id: JobId, phase: &str) -> bool {
        let now = OffsetDateTime::now_utc();
        self.change(id, Dirt::Structure, |entry| entry.record.enter(phase, now))
    }

    pub(super) fn planned(&mut self, id: JobId, bytes: u64) -> bool {
        self.change(id, Dirt::Progress, |entry| entry.record.planned_bytes.replace(bytes) != Some(bytes))
    }

    pub(super) fn done(&mut self, id: JobId, bytes: u64) -> bool {
        self.change(id, Dirt::Progress, |entry| {
            let before = std::mem::replace(&mut entry.record.done_bytes, bytes);
            entry.rate.note(Instant::now(), bytes);
            before != bytes
        })
    }

    pub(super) fn log(&mut self, id: JobId, level: JobLogLevel, text: &str) -> bool {
        let at = OffsetDateTime::now_utc();
        self.change(id, Dirt::Progress, |entry| {
            entry.lines.push(Line { number: entry.next_line, at, level, text: shortened(text) });
            entry.next_line += 1;
            if entry.lines.len() as u64 > 2 * LINES_AT_EACH_END {
                // What lies between the first and the last ones is left out in the table, too.
                let middle = entry.lines.iter().position(|line| line.number >= LINES_AT_EACH_END);
                entry.lines.remove(middle.unwrap_or_default());
            }
            true
        })
    }

    pub(super) fn set_cancel(&mut self, id: JobId, cancel: Cancel) -> bool {
        self.change(id, Dirt::Structure, |entry| {
            let is_new = entry.record.cancel != cancel;
            entry.record.cancel = cancel;
            is_new
        })
    }

    /// `None` where the job is not here: it has ended, or there is none.
    pub(super) fn cancel(&mut self, id: JobId, by: &str) -> Option<Result<(), CancelError>> {
        let entry = self.entries.get(&id)?;
        if !entry.record.is_running() {
            return Some(Err(CancelError::Ended));
        }
        if let Cancel::Impossible(why) = &entry.record.cancel {
            return Some(Err(CancelError::Impossible(why.clone())));
        }
        self.change(id, Dirt::Structure, |entry| {
            let is_first = entry.record.cancel_asked_by.is_none();
            let by = entry.record.cancel_asked_by.get_or_insert_with(|| by.to_owned()).clone();
            entry.cancelled.send_replace(Some(by));
            is_first
        });
        Some(Ok(()))
    }

    /// Tells who asked to cancel it.
    pub(super) fn cancelled(&self, id: JobId) -> Option<watch::Receiver<Option<String>>> {
        self.entries.get(&id).map(|entry| entry.cancelled.subscribe())
    }
}

// === looking ===

impl Board {
    pub(super) fn seen(&self, id: JobId) -> Option<Seen> {
        self.entries.get(&id).map(Entry::seen)
    }

    /// Those that run and those that ended a moment ago, the latest first.
    pub(super) fn all(&self) -> Vec<Seen> {
        self.entries.values().rev().map(Entry::seen).collect()
    }

    /// The job that runs under this key.
    pub(super) fn running(&self, key: &str) -> Option<JobId> {
        self.by_key.get(key).copied()
    }

    /// Keys that begin so, of jobs that run.
    pub(super) fn running_keys(&self, prefix: &str) -> Vec<String> {
        self.by_key.keys().filter(|key| key.starts_with(prefix)).cloned().collect()
    }
}

impl Entry {
    fn seen(&self) -> Seen {
        let record = self.record.clone();
        if !record.is_running() {
            return record.into();
        }
        let now = Instant::now();
        let seconds_left = self.rate.seconds_left(now, record.planned_bytes, record.done_bytes);
        Seen { bytes_per_second: self.rate.bytes_per_second(now), seconds_left, record }
    }
}

// === writing ===

impl Board {
    /// The most urgent of what is not written.
    pub(super) fn dirt(&self) -> Dirt {
        self.entries.values().map(|entry| entry.dirt).max().unwrap_or(Dirt::Nothing)
    }

    /// Whether the table has all that was told.
    pub(super) fn is_written(&self) -> bool {
        !self.writing && self.dirt() == Dirt::Nothing
    }

    /// Whether a beginning or an end may not be in the table.
    pub(super) fn lacks_structure(&self) -> bool {
        self.writing || self.dirt() == Dirt::Structure
    }

    /// What was taken is in the table, or was given back.
    pub(super) fn wrote(&mut self) {
        self.writing = false;
    }

    /// Whether somebody waits for everything to be written.
    pub(super) fn is_awaited(&self) -> bool {
        !self.settling.is_empty()
    }

    /// Tells when everything until now is written.
    pub(super) fn await_written(&mut self) -> oneshot::Receiver<()> {
        let (done, written) = oneshot::channel();
        self.settling.push(done);
        written
    }

    /// What is not written, which counts as written from now on, and who waits for it.
    pub(super) fn take(&mut self) -> (Vec<Sheet>, Vec<oneshot::Sender<()>>) {
        let dirty = self.entries.values_mut().filter(|entry| entry.dirt != Dirt::Nothing);
        let sheets = dirty.map(|entry| Sheet {
            record: entry.record.clone(),
            lines: std::mem::take(&mut entry.lines),
            dirt: std::mem::replace(&mut entry.dirt, Dirt::Nothing),
        });
        let sheets: Vec<Sheet> = sheets.collect();
        self.writing = true;
        (sheets, std::mem::take(&mut self.settling))
    }

    /// It could not be written.
    pub(super) fn give_back(&mut self, sheets: Vec<Sheet>) {
        for sheet in sheets {
            let Some(entry) = self.entries.get_mut(&sheet.record.id) else { continue };
            entry.dirt = entry.dirt.max(sheet.dirt);
            entry.lines.splice(0..0, sheet.lines);
        }
    }
}
