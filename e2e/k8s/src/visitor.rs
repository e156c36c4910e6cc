//! Somebody with a browser: logs in at the dashboard, and opens pages with the session's cookie.

use std::path::PathBuf;
use std::process::Command;

use crate::product::NAMESPACE;
use crate::{directory, kubectl};

/// Logged in as `admin`.
#[derive(Debug)]
pub struct Visitor {
    /// Where the dashboard is, with a slash at its end.
    root: String,
    /// Of curl, about the way there.
    way: Vec<String>,
    cookies: PathBuf,
}

impl Visitor {
    /// Logs in; waits until somebody is there to be asked. `name` is the visitor's own.
    #[track_caller]
    #[must_use]
    pub fn log_in(name: &str, root: &str, way: &[String]) -> Self {
        let cookies = directory().join(format!("{name}.cookies"));
        let visitor = Self { root: root.to_owned(), way: way.to_vec(), cookies };
        let template = r#"go-template={{index .data "admin-password" | base64decode}}"#;
        let password = kubectl::run(&["-n", NAMESPACE, "get", "secret", "longhorn-users", "-o", template]);
        let form = format!("password={}", password.trim());
        let retry = ["--retry", "60", "--retry-delay", "1", "--retry-all-errors", "--retry-max-time", "120"];
        let asked = ["-H", "Sec-Fetch-Site: same-origin", "-d", "user=admin", "--data-urlencode", &form];
        visitor.ask("login", &[&retry[..], &asked].concat());
        visitor
    }

    /// What a page or a file of the dashboard has in it.
    #[track_caller]
    #[must_use]
    pub fn open(&self, path: &str) -> String {
        self.ask(path, &["-H", "Accept: text/html,*/*"])
    }

    #[track_caller]
    fn ask(&self, path: &str, arguments: &[&str]) -> String {
        let url = format!("{}{path}", self.root);
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--fail-with-body", "--max-time", "60", "--cookie"]).arg(&self.cookies);
        curl.arg("--cookie-jar").arg(&self.cookies).args(&self.way).args(arguments).arg(&url);
        let output = curl.output().unwrap();
        let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{url}: {complaint}{said}");
        said.into_owned()
    }
}
