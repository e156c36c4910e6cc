//! Changes of the users' files by `aurochs user`, while a manager runs or not. Lines of others stay as they are.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aurochs_api::session::Role;
use nix::fcntl::{Flock, FlockArg};

use super::first::{FIRST_PASSWORD_FILE, FIRST_USER};
use super::{FILE, UsersError, load_roles, parse};
use crate::auth::roles;
use crate::private_file::{self, Owner};

/// bcrypt's work factor: a quarter of a second on a machine of today.
const COST: u32 = 12;
/// Shorter ones are guessed.
pub const PASSWORD_CHARACTERS_MINIMUM: usize = 8;
/// bcrypt does not look at more.
pub const PASSWORD_BYTES_MAXIMUM: usize = 72;
/// htpasswd's own limit.
const NAME_BYTES_MAXIMUM: usize = 255;

/// Why the users were left as they are.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    #[error("there is no data directory {path}: {source}; name the one that `aurochs serve` is given")]
    Directory { path: PathBuf, source: io::Error },
    #[error("the data directory {path} can't be locked: {source}")]
    Lock { path: PathBuf, source: io::Error },
    #[error("{0:?} can't be the name of a user; take letters, digits and signs other than a colon, at most 255 bytes")]
    Name(String),
    #[error(
        "the password has {characters} characters and {bytes} bytes; take at least {PASSWORD_CHARACTERS_MINIMUM} \
         characters and at most {PASSWORD_BYTES_MAXIMUM} bytes, without control characters"
    )]
    Password { characters: usize, bytes: usize },
    #[error("there is a user {0} already; `aurochs user passwd {0}` gives another password")]
    Exists(String),
    #[error("there is no user {0}; `aurochs user list` names those that there are")]
    Unknown(String),
    #[error("{0} is the last admin: nobody could change anything any more; make somebody else an admin first")]
    LastAdmin(String),
    #[error("the first user has to be an admin; add one, then viewers")]
    FirstIsViewer,
    #[error(transparent)]
    Files(#[from] UsersError),
}

/// The users' files of a data directory, while nobody else edits them.
#[derive(Debug)]
pub struct Edit {
    directory: PathBuf,
    _lock: Flock<File>,
}

impl Edit {
    pub fn open(directory: &Path) -> Result<Self, EditError> {
        let failed = |source| EditError::Directory { path: directory.to_owned(), source };
        let file = File::open(directory).map_err(failed)?;
        let locked = Flock::lock(file, FlockArg::LockExclusive);
        let locked =
            locked.map_err(|(_, errno)| EditError::Lock { path: directory.to_owned(), source: errno.into() })?;
        Ok(Self { directory: directory.to_owned(), _lock: locked })
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// All users, by name.
    pub fn list(&self) -> Result<Vec<(String, Role)>, EditError> {
        let text = self.text(FILE)?;
        let roles = load_roles(&self.directory)?;
        let names = parse(&text, &self.directory.join(FILE)).into_keys();
        let mut users: Vec<_> = names.map(|name| (name.clone(), roles.of(&name))).collect();
        users.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(users)
    }

    /// The role comes first: a manager that reads in between finds no user, and then a viewer.
    pub fn add(&self, name: &str, password: &str, role: Role) -> Result<(), EditError> {
        check_name(name)?;
        check_password(password)?;
        let users = self.list()?;
        if users.iter().any(|(known, _)| known == name) {
            return Err(EditError::Exists(name.to_owned()));
        }
        if role == Role::Viewer && users.is_empty() {
            return Err(EditError::FirstIsViewer);
        }
        let line = line(name, password)?;
        self.write_role(name, role)?;
        let text = self.text(FILE)?;
        self.write(FILE, &with_line(&text, name, Some(&line)))
    }

    /// Sessions of the user end.
    pub fn set_password(&self, name: &str, password: &str) -> Result<(), EditError> {
        check_password(password)?;
        self.role_of(name)?;
        let line = line(name, password)?;
        let text = self.text(FILE)?;
        self.write(FILE, &with_line(&text, name, Some(&line)))?;
        if name == FIRST_USER {
            // It is not the password any more.
            let _ = fs::remove_file(self.directory.join(FIRST_PASSWORD_FILE));
        }
        Ok(())
    }

    pub fn set_role(&self, name: &str, role: Role) -> Result<(), EditError> {
        if self.role_of(name)? == Role::Admin && role == Role::Viewer {
            self.check_other_admin(name)?;
        }
        self.write_role(name, role)
    }

    /// The role goes last, as it came first.
    pub fn remove(&self, name: &str) -> Result<(), EditError> {
        if self.role_of(name)? == Role::Admin {
            self.check_other_admin(name)?;
        }
        let text = self.text(FILE)?;
        self.write(FILE, &with_line(&text, name, None))?;
        let roles = self.text(roles::FILE)?;
        let without = roles::with(&roles, name, None);
        if without == roles { Ok(()) } else { self.write(roles::FILE, &without) }
    }

    fn role_of(&self, name: &str) -> Result<Role, EditError> {
        let found = self.list()?.into_iter().find(|(known, _)| known == name);
        found.map(|(_, role)| role).ok_or_else(|| EditError::Unknown(name.to_owned()))
    }

    fn check_other_admin(&self, name: &str) -> Result<(), EditError> {
        let others = self.list()?.into_iter().filter(|(known, _)| known != name);
        let is_left = others.into_iter().any(|(_, role)| role == Role::Admin);
        if is_left { Ok(()) } else { Err(EditError::LastAdmin(name.to_owned())) }
    }

    /// Says only what would not be so without it.
    fn write_role(&self, name: &str, role: Role) -> Result<(), EditError> {
        let before = self.text(roles::FILE)?;
        let without = roles::with(&before, name, None);
        let path = self.directory.join(roles::FILE);
        let parsed = roles::Roles::parse(&without).map_err(|source| UsersError::Roles { path, source })?;
        let after = if parsed.of(name) == role { without } else { roles::with(&before, name, Some(role)) };
        if after == before { Ok(()) } else { self.write(roles::FILE, &after) }
    }

    /// Empty when there is no such file.
    pub(super) fn text(&self, file: &str) -> Result<String, EditError> {
        let path = self.directory.join(file);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(source) => Err(UsersError::Read { path, source }.into()),
        }
    }

