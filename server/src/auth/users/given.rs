//! Users that are kept elsewhere, in a Secret of a cluster: their texts become the files of a data directory.

use std::fs;

use super::edit::{Edit, EditError};
use super::first::FIRST_PASSWORD_FILE;
use super::{FILE, UsersError, parse};
use crate::auth::roles::{self, Roles};

/// The two files, as texts.
#[derive(Clone, PartialEq, Eq)]
pub struct UserTexts {
    /// htpasswd lines.
    pub users: String,
    /// `name: viewer` lines.
    pub roles: String,
}

/// They hold hashes of passwords.
impl std::fmt::Debug for UserTexts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserTexts").finish_non_exhaustive()
    }
}

impl Edit {
    /// What the files say now; nothing of one that is not there.
    ///
    /// # Errors
    /// They can't be read.
    pub fn texts(&self) -> Result<UserTexts, EditError> {
        Ok(UserTexts { users: self.text(FILE)?, roles: self.text(roles::FILE)? })
    }

    /// Makes the files say this, if it is of use; else they stay as they are.
    ///
    /// Nobody is an admin for a moment who is none before or after: while the users change, roles of both are in force.
    ///
    /// # Errors
    /// There is nobody in it, its roles are none, or the files can't be written.
    pub fn take(&self, given: &UserTexts) -> Result<(), EditError> {
        let [users_path, roles_path] = [FILE, roles::FILE].map(|file| self.directory().join(file));
        if parse(&given.users, &users_path).is_empty() {
            return Err(UsersError::Nobody { path: users_path }.into());
        }
        let parsed = Roles::parse(&given.roles).map_err(|source| UsersError::Roles { path: roles_path, source })?;
        let before = self.texts()?;
        if before != *given {
            // Roles that can't be read were not in force either.
            let former = Roles::parse(&before.roles).unwrap_or_default();
            self.write(roles::FILE, &parsed.over(&former).text())?;
            self.write(FILE, &given.users)?;
            self.write(roles::FILE, &given.roles)?;
        }
        // It is kept where the users are kept.
        let _ = fs::remove_file(self.directory().join(FIRST_PASSWORD_FILE));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Users;
    use super::*;
    use aurochs_api::session::Role;

    fn texts(names: &[&str], roles: &str) -> UserTexts {
        let line = |name: &&str| format!("{name}:$2y$05${}\n", "a".repeat(53));
        UserTexts { users: names.iter().map(line).collect(), roles: roles.to_owned() }
    }

    #[test]
    fn files_say_what_was_given() {
        let directory = tempfile::tempdir().unwrap();
        let (users, first) = Users::open(directory.path()).unwrap();
        let edit = Edit::open(directory.path()).unwrap();
        let given = texts(&["ann", "bob"], "bob: viewer\n");
        edit.take(&given).unwrap();
        assert_eq!(edit.texts().unwrap(), given);
        assert!(!first.unwrap().path.exists(), "the first user's password is nobody's any more");
        drop(users);
        let (users, none) = Users::open(directory.path()).unwrap();
        assert!(none.is_none() && users.find("admin").is_none());
        assert_eq!(users.find("bob").unwrap().role, Role::Viewer);
    }

    #[test]
    fn what_is_of_no_use_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let edit = Edit::open(directory.path()).unwrap();
        let given = texts(&["ann"], "");
        edit.take(&given).unwrap();
        for wrong in [
            texts(&[], ""),
            texts(&["bob"], "bob: viewre\n"),
            UserTexts { users: "bob:plain".to_owned(), ..given.clone() },
        ] {
            assert!(edit.take(&wrong).is_err());
            assert_eq!(edit.texts().unwrap(), given);
        }
    }
}
