//! A pod of a test.

use crate::Namespace;
use crate::kubectl;

/// A pod that is there, by its name.
#[derive(Debug)]
pub struct Pod<'a> {
    pub namespace: &'a Namespace,
    pub name: String,
}

impl Pod<'_> {
    /// Waits until it is Ready.
    #[track_caller]
    pub fn wait_until_ready(&self) {
        self.namespace.wait(&["--for=condition=Ready", &format!("pod/{}", self.name)]);
    }

    /// Runs a line of the shell in it.
    ///
    /// # Errors
    /// What was said, if it did not succeed.
    pub fn attempt(&self, line: &str) -> Result<String, String> {
        kubectl::attempt(&["-n", &self.namespace.name, "exec", &self.name, "--", "sh", "-c", line], "")
    }

    /// The same, and expects success.
    ///
    /// # Panics
    /// Without it.
    #[track_caller]
    pub fn run(&self, line: &str) -> String {
        self.attempt(line).unwrap_or_else(|said| panic!("{line}: {said}")).trim().to_owned()
    }

    /// Ends it, without the time that its only process would be given to end by itself.
    #[track_caller]
    pub fn delete(&self) {
        self.namespace.run(&["delete", "pod", &self.name, "--grace-period=1", "--timeout=240s"]);
    }
}