    /// It stays that user's who had it, or is that of the directory: the manager may run as another user than this.
    pub(super) fn write(&self, file: &str, text: &str) -> Result<(), EditError> {
        let path = self.directory.join(file);
        let before = fs::metadata(&path).or_else(|_| fs::metadata(&self.directory)).ok();
        let owner = before.map(|metadata| Owner { user: metadata.uid(), group: metadata.gid() });
        private_file::write(&path, text, owner).map_err(|source| UsersError::Write { path, source }.into())
    }
}

fn check_name(name: &str) -> Result<(), EditError> {
    let odd = name.chars().any(|c| c == ':' || c.is_control())
        || name.trim() != name
        || name.starts_with('#')
        || name == roles::EVERYBODY;
    if odd || name.is_empty() || name.len() > NAME_BYTES_MAXIMUM {
        return Err(EditError::Name(name.to_owned()));
    }
    Ok(())
}

fn check_password(password: &str) -> Result<(), EditError> {
    let (characters, bytes) = (password.chars().count(), password.len());
    let fits = characters >= PASSWORD_CHARACTERS_MINIMUM && bytes <= PASSWORD_BYTES_MAXIMUM;
    if fits && !password.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(EditError::Password { characters, bytes })
    }
}

fn line(name: &str, password: &str) -> Result<String, EditError> {
    let hash = bcrypt::hash_with_result(password, COST).map_err(UsersError::Hash)?;
    Ok(format!("{name}:{}", hash.format_for_version(bcrypt::Version::TwoY)))
}

/// The text with this line in the place of the user's own, or at the end.
fn with_line(text: &str, name: &str, line: Option<&str>) -> String {
    let is_own = |found: &str| found.trim().split_once(':').is_some_and(|(known, _)| known == name);
    let mut line = line;
    let mut lines: Vec<&str> = Vec::new();
    for found in text.lines() {
        if is_own(found) { lines.extend(line.take()) } else { lines.push(found) }
    }
    lines.extend(line);
    lines.into_iter().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::auth::users::Users;

    fn directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let hash = bcrypt::hash("correct horse", 4).unwrap();
        fs::write(directory.path().join(FILE), format!("# people\nann:{hash}\nold:{{SHA}}x\n")).unwrap();
        directory
    }

    #[test]
    fn users_come_and_go_and_the_rest_of_the_files_stays() {
        let directory = directory();
        let edit = Edit::open(directory.path()).unwrap();
        edit.add("bob", "bob's password", Role::Viewer).unwrap();
        edit.set_password("bob", "another one").unwrap();
        let users = Users::open(directory.path()).unwrap().0;
        let bob = users.find("bob").unwrap();
        assert_eq!((bob.role, users.find("ann").unwrap().role), (Role::Viewer, Role::Admin));
        assert!(bcrypt::verify("another one", &bob.hash).unwrap());
        assert_eq!(fs::read_to_string(directory.path().join(roles::FILE)).unwrap(), "bob: viewer\n");
        for file in [FILE, roles::FILE] {
            let mode = fs::metadata(directory.path().join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
        edit.set_role("bob", Role::Admin).unwrap();
        assert_eq!(edit.list().unwrap(), [("ann".to_owned(), Role::Admin), ("bob".to_owned(), Role::Admin)]);
        edit.remove("ann").unwrap();
        let text = fs::read_to_string(directory.path().join(FILE)).unwrap();
        assert!(text.starts_with("# people\nold:{SHA}x\nbob:$2y$12$") && !text.contains("ann"), "{text}");
    }

    #[test]
    fn somebody_can_always_change_something() {
        let directory = directory();
        let edit = Edit::open(directory.path()).unwrap();
        edit.add("bob", "bob's password", Role::Viewer).unwrap();
        assert!(matches!(edit.remove("ann"), Err(EditError::LastAdmin(_))));
        assert!(matches!(edit.set_role("ann", Role::Viewer), Err(EditError::LastAdmin(_))));
        let empty = tempfile::tempdir().unwrap();
        let edit = Edit::open(empty.path()).unwrap();
        assert!(matches!(edit.add("bob", "bob's password", Role::Viewer), Err(EditError::FirstIsViewer)));
        edit.add("ann", "ann's password", Role::Admin).unwrap();
        assert!(!empty.path().join(roles::FILE).exists(), "an admin needs no line");
    }

    #[test]
    fn what_the_files_could_not_say_is_refused() {
        let directory = directory();
        let edit = Edit::open(directory.path()).unwrap();
        for name in ["", "a:b", " a", "#a", "*", "a\nb", &"x".repeat(256)] {
            assert!(matches!(edit.add(name, "a good password", Role::Admin), Err(EditError::Name(_))), "{name}");
        }
        for password in ["", "1234567", "with\nline", &"x".repeat(73)] {
            assert!(matches!(edit.add("bob", password, Role::Admin), Err(EditError::Password { .. })), "{password}");
        }
        assert!(matches!(edit.add("ann", "a good password", Role::Admin), Err(EditError::Exists(_))));
        assert!(matches!(edit.set_password("kim", "a good password"), Err(EditError::Unknown(_))));
    }
}
