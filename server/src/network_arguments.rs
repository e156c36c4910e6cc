//! `aurochs serve`: how volumes are offered to other machines. Certificates, keys and accounts stay in their files; the
//! store never has them.

use std::net::SocketAddr;
use std::path::PathBuf;

use aurochs_server::instance::{NbdTls, Network};
use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct NetworkArguments {
    /// Offer every attached volume over NBD on this TCP address too; port 0 chooses one for each.
    #[arg(long)]
    nbd_tcp: Option<SocketAddr>,
    /// Whether NBD clients over TCP may or must encrypt.
    #[arg(long, value_enum, default_value_t = Mode::Off, requires_ifs = [("allow", "nbd_tls_certificate"), ("require", "nbd_tls_certificate")])]
    nbd_tls: Mode,
    /// PEM file with the certificate of the NBD servers.
    #[arg(long, requires = "nbd_tls_key")]
    nbd_tls_certificate: Option<PathBuf>,
    /// PEM file with its private key.
    #[arg(long, requires = "nbd_tls_certificate")]
    nbd_tls_key: Option<PathBuf>,
    /// PEM file with the authorities of clients; with it a client needs a certificate of one of them.
    #[arg(long, requires = "nbd_tls_certificate")]
    nbd_tls_client_ca: Option<PathBuf>,
    /// Where volumes with the frontend iscsi have their targets; repeat for several paths, port 0 chooses one for each
    /// volume. Without it they are on the loopback address.
    #[arg(long)]
    iscsi_listen: Vec<SocketAddr>,
    /// File with the accounts that iSCSI initiators log in with; without it anybody may log in.
    #[arg(long)]
    iscsi_chap_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    Off,
    Allow,
    Require,
}

impl NetworkArguments {
    /// Engines are started with another working directory in mind, so that paths have to be absolute.
    pub(crate) fn network(self) -> Network {
        let path = |path: Option<PathBuf>| match path {
            Some(path) => std::path::absolute(&path).unwrap_or(path).display().to_string(),
            None => String::new(),
        };
        let mode = match self.nbd_tls {
            Mode::Off => "",
            Mode::Allow => "allow",
            Mode::Require => "require",
        };
        let tls = |certificate, key, client_ca| NbdTls { mode: mode.to_owned(), certificate, key, client_ca };
        Network {
            nbd_tcp_listen: self.nbd_tcp.map(|address| address.to_string()).unwrap_or_default(),
            nbd_tls: match mode {
                "" => NbdTls::default(),
                _ => tls(path(self.nbd_tls_certificate), path(self.nbd_tls_key), path(self.nbd_tls_client_ca)),
            },
            iscsi_listen: self.iscsi_listen.iter().map(ToString::to_string).collect(),
            iscsi_chap_file: path(self.iscsi_chap_file),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        network: NetworkArguments,
    }

    fn parse(arguments: &[&str]) -> Result<Network, clap::Error> {
        Program::try_parse_from(std::iter::once(&"serve").chain(arguments)).map(|program| program.network.network())
    }

    #[test]
    fn encryption_needs_its_files_and_paths_are_absolute() {
        assert_eq!(parse(&[]).unwrap(), Network::default());
        assert!(parse(&["--nbd-tls=require"]).is_err());
        let files = ["--nbd-tls=require", "--nbd-tls-certificate=c.pem", "--nbd-tls-key=/k.pem"];
        let tls = parse(&files).unwrap().nbd_tls;
        assert_eq!((tls.mode.as_str(), tls.key.as_str(), tls.client_ca.as_str()), ("require", "/k.pem", ""));
        assert!(tls.certificate.starts_with('/'), "{}", tls.certificate);
        let portals = parse(&["--iscsi-listen=10.0.0.1:3260", "--iscsi-listen=10.1.0.1:3260"]).unwrap().iscsi_listen;
        assert_eq!(portals, ["10.0.0.1:3260", "10.1.0.1:3260"]);
    }
}
