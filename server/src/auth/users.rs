//! Who may log in: a file in htpasswd format with bcrypt hashes, `name:$2y$10$…` a line.
//!
//! It is made by `htpasswd -B` or `aurochs user` ([`edit`]); what a user may do stands in a file beside it
//! ([`super::roles`]). A change of either is noticed within a second, so that nobody has to restart the manager. Files
//! that can't be read any more leave the users as they were: a slip of an editor locks nobody out and lets nobody in.
//!
//! Whoever is added as a viewer gets the role before the password, and both files are read in the other order: nobody is
//! an admin for a moment.

pub mod edit;
mod first;
pub mod given;
pub(super) mod known;

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use aurochs_api::session::Role;

use super::roles::{self, Roles, RolesError};
pub use first::{FIRST_PASSWORD_FILE, FIRST_USER, FirstPassword};

/// The file's state is asked for at most this often.
const RELOAD_INTERVAL: Duration = Duration::from_secs(1);
/// A hash that needs minutes to check would be a way to switch the login off.
const COST_MAXIMUM: u32 = 16;
/// Name of the file in the manager's directory.
pub const FILE: &str = "users";
/// More changes than this that nobody asked about are not told.
const NEWS_MAXIMUM: usize = 64;

/// What goes wrong with the users' files.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    #[error("cannot read {path}: {source}; give it back to the user that runs the manager")]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {path}: {source}; check the free space and the rights of its directory")]
    Write { path: PathBuf, source: io::Error },
    #[error(
        "nobody can log in: {path} has no line of the form name:$2y$…; add a user with `htpasswd -B {path} NAME`, \
         or remove the file to get a new admin password"
    )]
    Nobody { path: PathBuf },
    #[error("the roles' file {path} can't be used: {source}; correct that line")]
    Roles { path: PathBuf, source: RolesError },
    #[error("cannot hash the password: {0}")]
    Hash(#[from] bcrypt::BcryptError),
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// bcrypt.
    pub hash: String,
    pub role: Role,
}

/// By user name.
type Accounts = Arc<HashMap<String, Account>>;

/// The users' files and what they said last.
#[derive(Debug)]
pub struct Users {
    directory: PathBuf,
    loaded: RwLock<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    accounts: Accounts,
    stamps: Stamps,
    checked: Instant,
    /// What changed since somebody asked for it.
    news: Vec<String>,
}

/// What changes when a file is written or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    /// Also when its rights were given back.
    changed: (i64, i64),
}

/// Of both files; none of one that is not there.
type Stamps = [Option<Stamp>; 2];

impl Users {
    /// Opens `DIR/users`. When there is none, makes one with the user `admin` and a random password, which is also
    /// written to `DIR/admin-password`.
    pub fn open(directory: &Path) -> Result<(Self, Option<FirstPassword>), UsersError> {
        let path = directory.join(FILE);
        let first = if path.exists() { None } else { Some(first::create(directory, &path)?) };
        let stamps = stamps(directory);
        let accounts = Arc::new(load(directory)?);
        let loaded = Loaded { accounts, stamps, checked: Instant::now(), news: Vec::new() };
        Ok((Self { directory: directory.to_owned(), loaded: RwLock::new(loaded) }, first))
    }

    #[must_use]
    pub fn find(&self, name: &str) -> Option<Account> {
        self.current().get(name).cloned()
    }

    /// A hash that no password fits and that is as slow to check as the users' own: so that the time of an answer does
    /// not tell who exists.
    #[must_use]
    pub fn hash_of_nobody(&self) -> String {
        let costs = self.current();
        let cost = costs.values().filter_map(|account| cost_of(&account.hash)).max().unwrap_or(first::COST);
        // Salt and digest are constants; bcrypt has no password that is known to give zeros.
        format!("$2b${cost:02}${}", ".".repeat(53))
    }

    /// What was changed in the files, in words, since this was asked last.
    pub(super) fn news(&self) -> Vec<String> {
        let nothing_new = self.loaded.read().unwrap_or_else(PoisonError::into_inner).news.is_empty();
        if nothing_new {
            return Vec::new();
        }
        std::mem::take(&mut self.loaded.write().unwrap_or_else(PoisonError::into_inner).news)
    }

    /// As the files are now, or as they were when they could be read last.
    pub(super) fn known(&self) -> known::KnownUsers {
        known::of(&self.current())
    }

    fn current(&self) -> Accounts {
        {
            let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
            if loaded.checked.elapsed() < RELOAD_INTERVAL {
                return Arc::clone(&loaded.accounts);
            }
        }
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        if loaded.checked.elapsed() >= RELOAD_INTERVAL {
            loaded.checked = Instant::now();
            self.reload(&mut loaded);
        }
        Arc::clone(&loaded.accounts)
    }

    fn reload(&self, loaded: &mut Loaded) {
        let now = stamps(&self.directory);
        if now == loaded.stamps {
            return;
        }
        // What can't be used is told once, and looked at again when it changes.
        loaded.stamps = now;
        match load(&self.directory) {
            Ok(accounts) => {
                let (path, users) = (self.directory.display(), accounts.len());
                tracing::info!(%path, users, "the users' files changed and were read again");
                let told = known::changes(&known::of(&loaded.accounts), &known::of(&accounts));
                loaded.news.extend(told);
                loaded.news.truncate(NEWS_MAXIMUM);
                loaded.accounts = Arc::new(accounts);
            }
            Err(error) => tracing::error!(%error, "the users stay as they were"),
        }
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        Self { inode: metadata.ino(), size: metadata.size(), changed }
    }
}

fn stamps(directory: &Path) -> Stamps {
    [FILE, roles::FILE].map(|file| fs::metadata(directory.join(file)).ok().map(|metadata| Stamp::of(&metadata)))
}

/// Reads the users first: see above.
fn load(directory: &Path) -> Result<HashMap<String, Account>, UsersError> {
    let path = directory.join(FILE);
    let text = fs::read_to_string(&path).map_err(|source| UsersError::Read { path: path.clone(), source })?;
    let hashes = parse(&text, &path);
    if hashes.is_empty() {
        return Err(UsersError::Nobody { path });
    }
    let roles = load_roles(directory)?;
    let account = |(name, hash): (String, String)| {
        let role = roles.of(&name);
        (name, Account { hash, role })
    };
    Ok(hashes.into_iter().map(account).collect())
}

fn load_roles(directory: &Path) -> Result<Roles, UsersError> {
    let path = directory.join(roles::FILE);
    match fs::read_to_string(&path) {
        Ok(text) => Roles::parse(&text).map_err(|source| UsersError::Roles { path, source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Roles::default()),
        Err(source) => Err(UsersError::Read { path, source }),
    }
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
        assert!(bcrypt::verify(&first.password, &users.find("admin").unwrap().hash).unwrap());
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
