//! kubectl: whoever asks through it does what a user does.

use std::io::{BufReader, Write as _};
use std::process::{Command, Stdio};

use serde_json::{Deserializer, Value};

use crate::PATIENCE;

/// Runs it, with this text as its input.
///
/// # Errors
/// What it said, if it did not succeed.
pub fn attempt(arguments: &[&str], input: &str) -> Result<String, String> {
    let mut command = Command::new("kubectl");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("kubectl can't be started: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // Whoever does not read it says why below.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(said.into_owned()) } else { Err(format!("{complaint}{said}")) }
}

/// Runs it and expects success.
///
/// # Panics
/// Without it, with what it said.
#[track_caller]
pub fn run(arguments: &[&str]) -> String {
    with_input(arguments, "")
}

/// The same with an input.
///
/// # Panics
/// As [`run`].
#[track_caller]
pub fn with_input(arguments: &[&str], input: &str) -> String {
    attempt(arguments, input).unwrap_or_else(|said| panic!("kubectl {}: {said}", arguments.join(" ")))
}

/// One object, or a list.
///
/// # Panics
/// When it can't be had.
#[must_use]
#[track_caller]
pub fn object(arguments: &[&str]) -> Value {
    let text = run(&[&["get", "-o", "json"], arguments].concat());
    serde_json::from_str(&text).unwrap()
}

/// `kubectl wait`: `what` is as it takes it, `--for=` and the object.
///
/// # Panics
/// When it does not come true in time.
#[track_caller]
pub fn wait(what: &[&str]) {
    run(&[&["wait", "--timeout", PATIENCE], what].concat());
}

/// Watches objects until one is as wished; answers with it.
///
/// # Panics
/// When none is in time.
#[track_caller]
pub fn until(what: &str, arguments: &[&str], mut is: impl FnMut(&Value) -> bool) -> Value {
    let mut command = Command::new("kubectl");
    // The watch ends with its patience.
    command.args(["get", "--watch", "-o", "json", "--request-timeout", PATIENCE]).args(arguments);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let told = BufReader::new(child.stdout.take().unwrap());
    let mut objects = Deserializer::from_reader(told).into_iter::<Value>().map_while(Result::ok);
    let found = objects.find(|object| is(object));
    let _ = child.kill();
    let _ = child.wait();
    found.unwrap_or_else(|| panic!("waited in vain until {what} (kubectl get {})", arguments.join(" ")))
}
