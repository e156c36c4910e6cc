//! Where the server is, and who asks.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use reqwest::redirect::Policy;
use reqwest::{Certificate, ClientBuilder, Url};

use super::failure::Failure;
use super::http::Http;
use super::password;

/// A machine that is there answers sooner.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(super) struct Connection {
    /// Where the manager is; a path prefix of a proxy is possible
    #[arg(long, global = true, env = "AUROCHS_SERVER", default_value = "http://127.0.0.1:9500", value_name = "URL")]
    #[arg(hide_env_values = true)]
    server: String,
    /// Who asks. The password comes from AUROCHS_PASSWORD, a file, or is asked for
    #[arg(long, global = true, env = "AUROCHS_USER", default_value = "admin", value_name = "NAME")]
    #[arg(hide_env_values = true)]
    user: String,
    /// File whose first line is the password
    #[arg(long, global = true, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Data directory of the manager on this machine: the password of its first start is read there
    #[arg(long = "data", global = true, value_name = "DIR", conflicts_with = "password_file")]
    data: Option<PathBuf>,
    /// PEM file with certificates to trust besides the system's
    #[arg(long, global = true, env = "AUROCHS_CA_FILE", value_name = "FILE", hide_env_values = true)]
    ca_file: Option<PathBuf>,
    /// Believe any certificate: whoever is between can read the password and change everything
    #[arg(long, global = true)]
    insecure_skip_verify: bool,
}

impl Connection {
    pub(super) async fn open(self) -> Result<Http, Failure> {
        let server = self.server_url()?;
        let certificates = self.certificates()?;
        if self.insecure_skip_verify {
            warn("the server's certificate is not looked at (--insecure-skip-verify); anybody may be answering");
        }
        let secret = password::find(&self.user, self.password_file.as_deref(), self.data.as_deref()).await?;
        // No redirects and no proxies of the environment: the password goes to the server that was named, nowhere else.
        let builder = ClientBuilder::new().connect_timeout(CONNECT_TIMEOUT).redirect(Policy::none()).no_proxy();
        let builder = builder.danger_accept_invalid_certs(self.insecure_skip_verify);
        let builder = certificates.into_iter().fold(builder, ClientBuilder::add_root_certificate);
        let client = builder.build().map_err(|error| {
            Failure::refused(
                format!("TLS can't be set up: {error}"),
                "Look at --ca-file and the system's certificates.",
            )
        })?;
        Ok(Http::new(client, server, self.user, secret))
    }

    /// Without a slash at the end.
    fn server_url(&self) -> Result<String, Failure> {
        let wrong = |why: &str| {
            let message = format!("--server {:?} can't be used: {why}", without_password(&self.server));
            Failure::usage(message, "Give a URL such as http://127.0.0.1:9500 or https://storage.example.org/aurochs.")
        };
        let url = Url::parse(&self.server).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("only http and https are spoken"));
        }
        if url.password().is_some() || !url.username().is_empty() {
            return Err(wrong(
                "a password does not belong there, where others can read it; see --user and --password-file",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("there is more behind the path"));
        }
        Ok(url.as_str().trim_end_matches('/').to_owned())
    }

    fn certificates(&self) -> Result<Vec<Certificate>, Failure> {
        let Some(path) = &self.ca_file else { return Ok(Vec::new()) };
        let next_step = "Give a PEM file with the certificate of the authority that signed the server's.";
        let wrong =
            |why: String| Failure::usage(format!("--ca-file {} can't be used: {why}", path.display()), next_step);
        let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(error.to_string()))?;
        if certificates.is_empty() { Err(wrong("it has no certificate".to_owned())) } else { Ok(certificates) }
    }
}

/// For messages: a password that was given all the same is not repeated.
fn without_password(url: &str) -> &str {
    if url.contains('@') { "(a URL with a password)" } else { url }
}

#[expect(clippy::print_stderr, reason = "a warning to the person at the terminal")]
fn warn(text: &str) {
    eprintln!("warning: {text}");
}
