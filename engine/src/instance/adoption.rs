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

/// Start time of a process in clock ticks since boot; `None` when there is no such process or it is a zombie.
#[must_use]
pub fn start_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name is in parentheses and may hold anything; the fields count from behind it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if fields.first() == Some(&"Z") {
        return None;
    }
    fields.get(19)?.parse().ok()
}

/// The very process that was noted, not a later one with its id.
#[must_use]
pub fn is_alive(pid: u32, ticks: u64) -> bool {
    start_ticks(pid) == Some(ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

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
