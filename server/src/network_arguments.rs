//! `aurochs serve`: how volumes are offered to other machines. Certificates, keys and accounts stay in their files; the
//! store never has them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use aurochs_engine::frontend::nbd::{Tls, TlsFiles};
use aurochs_engine::process::NbdTlsArguments;
use aurochs_server::instance::{NbdTls, Network};
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct NetworkArguments {
    /// Offer every attached volume over NBD on this TCP address too; port 0 chooses one for each.
    #[arg(long)]
    nbd_tcp: Option<SocketAddr>,
    #[command(flatten)]
    nbd_tls: NbdTlsArguments,
    /// Where volumes with the frontend iscsi have their targets; repeat for several paths, port 0 chooses one for each
    /// volume. Without it they are on the loopback address.
    #[arg(long)]
    iscsi_listen: Vec<SocketAddr>,
    /// File with the accounts that iSCSI initiators log in with; without it anybody may log in.
    #[arg(long)]
    iscsi_chap_file: Option<PathBuf>,
}

impl NetworkArguments {
    pub(crate) fn network(self) -> Network {
        Network {
            nbd_tcp_listen: self.nbd_tcp.map(|address| address.to_string()).unwrap_or_default(),
            nbd_tls: match self.nbd_tls.tls() {
                Tls::Off => NbdTls::default(),
                Tls::Allow(files) => told("allow", &files),
                Tls::Require(files) => told("require", &files),
            },
            iscsi_listen: self.iscsi_listen.iter().map(ToString::to_string).collect(),
            iscsi_chap_file: self.iscsi_chap_file.as_deref().map(absolute).unwrap_or_default(),
        }
    }
}

/// As the instance managers are told it.
fn told(mode: &str, files: &TlsFiles) -> NbdTls {
    NbdTls {
        mode: mode.to_owned(),
        certificate: absolute(&files.certificate),
        key: absolute(&files.key),
        client_ca: files.client_ca.as_deref().map(absolute).unwrap_or_default(),
    }
}

/// Engines are started with another working directory in mind.
fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
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
