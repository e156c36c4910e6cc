//! TLS of the NBD server on the command line, of engines and of the manager that starts them.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::frontend::nbd::{Tls, TlsFiles};

/// Which of them belong together is checked where they are read.
#[derive(Debug, Args)]
pub struct NbdTlsArguments {
    /// Whether NBD clients over TCP may or must encrypt. The unix socket is for its owner alone and needs no TLS.
    #[arg(long, value_enum, default_value_t = Mode::Off, requires_ifs = [("allow", "nbd_tls_certificate"), ("require", "nbd_tls_certificate")])]
    nbd_tls: Mode,
    /// PEM file with the server's certificate, and those between it and its authority. Read again for each client.
    #[arg(long, requires = "nbd_tls_key")]
    nbd_tls_certificate: Option<PathBuf>,
    /// PEM file with the certificate's private key, not readable by everybody.
    #[arg(long, requires = "nbd_tls_certificate")]
    nbd_tls_key: Option<PathBuf>,
    /// PEM file with the authorities of clients; with it a client that starts TLS needs a certificate of one of them.
    #[arg(long, requires = "nbd_tls_certificate")]
    nbd_tls_client_ca: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    Off,
    Allow,
    Require,
}

impl NbdTlsArguments {
    #[must_use]
    pub fn tls(&self) -> Tls {
        let Some((certificate, key)) = self.nbd_tls_certificate.clone().zip(self.nbd_tls_key.clone()) else {
            return Tls::Off;
        };
        let files = TlsFiles { certificate, key, client_ca: self.nbd_tls_client_ca.clone() };
        match self.nbd_tls {
            Mode::Off => Tls::Off,
            Mode::Allow => Tls::Allow(files),
            Mode::Require => Tls::Require(files),
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
        tls: NbdTlsArguments,
    }

    fn parse(arguments: &[&str]) -> Result<Tls, clap::Error> {
        Program::try_parse_from(std::iter::once(&"engine").chain(arguments)).map(|program| program.tls.tls())
    }

    #[test]
    fn a_mode_needs_its_files() {
        let pair = ["--nbd-tls-certificate=c.pem", "--nbd-tls-key=k.pem"];
        let files = TlsFiles { certificate: "c.pem".into(), key: "k.pem".into(), client_ca: None };
        assert_eq!(parse(&[]).unwrap(), Tls::Off);
        assert_eq!(parse(&["--nbd-tls=off"]).unwrap(), Tls::Off);
        assert_eq!(parse(&[pair[0], pair[1], "--nbd-tls=allow"]).unwrap(), Tls::Allow(files.clone()));
        assert_eq!(parse(&[pair[0], pair[1], "--nbd-tls=require"]).unwrap(), Tls::Require(files));
        for incomplete in
            [&["--nbd-tls=require"][..], &["--nbd-tls=allow", pair[1]], &[pair[0]], &["--nbd-tls-client-ca=a"]]
        {
            assert!(parse(incomplete).is_err(), "{incomplete:?}");
        }
    }
}
