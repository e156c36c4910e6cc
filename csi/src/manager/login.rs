//! Who the driver is to the manager. Secrets are read from their file at each request: Kubernetes changes tokens while we run.

use std::io::Read;
use std::path::{Path, PathBuf};

use reqwest::RequestBuilder;

use crate::failure::{Failure, Kind};

/// Far beyond any token: something else was named by mistake.
const FILE_LIMIT_BYTES: u64 = 64 << 10;

#[derive(Clone, Debug)]
pub enum Login {
    /// The manager asks nobody.
    None,
    /// A service account's token.
    Token(PathBuf),
    /// A user, and the file whose first line is the password.
    Password { user: String, file: PathBuf },
}

impl Login {
    /// The request with our name on it.
    pub async fn sign(&self, request: RequestBuilder) -> Result<RequestBuilder, Failure> {
        match self {
            Self::None => Ok(request),
            Self::Token(file) => Ok(request.bearer_auth(secret(file).await?)),
            Self::Password { user, file } => Ok(request.basic_auth(user, Some(secret(file).await?))),
        }
    }

    /// What a person looks at when the manager does not let us in.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::None => "Give the driver --token-file, or --user with --password-file.".to_owned(),
            Self::Token(file) => format!("Look at the token in {} and at the account's roles.", file.display()),
            Self::Password { user, file } => format!("Look at the password of {user} in {}.", file.display()),
        }
    }
}

async fn secret(path: &Path) -> Result<String, Failure> {
    let path = path.to_owned();
    let reading = tokio::task::spawn_blocking(move || first_line(&path)).await;
    reading.map_err(|error| Failure::internal(format_args!("no secret was read: {error}"), ""))?
}

fn first_line(path: &Path) -> Result<String, Failure> {
    let wrong = |why: &dyn std::fmt::Display| {
        let message = format_args!("no secret could be read from {}: {why}", path.display());
        Failure::new(Kind::Unauthenticated, message, "The file's first line is the secret.")
    };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| wrong(&error))?;
    file.take(FILE_LIMIT_BYTES).read_to_string(&mut text).map_err(|error| wrong(&error))?;
    match text.lines().next().map(str::trim) {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(wrong(&"it is empty")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_secret_of_now() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        std::fs::write(&file, "one\nrest\n").unwrap();
        assert_eq!(secret(&file).await.unwrap(), "one");
        std::fs::write(&file, "two").unwrap();
        assert_eq!(secret(&file).await.unwrap(), "two");
        std::fs::write(&file, "\n").unwrap();
        assert_eq!(secret(&file).await.unwrap_err().kind, Kind::Unauthenticated);
    }
}
