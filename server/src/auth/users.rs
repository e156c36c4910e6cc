//! Who may log in: a file in htpasswd format with bcrypt hashes, `name:$2y$10$…` a line.
//!
//! It is made by `htpasswd -B`; a change is noticed within a second, so that nobody has to restart the manager. A file
//! that can't be read any more leaves the users as they were: a slip of an editor locks nobody out and lets nobody in.

use std::collections::HashMap;
use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rand::Rng;

/// The file's state is asked for at most this often.
const RELOAD_INTERVAL: Duration = Duration::from_secs(1);
/// bcrypt's work factor for the generated password, which is long and random already.
const FIRST_COST: u32 = 10;
/// A hash that needs minutes to check would be a way to switch the login off.
const COST_MAXIMUM: u32 = 16;
/// The first user's name.
pub const FIRST_USER: &str = "admin";

/// Name of the file in the manager's directory.
pub const FILE: &str = "users";
/// Name of the file with the first password, for whoever starts the manager.
pub const FIRST_PASSWORD_FILE: &str = "admin-password";

/// What goes wrong with the users' file.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    #[error("cannot read the users' file {path}: {source}; give it back to the user that runs the manager")]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {path}: {source}; check the free space and the rights of its directory")]
    Write { path: PathBuf, source: io::Error },
    #[error(
        "nobody can log in: {path} has no line of the form name:$2y$…; add a user with `htpasswd -B {path} NAME`, \
         or remove the file to get a new admin password"
    )]
    Nobody { path: PathBuf },
    #[error("cannot hash the generated password: {0}")]
    Hash(#[from] bcrypt::BcryptError),
}

/// The password made at the first start, to be shown once.
#[derive(Clone, Debug)]
pub struct FirstPassword {
    pub user: &'static str,
    pub password: String,
    /// File that holds it, readable by its owner only.
    pub path: PathBuf,
}

/// bcrypt hashes by user name.
type Hashes = Arc<HashMap<String, String>>;

/// The users' file and what it said last.
#[derive(Debug)]
pub struct Users {
    path: PathBuf,
    loaded: RwLock<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    hashes: Hashes,
    stamp: Stamp,
    checked: Instant,
}

/// What changes when a file is written or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Users {
    /// Opens `DIR/users`. When there is none, makes one with the user `admin` and a random password, which is also
    /// written to `DIR/admin-password`.
    pub fn open(directory: &Path) -> Result<(Self, Option<FirstPassword>), UsersError> {
        let path = directory.join(FILE);
        let first = if path.exists() { None } else { Some(create_first(directory, &path)?) };
        let (hashes, stamp) = load(&path)?;
        if hashes.is_empty() {
            return Err(UsersError::Nobody { path });
        }
        let loaded = Loaded { hashes: Arc::new(hashes), stamp, checked: Instant::now() };
        Ok((Self { path, loaded: RwLock::new(loaded) }, first))
    }

    /// The user's hash, or none when there is no such user.
    #[must_use]
    pub fn hash_of(&self, name: &str) -> Option<String> {
        self.current().get(name).cloned()
    }

    /// A hash that no password fits and that is as slow to check as the users' own: so that the time of an answer does
    /// not tell who exists.
    #[must_use]
    pub fn hash_of_nobody(&self) -> String {
        let cost = self.current().values().filter_map(|hash| cost_of(hash)).max().unwrap_or(FIRST_COST);
        // Salt and digest are constants; bcrypt has no password that is known to give zeros.
        format!("$2b${cost:02}${}", ".".repeat(53))
    }

    fn current(&self) -> Hashes {
        {
            let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
            if loaded.checked.elapsed() < RELOAD_INTERVAL {
                return Arc::clone(&loaded.hashes);
            }
        }
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        if loaded.checked.elapsed() >= RELOAD_INTERVAL {
            loaded.checked = Instant::now();
            self.reload(&mut loaded);
        }
        Arc::clone(&loaded.hashes)
    }

    fn reload(&self, loaded: &mut Loaded) {
        let unchanged = fs::metadata(&self.path).is_ok_and(|metadata| Stamp::of(&metadata) == loaded.stamp);
        if unchanged {
            return;
        }
        match load(&self.path) {
            Ok((hashes, stamp)) if !hashes.is_empty() => {
                tracing::info!(path = %self.path.display(), users = hashes.len(), "the users' file changed and was read again");
                loaded.hashes = Arc::new(hashes);
                loaded.stamp = stamp;
            }
            Ok((_, stamp)) => {
                let error = UsersError::Nobody { path: self.path.clone() };
                tracing::error!(%error, "the users stay as they were");
                loaded.stamp = stamp;
            }
            Err(error) => tracing::error!(%error, "the users stay as they were"),
        }
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Self { inode: metadata.ino(), size: metadata.size(), modified }
    }
}

