//! Processes that outlive the instance manager that started them: what has to be remembered to find them again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// One process, as noted on disk when it was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub name: String,
    pub volume: String,
    pub is_engine: bool,
    pub pid: u32,
    /// Start time in clock ticks since boot: tells the process from a later one with the same id.
    pub start_ticks: u64,
    pub address: String,
    pub epoch: u64,
    pub directory: String,
    /// Boot that the process belongs to.
    pub boot_id: String,
}

/// Directory of notes, one file a process.
#[derive(Clone, Debug)]
pub struct Notes {
    directory: PathBuf,
}

impl Notes {
    pub fn open(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self { directory: directory.to_owned() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.json"))
    }

    pub fn write(&self, note: &Note) -> io::Result<()> {
        let path = self.path(&note.name);
        let temporary = path.with_extension("tmp");
        fs::write(&temporary, serde_json::to_vec(note)?)?;
        fs::rename(temporary, path)
    }

    pub fn remove(&self, name: &str) {
        // A note that stays names a dead process, which the next start notices.
        let _ = fs::remove_file(self.path(name));
    }

    /// The notes of processes that still run; the others are removed.
    pub fn living(&self) -> io::Result<Vec<Note>> {
        let mut living = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let note = fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Note>(&text).ok());
            match note {
                Some(note) if note.boot_id == boot_id() && is_alive(note.pid, note.start_ticks) => living.push(note),
                _ => fs::remove_file(&path)?,
            }
        }
        Ok(living)
    }
}

/// Identity of this boot of the host.
#[must_use]
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Start time of a process in clock ticks since boot; `None` when there is no such process, it is a zombie, or it can't be
/// told.
#[must_use]
pub fn start_ticks(pid: u32) -> Option<u64> {
    look(pid).ok().flatten()
}

/// `None` for a process that has ended.
fn look(pid: u32) -> io::Result<Option<u64>> {
    let stat = match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat,
        // The latter where it ends between opening and reading.
        Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(nix::libc::ESRCH) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    Ok(ticks_in(&stat))
}

fn ticks_in(stat: &str) -> Option<u64> {
    // The command name is in parentheses and may hold anything; the fields count from behind it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if fields.first() == Some(&"Z") {
        return None;
    }
    fields.get(19)?.parse().ok()
}

/// The very process that was noted, not a later one with its id. One that can't be looked at (no file descriptor is free)
/// counts as alive: whoever believes a living engine dead starts another one beside it.
#[must_use]
pub fn is_alive(pid: u32, ticks: u64) -> bool {
    look(pid).map_or(true, |found| found == Some(ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_alive_until_it_has_ended_whether_anybody_waited_for_it_or_not() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let (pid, ticks) = (child.id(), start_ticks(child.id()).unwrap());
        assert!(is_alive(pid, ticks));
        assert!(!is_alive(pid, ticks + 1), "a later one with its id");
        child.kill().unwrap();
        while is_alive(pid, ticks) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(!is_alive(pid, ticks));
        assert_eq!(ticks_in("7 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20"), Some(4711));
        assert_eq!(ticks_in("7 (a) Z 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20"), None);
    }

    #[test]
    fn only_living_processes_are_found_again() {
        let place = tempfile::tempdir().unwrap();
        let notes = Notes::open(place.path()).unwrap();
        let pid = std::process::id();
        let note = Note {
            name: "alive".into(),
            volume: "v".into(),
            is_engine: true,
            pid,
            start_ticks: start_ticks(pid).unwrap(),
            address: "unix:/x".into(),
            epoch: 3,
            directory: String::new(),
            boot_id: boot_id(),
        };
        notes.write(&note).unwrap();
        notes.write(&Note { name: "another".into(), start_ticks: 1, ..note.clone() }).unwrap();
        notes.write(&Note { name: "before-boot".into(), boot_id: "x".into(), ..note.clone() }).unwrap();
        fs::write(place.path().join("damaged.json"), "{").unwrap();
        assert_eq!(notes.living().unwrap(), [note]);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "the dead ones are forgotten");
    }
}
