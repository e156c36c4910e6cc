//! The password: from the environment, a file, or a person; never from the arguments, which everybody on the machine reads.

use std::io::{self, IsTerminal, Read};
use std::path::Path;

use super::failure::{Failure, Kind};
use crate::auth::users::FIRST_PASSWORD_FILE;

/// Where it is taken from first.
const VARIABLE: &str = "AUROCHS_PASSWORD";
/// Far beyond any password: something else was named by mistake.
const FILE_LIMIT_BYTES: u64 = 4096;

/// Files that are named come before the environment, the environment before a question.
pub(super) async fn find(user: &str, file: Option<&Path>, data: Option<&Path>) -> Result<String, Failure> {
    if let Some(data) = data {
        return of_file(&data.join(FIRST_PASSWORD_FILE));
    }
    if let Some(file) = file {
        return of_file(file);
    }
    match std::env::var(VARIABLE).ok().filter(|secret| !secret.is_empty()) {
        Some(secret) => Ok(secret),
        None => of_person(user).await,
    }
}

/// The first line of a file; also of those with other secrets.
pub(super) fn of_file(path: &Path) -> Result<String, Failure> {
    let wrong = |why: String| {
        let message = format!("no secret could be read from {}: {why}", path.display());
        Failure::usage(message, "The file's first line is the secret; it has to be readable for you.")
    };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
    file.take(FILE_LIMIT_BYTES).read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(wrong("it is empty".to_owned())),
    }
}

/// Asks without showing what is typed.
async fn of_person(user: &str) -> Result<String, Failure> {
    if !io::stdin().is_terminal() {
        let message = format!("there is no password for {user}, and nobody at a terminal to ask");
        return Err(Failure::usage(message, format!("Set {VARIABLE}, or name a file with --password-file.")));
    }
    let question = format!("Password of {user}: ");
    let asked = tokio::task::spawn_blocking(move || rpassword::prompt_password(question)).await;
    match asked {
        Ok(Ok(secret)) => Ok(secret),
        Ok(Err(error)) => Err(Failure::new(Kind::Usage, format!("no password was read: {error}"), "")),
        Err(error) => Err(Failure::refused(format!("no password was read: {error}"), "")),
    }
}
