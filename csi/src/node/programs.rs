//! The tools of the system: `mount`, `blkid`, `mkfs.ext4` and the like.
//!
//! A program gets what it needs as arguments, and what is secret on its standard input, in the language C; what it says is kept
//! up to a limit. One that takes too long is ended. Where it hangs in the kernel nothing ends it, and the call ends without it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, Command};

use crate::failure::{Failure, Kind};

/// Far longer than a program that only looks, or asks the kernel for something, takes.
pub(super) const QUICK: Duration = Duration::from_secs(60);
/// Making, checking and growing the largest file systems.
pub(super) const LONG: Duration = Duration::from_secs(3600);
/// `cryptsetup` does not wait for udev, which is another's where the driver runs in a container.
const NO_UDEV: (&str, &str) = ("DM_DISABLE_UDEV", "1");
/// What is kept of a program's words.
const OUTPUT_LIMIT_BYTES: u64 = 32 << 10;
/// What a message shows of them.
const SHOWN_CHARACTERS: usize = 600;

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// None when a signal ended it.
    pub(super) code: Option<i32>,
    pub(super) output: String,
    pub(super) errors: String,
}

impl Ended {
    /// Both, in one line.
    pub(super) fn told(&self) -> String {
        let said = format!("{} {}", self.errors.trim(), self.output.trim());
        let line = said.split_whitespace().collect::<Vec<_>>().join(" ");
        line.chars().take(SHOWN_CHARACTERS).collect()
    }

    /// Nothing but 0 is good.
    pub(super) fn good(self, tried: &str) -> Result<Self, Failure> {
        if self.code == Some(0) {
            return Ok(self);
        }
        let code = self.code.map_or_else(|| "a signal".to_owned(), |code| format!("code {code}"));
        Err(Failure::internal(format_args!("{tried} failed with {code}: {}", self.told()), ""))
    }
}

/// Runs a program to its end; the paths come behind the words.
pub(super) async fn run(program: &str, words: &[&str], paths: &[&Path], patience: Duration) -> Result<Ended, Failure> {
    run_with(program, words, paths, None, patience).await
}

/// The same for a program that reads a secret.
pub(super) async fn run_with(
    program: &str,
    words: &[&str],
    paths: &[&Path],
    input: Option<&[u8]>,
    patience: Duration,
) -> Result<Ended, Failure> {
    let mut command = Command::new(program);
    command.args(words).args(paths).env("LC_ALL", "C").env(NO_UDEV.0, NO_UDEV.1).kill_on_drop(true);
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| {
        let message = format_args!("{program} can't be started: {error}");
        Failure::internal(message, format_args!("Install {program} where the driver runs."))
    })?;
    let (output, errors, stdin) = (child.stdout.take(), child.stderr.take(), child.stdin.take());
    let all = async { tokio::join!(told(stdin, input.unwrap_or_default()), said(output), said(errors)) };
    let whole = async {
        let ((), output, errors) = all.await;
        (child.wait().await, output, errors)
    };
    let Ok((status, output, errors)) = tokio::time::timeout(patience, whole).await else {
        let message = format_args!("{program} has not ended within {} s", patience.as_secs());
        return Err(Failure::new(Kind::TimedOut, message, "Does the volume answer? Look at its state."));
    };
    let status = status.map_err(|error| Failure::internal(format_args!("{program}: {error}"), ""))?;
    Ok(Ended { code: status.code(), output, errors })
}

/// One that ends without reading it all says why by its code.
async fn told(to: Option<ChildStdin>, input: &[u8]) {
    let Some(mut to) = to else { return };
    let _ = to.write_all(input).await;
    // Dropping it is the end of the input.
}

/// All is read, so that the program goes on; the beginning is kept.
async fn said(from: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut from) = from else { return String::new() };
    let mut kept = Vec::new();
    // A program that can't be read any more has ended.
    let _ = (&mut from).take(OUTPUT_LIMIT_BYTES).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn how_programs_end() {
        let ended = run("sh", &["-c", "echo out; echo err >&2; exit 3"], &[], QUICK).await.unwrap();
        assert_eq!((ended.code, ended.told().as_str()), (Some(3), "err out"));
        assert!(ended.good("trying").unwrap_err().message.contains("trying failed with code 3: err out"));
        let long = run("sh", &["-c", "yes | head -c 1000000"], &[], QUICK).await.unwrap();
        assert_eq!(long.output.len() as u64, OUTPUT_LIMIT_BYTES);
        let read = run_with("cat", &[], &[], Some(b"secret"), QUICK).await.unwrap();
        assert_eq!(read.output, "secret");
        let unread = run_with("true", &[], &[], Some(&[7; 1 << 20]), QUICK).await.unwrap();
        assert_eq!(unread.code, Some(0), "what is not read keeps nobody");
        let none = run("no-such-program", &["x"], &[], QUICK).await.unwrap_err();
        assert!(none.next_step.contains("no-such-program"), "{none}");
        let slow = run("sleep", &["60"], &[], Duration::from_millis(20)).await.unwrap_err();
        assert_eq!(slow.kind, Kind::TimedOut);
    }
}