fn load(path: &Path) -> Result<(HashMap<String, String>, Stamp), UsersError> {
    let read_error = |source| UsersError::Read { path: path.to_owned(), source };
    let metadata = fs::metadata(path).map_err(read_error)?;
    let text = fs::read_to_string(path).map_err(read_error)?;
    Ok((parse(&text, path), Stamp::of(&metadata)))
}

/// Takes the lines that are understood and names the others in the log, by number: they may hold a secret.
fn parse(text: &str, path: &Path) -> HashMap<String, String> {
    let mut hashes = HashMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.split_once(':') {
            Some((name, hash)) if !name.is_empty() && cost_of(hash).is_some_and(|cost| cost <= COST_MAXIMUM) => {
                hashes.insert(name.to_owned(), hash.to_owned());
            }
            _ => tracing::warn!(
                path = %path.display(),
                line = index + 1,
                "not a bcrypt line of htpasswd and ignored; make it with `htpasswd -B`"
            ),
        }
    }
    hashes
}

/// The work factor of a bcrypt hash, or none when the text is no such hash.
fn cost_of(hash: &str) -> Option<u32> {
    let mut parts = hash.strip_prefix('$')?.splitn(3, '$');
    let known = matches!(parts.next()?, "2a" | "2b" | "2y");
    let cost = parts.next()?.parse().ok()?;
    (known && parts.next()?.len() == 53).then_some(cost)
}

fn create_first(directory: &Path, users: &Path) -> Result<FirstPassword, UsersError> {
    let password = random_password();
    let hash = bcrypt::hash_with_result(&password, FIRST_COST)?.format_for_version(bcrypt::Version::TwoY);
    let path = directory.join(FIRST_PASSWORD_FILE);
    // The password first: should the machine stop in between, the next start makes a new pair.
    write_private(&path, &format!("{password}\n"))?;
    write_private(users, &format!("{FIRST_USER}:{hash}\n"))?;
    Ok(FirstPassword { user: FIRST_USER, password, path })
}

/// 20 characters out of 55 are 115 bits; none of them looks like another.
fn random_password() -> String {
    const CHARACTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut random = rand::rng();
    (0..20).map(|_| char::from(CHARACTERS[random.random_range(0..CHARACTERS.len())])).collect()
}

/// Writes a file that only its owner can read, in one step.
fn write_private(path: &Path, text: &str) -> Result<(), UsersError> {
    let write = || {
        let beside = path.with_extension("new");
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|source| UsersError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn first_start_makes_an_admin_and_the_next_one_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let (users, first) = Users::open(directory.path()).unwrap();
        let first = first.unwrap();
        assert_eq!(fs::read_to_string(&first.path).unwrap().trim(), first.password);
        for name in ["users", "admin-password"] {
            let mode = fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        assert!(bcrypt::verify(&first.password, &users.hash_of("admin").unwrap()).unwrap());
        assert!(Users::open(directory.path()).unwrap().1.is_none());
    }

    #[test]
    fn lines_of_htpasswd() {
        let hash = format!("$2y$05${}", "a".repeat(53));
        let text =
            format!("# people\n\nann:{hash}\nbob:{{SHA}}abc\neve:plain\n:{hash}\nslow:$2y$31${}\n", "a".repeat(53));
        let users = parse(&text, Path::new("users"));
        assert_eq!(users.keys().collect::<Vec<_>>(), ["ann"]);
    }

    #[test]
    fn a_file_without_users_is_refused_with_a_way_out() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("users"), "bob:plain\n").unwrap();
        let message = Users::open(directory.path()).unwrap_err().to_string();
        assert!(message.contains("htpasswd -B"), "{message}");
    }

    #[test]
    fn nobody_fits_the_hash_of_nobody() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("users"), format!("ann:{}\n", bcrypt::hash("x", 4).unwrap())).unwrap();
        let hash = Users::open(directory.path()).unwrap().0.hash_of_nobody();
        assert!(hash.starts_with("$2b$04$"));
        assert!(!bcrypt::verify("x", &hash).unwrap());
    }
}
