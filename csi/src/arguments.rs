//! The command line: Longhorn's words for what Longhorn has.

use std::path::PathBuf;

use clap::Parser;

use crate::failure::Failure;
use crate::manager::Manager;
use crate::manager::http::Http;
use crate::manager::login::Login;

/// The CSI driver of Aurochs. It runs on every node, as root, and speaks to the manager over REST.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Arguments {
    /// Name of the Kubernetes node that this is
    #[arg(long, env = "NODE_ID", value_name = "NAME")]
    pub nodeid: String,
    /// The unix socket that is served; only root can open it
    #[arg(long, default_value = "unix:///csi/csi.sock", value_name = "SOCKET")]
    pub endpoint: String,
    /// Name of the driver
    #[arg(long, default_value = "driver.longhorn.io", value_name = "NAME")]
    pub drivername: String,
    /// Where the manager is
    #[arg(long, default_value = "http://longhorn-backend:9500/v1", value_name = "URL")]
    pub manager_url: String,
    /// File with the service account's token that the manager is shown
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user", "password_file"])]
    pub token_file: Option<PathBuf>,
    /// User of the manager, in the place of a token
    #[arg(long, value_name = "NAME", requires = "password_file")]
    pub user: Option<String>,
    /// File whose first line is the user's password
    #[arg(long, value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,
    /// PEM file with certificates to trust besides the system's
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

impl Arguments {
    pub fn manager(&self) -> Result<Manager, Failure> {
        let login = match (&self.token_file, &self.user, &self.password_file) {
            (Some(file), _, _) => Login::Token(file.clone()),
            (None, Some(user), Some(file)) => Login::Password { user: user.clone(), file: file.clone() },
            _ => Login::None,
        };
        let authority = match &self.ca_file {
            None => None,
            Some(path) => Some(std::fs::read(path).map_err(|error| {
                let message = format_args!("--ca-file {} can't be read: {error}", path.display());
                Failure::invalid(message, "Give a PEM file with the certificate of the manager's authority.")
            })?),
        };
        Http::new(&self.manager_url, authority.as_deref(), login).map(Manager::new)
    }
}
