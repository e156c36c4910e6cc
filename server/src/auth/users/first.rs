//! The first user: made when there is no users' file yet.

use std::path::{Path, PathBuf};

use rand::Rng;

use super::UsersError;
use crate::private_file;

/// bcrypt's work factor for the generated password, which is long and random already.
pub(super) const COST: u32 = 10;
/// The first user's name.
pub const FIRST_USER: &str = "admin";
/// Name of the file with the first password, for whoever starts the manager.
pub const FIRST_PASSWORD_FILE: &str = "admin-password";

/// The password made at the first start, to be shown once.
#[derive(Clone, Debug)]
pub struct FirstPassword {
    pub user: &'static str,
    pub password: String,
    /// File that holds it, readable by its owner only.
    pub path: PathBuf,
}

pub(super) fn create(directory: &Path, users: &Path) -> Result<FirstPassword, UsersError> {
    let password = random_password();
    let hash = bcrypt::hash_with_result(&password, COST)?.format_for_version(bcrypt::Version::TwoY);
    let path = directory.join(FIRST_PASSWORD_FILE);
    // The password first: should the machine stop in between, the next start makes a new pair.
    let write = |path: &Path, text: String| {
        private_file::write(path, &text, None).map_err(|source| UsersError::Write { path: path.to_owned(), source })
    };
    write(&path, format!("{password}\n"))?;
    write(users, format!("{FIRST_USER}:{hash}\n"))?;
    Ok(FirstPassword { user: FIRST_USER, password, path })
}

/// 20 characters out of 55 are 115 bits; none of them looks like another.
fn random_password() -> String {
    const CHARACTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut random = rand::rng();
    (0..20).map(|_| char::from(CHARACTERS[random.random_range(0..CHARACTERS.len())])).collect()
}
