//! Lines of the log on their way to standard error, which nobody who serves requests waits for: what is behind it, a pipe
//! or a file on a full or hanging disk, may take its time.
//!
//! One thread writes. A bounded number of lines waits for it; those that come when there is no room are dropped, and the
//! log says how many they were where they are missing.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, channel, sync_channel};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait: a busy minute's, in a few hundred KiB.
const WAITING_MAXIMUM: usize = 1024;
/// Longer ones are cut, so that what waits is bounded in bytes too.
const LINE_MAXIMUM: usize = 8 << 10;
const CUT: &[u8] = b" [cut]\n";

/// Where lines are put in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LogLines {
    waiting: SyncSender<Waiting>,
    lost: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Waiting {
    Line(Vec<u8>),
    /// Dropped when everything before it has been written.
    Mark(#[expect(dead_code, reason = "its end is what is waited for")] std::sync::mpsc::Sender<()>),
}

impl LogLines {
    /// Starts the thread that writes to `log`.
    ///
    /// # Errors
    /// The process may have no more threads.
    pub fn start(log: impl Write + Send + 'static) -> io::Result<Self> {
        let (waiting, lines) = sync_channel(WAITING_MAXIMUM);
        let lost = Arc::new(AtomicU64::new(0));
        let missing = Arc::clone(&lost);
        // It formats nothing: a small stack does.
        let thread = std::thread::Builder::new().name("log".to_owned()).stack_size(64 << 10);
        thread.spawn(move || write_all(&lines, &missing, log))?;
        Ok(Self { waiting, lost })
    }

    /// Waits until what was said so far has been written, for `patience` at most: for the end of a process.
    pub fn written(&self, patience: Duration) {
        let (mark, reached) = channel();
        // Where there is no room, the thread is stuck, and waiting is of no use.
        if self.waiting.try_send(Waiting::Mark(mark)).is_ok() {
            let outcome = reached.recv_timeout(patience);
            debug_assert!(matches!(outcome, Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout)));
        }
    }

    fn put(&self, line: &[u8]) {
        let line = if line.len() > LINE_MAXIMUM { [&line[..LINE_MAXIMUM], CUT].concat() } else { line.to_vec() };
        match self.waiting.try_send(Waiting::Line(line)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Until the last [`LogLines`] is gone. A log that takes nothing (a closed pipe) is no reason to end.
fn write_all(lines: &Receiver<Waiting>, lost: &AtomicU64, mut log: impl Write) {
    while let Ok(next) = lines.recv() {
        let Waiting::Line(line) = next else { continue };
        let _ = log.write_all(&line);
        // Those that were dropped came after this one, and before whatever there is room for from now on.
        let missing = lost.swap(0, Ordering::Relaxed);
        if missing > 0 {
            let _ = writeln!(log, "{missing} lines are missing here: they came faster than the log could be written");
        }
    }
}

/// A line is one write.
impl<'lines> MakeWriter<'lines> for LogLines {
    type Writer = &'lines Self;

    fn make_writer(&'lines self) -> Self::Writer {
        self
    }
}

impl Write for &LogLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::Sender;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// A log that says when it is asked to take something, and takes it when it is let.
    struct Slow {
        asked: Sender<()>,
        may: Receiver<()>,
        taken: Arc<Mutex<String>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.asked.send(()).unwrap();
            // From the end of the test on, it is let.
            let _ = self.may.recv();
            self.taken.lock().unwrap().push_str(std::str::from_utf8(bytes).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn whoever_logs_does_not_wait_and_what_is_missing_is_counted() {
        let ((asked, was_asked), (let_it, may), taken) = (channel(), channel(), Arc::<Mutex<String>>::default());
        let log = Slow { asked, may, taken: Arc::clone(&taken) };
        let mut lines = &LogLines::start(log).unwrap();
        lines.write_all(b"first\n").unwrap();
        was_asked.recv_timeout(PATIENCE).unwrap();
        // The thread is stuck with the first line.
        for number in 0..WAITING_MAXIMUM + 7 {
            lines.write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        drop(let_it);
        lines.written(PATIENCE);
        while taken.lock().unwrap().lines().count() < WAITING_MAXIMUM + 2 {
            was_asked.recv_timeout(PATIENCE).unwrap();
        }
        let taken = taken.lock().unwrap();
        let mut taken = taken.lines();
        assert_eq!(taken.next(), Some("first"));
        assert!(taken.next().unwrap().starts_with("7 lines are missing here"));
        assert!(taken.eq((0..WAITING_MAXIMUM).map(|number| number.to_string()).collect::<Vec<_>>()));
    }

    #[test]
    fn what_was_said_before_the_end_is_written_and_long_lines_are_cut() {
        let (asked, _was_asked) = channel();
        let (taken, (_, may)) = (Arc::<Mutex<String>>::default(), channel());
        let mut lines = &LogLines::start(Slow { asked, may, taken: Arc::clone(&taken) }).unwrap();
        lines.write_all(&[b'x'; 2 * LINE_MAXIMUM]).unwrap();
        lines.write_all(b"last\n").unwrap();
        lines.written(PATIENCE);
        let taken = taken.lock().unwrap();
        let (long, last) = taken.split_once('\n').unwrap();
        assert_eq!((long.len(), last), (LINE_MAXIMUM + CUT.len() - 1, "last\n"));
    }
}
